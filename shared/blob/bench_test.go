package blob_test

import (
	"io"
	"slices"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// BenchmarkStore: what a mail of 25 KB, and a large one with attachments, cost when they
// are written and read, and a small range of the large one.
func BenchmarkStore(b *testing.B) {
	m := newMemory()
	s := blob.Store{Driver: m}
	for name, content := range map[string][]byte{"mail": mixed(25_000), "large": mixed(1 << 20)} {
		b.Run("write a "+name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				f := blob.NewFramer(io.Discard)
				for p := range slices.Chunk(content, blob.FrameSize) {
					porttest.OK(b, f.Frame(p))
				}
			}
		})
		ref := put(b, s, name, content)
		stored, err := ref.Stored()
		porttest.OK(b, err)
		for what, n := range map[string]int64{"all": -1, "2 KB": 2000} {
			b.Run("read "+what+" of a "+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m.read = 0
					r, err := s.Open(b.Context(), ref, int64(len(content))/2, n)
					porttest.OK(b, err)
					_, err = io.Copy(io.Discard, r)
					porttest.OK(b, err)
					porttest.OK(b, r.Close())
				}
				b.ReportMetric(float64(m.read), "bytes/read")
				b.ReportMetric(float64(stored)/float64(len(content)), "ratio")
			})
		}
	}
}
