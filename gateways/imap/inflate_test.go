package imap

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// feed is what is received, piece by piece.
type feed [][]byte

func (f *feed) receive() ([]byte, error) {
	if len(*f) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	p := (*f)[0]
	*f = (*f)[1:]
	return p, nil
}

func TestInflateGivesWhatItHasBeforeItWaits(t *testing.T) {
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, level)
		if err != nil {
			t.Fatal(err)
		}
		var f feed
		z := &inflater{receive: f.receive}
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 50 {
			text := []byte(strings.Repeat("a1 UID FETCH 1:* (FLAGS)\r\n", random.IntN(4000)) + "b2 NOOP\r\n")
			if i%5 == 0 {
				for k := range text {
					text[k] = byte(random.Uint32())
				}
			}
			if _, err := w.Write(text); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			// A partial flush has no empty stored block behind it: without its last four
			// octets all must be there.
			raw := bytes.Clone(out.Bytes())
			out.Reset()
			half := (len(raw) - 3) / 2
			f = append(f, raw[:half], raw[half:len(raw)-4])
			got := make([]byte, len(text))
			if n, err := io.ReadFull(z, got); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("level %d, round %d: %d of %d octets, %v", level, i, n, len(text), err)
			}
			f = append(f, raw[len(raw)-4:])
		}
	}
}

// FuzzInflate compares with the library's.
func FuzzInflate(f *testing.F) {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, 6)
	_, _ = w.Write([]byte(strings.Repeat("a NOOP\r\nb SEARCH ALL\r\n", 30)))
	_ = w.Flush()
	_, _ = w.Write([]byte("c LOGOUT\r\n"))
	_ = w.Close()
	f.Add(out.Bytes())
	f.Add([]byte("\x01\x01\x00\xfe\xffx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wrong := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), 1<<20))
		got, err := io.ReadAll(io.LimitReader(&inflater{receive: (&feed{b}).receive}, 1<<20))
		if wrong == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%d octets and %v, wanted %d", len(got), err, len(want))
		}
		if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) {
			t.Error("it gives something else")
		}
	})
}
