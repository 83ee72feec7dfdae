package archive

import (
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"
)

// pattern is a file that repeats a text without being stored.
type pattern struct {
	head, text string
	size       int64
}

func (p pattern) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) && at < p.size {
		from := p.text
		i := at - int64(len(p.head))
		if i < 0 {
			from, i = p.head, at
		} else {
			i %= int64(len(p.text))
		}
		k := copy(b[n:min(int64(len(b)), int64(n)+p.size-at)], from[i:])
		n, at = n+k, at+int64(k)
	}
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

type info struct{ fs.FileInfo }

func (info) ModTime() time.Time { return time.Unix(1e9, 0) }

func mboxOf(p pattern, limit int64) *mboxFile {
	return &mboxFile{t: &tree{opts: Options{MaxMessage: limit}.withDefaults()}, s: newScratch(), f: p, info: info{}, path: "x.mbox", mailbox: "x",
		split: newSplitter(p, p.size, AnyDialect)}
}

// mailOf makes a message of an mbox, of about n octets.
func mailOf(n int) string {
	return "From a@b.test Mon Nov  6 10:11:12 2023\nReceived: from a by b; Mon, 6 Nov 2023 11:11:12 +0100\nSubject: a message\n\n" +
		strings.Repeat("A line of text as long as lines of text usually are in a mail, or so.\n", max(1, n/70)) + ">From here\n\n"
}

// However large a file is, it is read in the memory of a few messages, whatever is in it.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	if got := heap(); got > 64<<20 {
		t.Fatalf("the test starts with %d octets in use", got)
	}
	one := mailOf(10_000)
	for name, c := range map[string]struct {
		file  pattern
		items int
	}{
		"many messages":         {pattern{text: one, size: int64(len(one)) * 3000}, 3000},
		"one line without end":  {pattern{head: "From a\nA: b\n\n", text: "xxxxxxxxxxxxxxxx", size: 40 << 20}, 1},
		"a From_ line that is":  {pattern{head: "From ", text: "xxxxxxxxxxxxxxxx", size: 40 << 20}, 1},
		"a header without end":  {pattern{head: "From a\n", text: "A: bbbbbbbbbbbbbb\n", size: 40 << 20}, 1},
		"nothing but marks":     {pattern{head: "From a\n\n", text: ">>>>>>>>>>>>>>>>", size: 40 << 20}, 1},
		"no From_ line at all":  {pattern{text: "some other file \n", size: 40 << 20}, 1},
		"NULs after a crash":    {pattern{head: one, text: strings.Repeat("\x00", 4096), size: 40 << 20}, 1},
		"empty lines for pages": {pattern{head: one, text: "\n", size: 20 << 20}, 1},
	} {
		m := mboxOf(c.file, 16<<20)
		most, n, before := uint64(0), 0, allocated()
		for {
			i, err := m.next()
			if err == io.EOF {
				break
			}
			if i == nil {
				t.Fatal(name, err)
			}
			if n++; n%1000 == 1 {
				most = max(most, heap())
			}
		}
		if grown := allocated() - before; c.items == 1 && grown > 8<<20 {
			t.Errorf("%s: %d octets were allocated", name, grown)
		}
		if n != c.items {
			t.Errorf("%s: %d items, want %d", name, n, c.items)
		}
		if most > 16<<20 {
			t.Errorf("%s: %d octets in use", name, most)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func BenchmarkReadMbox(b *testing.B) {
	for _, size := range []int{1000, 10_000, 100_000, 5_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			one := mailOf(size)
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			m := mboxOf(pattern{text: one, size: int64(len(one)) * int64(b.N)}, 0)
			n := 0
			for i, err := m.next(); err != io.EOF; i, err = m.next() {
				if err != nil || i.Size == 0 {
					b.Fatal(err)
				}
				n++
			}
			if n != b.N {
				b.Fatal(n)
			}
		})
	}
}

// BenchmarkArchives writes and reads 10 KB messages on the disk.
func BenchmarkArchives(b *testing.B) {
	body := strings.ReplaceAll(mailOf(10_000), "\n", "\r\n")
	_, body, _ = strings.Cut(body, "\r\n")
	for _, f := range []Format{Maildir, Mbox, EML, Zip} {
		path := b.TempDir() + "/out"
		const count = 2000
		b.Run("write/"+string(f), func(b *testing.B) {
			b.SetBytes(int64(len(body)) * count)
			n := 0
			for b.Loop() {
				n++
				w, err := Create(f, fmt.Sprint(path, n), WriteOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for range count {
					if err := w.Write(Message{Mailbox: "a", Flags: []string{seen}, Date: time.Unix(1e9, 0), Body: strings.NewReader(body)}); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("read/"+string(f), func(b *testing.B) {
			b.SetBytes(int64(len(body)) * count)
			for b.Loop() {
				r, err := Open(path+"1", Options{})
				if err != nil {
					b.Fatal(err)
				}
				for i, err := range r.Items() {
					if err != nil || i.Size != int64(len(body)) {
						b.Fatal(i, err)
					}
				}
				r.Close()
			}
		})
	}
}
