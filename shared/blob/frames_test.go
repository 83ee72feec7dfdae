package blob_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// memory is a driver that counts what is read of it.
type memory struct {
	blob.Driver
	objects map[string][]byte
	opened  int
	read    int64
}

func newMemory() *memory { return &memory{objects: map[string][]byte{}} }

func (m *memory) Put(_ context.Context, name string, body io.ReaderAt, size int64) error {
	b := make([]byte, size)
	if n, err := body.ReadAt(b, 0); int64(n) < size {
		return err
	}
	m.objects[name] = b
	return nil
}

func (m *memory) Open(_ context.Context, name string, off, n int64) (io.ReadCloser, error) {
	b, ok := m.objects[name]
	if !ok {
		return nil, kinds.Errorf(kinds.NotFound, "absent")
	}
	b = b[min(off, int64(len(b))):]
	if n >= 0 {
		b = b[:min(n, int64(len(b)))]
	}
	m.opened, m.read = m.opened+1, m.read+int64(len(b))
	return io.NopCloser(bytes.NewReader(b)), nil
}

// mixed gives content of which parts compress well, a little, and not at all.
func mixed(size int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	words := strings.Fields("the of a mail that this and message was to for with by on regards Content-Type: <br> &nbsp; =20 multipart/mixed")
	var b []byte
	for n := 0; len(b) < size; n++ {
		raw := make([]byte, 30<<10+r.Uint64()%(100<<10))
		r.Read(raw)
		kind := n % 3
		if len(b) > 1<<20 {
			kind = 2 // for time
		}
		switch kind {
		case 0:
			for _, c := range raw[:8<<10] {
				b = append(append(b, words[int(c)%len(words)]...), ' ')
			}
		case 1:
			b = base64.StdEncoding.AppendEncode(b, raw)
		case 2:
			b = append(b, raw...)
		}
	}
	return b[:size]
}

func put(t testing.TB, s blob.Store, name string, content []byte) blob.Ref {
	t.Helper()
	ref, err := s.Put(context.Background(), name, blob.Header{Owners: []string{"one"}}, bytes.NewReader(content), int64(len(content)))
	porttest.OK(t, err)
	return ref
}

// putPlain stores content as it was before there were frames.
func putPlain(m *memory, name string, content []byte) blob.Ref {
	head := []byte("GWB\x01\x00\x00\x00\x01\xa0")
	m.objects[name] = append(head, content...)
	return blob.Ref{Name: name, Header: uint32(len(head)), Size: int64(len(content))}
}

func read(s blob.Store, ref blob.Ref, off, n int64) ([]byte, error) {
	r, err := s.Open(context.Background(), ref, off, n)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return b, err
}

func TestAnyRangeIsThatOfTheContentInOneRead(t *testing.T) {
	content := mixed(241 * blob.FrameSize)
	m := newMemory()
	s := blob.Store{Driver: m}
	const f = blob.FrameSize
	sizes := []int{0, 1, 4095, 4096, 25_000, f - 1, f, f + 1, 2*f - 1, 2 * f, 5*f + 17,
		120*f + 1, 241 * f} // tables of two and of four frames an entry
	refs := map[int][]blob.Ref{}
	for _, size := range sizes {
		framed := put(t, s, fmt.Sprint("framed", size), content[:size])
		refs[size] = []blob.Ref{framed, putPlain(m, fmt.Sprint("plain", size), content[:size])}
		stored, err := framed.Stored()
		porttest.OK(t, err)
		if len(framed.Frames) > blob.MaxTable || stored != int64(len(m.objects[framed.Name])) || stored > int64(framed.Header)+int64(size)+int64(size/f+1)*16 {
			t.Errorf("%d bytes are stored as %d, with a table of %d", size, stored, len(framed.Frames))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom(sizes).Draw(t, "size")
		ref := rapid.SampledFrom(refs[size]).Draw(t, "ref")
		near := rapid.IntRange(0, size/f+1).Draw(t, "frame") * f
		off := max(0, rapid.OneOf(rapid.IntRange(0, size+3), rapid.IntRange(near-2, near+2)).Draw(t, "off"))
		n := rapid.OneOf(rapid.IntRange(-1, 5), rapid.IntRange(0, 3*f), rapid.Just(f), rapid.Just(f-off%f)).Draw(t, "n")
		m.opened, m.read = 0, 0
		got, err := read(s, ref, int64(off), int64(n))
		if err != nil {
			t.Fatal(err)
		}
		want := content[min(off, size):size]
		if n >= 0 {
			want = want[:min(n, len(want))]
		}
		if !bytes.Equal(got, want) || m.opened > 1 {
			t.Fatalf("%d bytes for %d, in %d reads", len(got), len(want), m.opened)
		}
		// An entry of the table is up to four frames here, and both ends of a range cost one.
		if unit := int64(max(f, size/60)); n >= 0 && m.read > int64(n)+2*(unit+16*64) {
			t.Fatalf("%d bytes were read for %d", m.read, n)
		}
	})
}

func TestWhatIsLeftBehindIsReadInPieces(t *testing.T) {
	m := newMemory()
	s := blob.Store{Driver: m}
	content := mixed(300_000)
	ref := put(t, s, "a", content)
	for range 3 { // the memory is used again
		r, err := s.Open(t.Context(), ref, 10, -1)
		porttest.OK(t, err)
		b := make([]byte, 100_000)
		_, err = io.ReadFull(r, b)
		porttest.OK(t, err)
		porttest.OK(t, r.Close())
		if _, err := r.Read(b); err == nil || !bytes.Equal(b, content[10:100_010]) {
			t.Errorf("read after the end: %v", err)
		}
	}
}

func TestFramesSaveSpaceWhereTheyCan(t *testing.T) {
	random := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(random)
	for name, c := range map[string]struct {
		content []byte
		ratio   float64
	}{
		"words":  {mixed(30 << 10), .35},
		"base64": {[]byte(base64.StdEncoding.EncodeToString(random)), .77},
		"random": {random, 1.001},
		"small":  {bytes.Repeat([]byte("x"), 4000), 1.02},
	} {
		m := newMemory()
		ref := put(t, blob.Store{Driver: m}, "a", c.content)
		if got := float64(len(m.objects["a"])-int(ref.Header)) / float64(len(c.content)); got > c.ratio {
			t.Errorf("%s: %.3f of its size", name, got)
		}
	}
}

// Whoever has the object but not the Ref can read it with any zstd.
func TestAnObjectIsAStreamOfZstd(t *testing.T) {
	m := newMemory()
	content := mixed(1 << 20)
	ref := put(t, blob.Store{Driver: m}, "a", content)
	r, err := zstd.NewReader(bytes.NewReader(m.objects["a"][ref.Header:]))
	porttest.OK(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	porttest.OK(t, err)
	if !bytes.Equal(got, content) {
		t.Error("it is something else")
	}
}

func TestDamageIsFoundBeforeItIsRead(t *testing.T) {
	m := newMemory()
	s := blob.Store{Driver: m}
	content := mixed(500_000)
	other := bytes.Clone(content)
	slices.Reverse(other)
	for _, size := range []int{2000, 25_000, len(content)} {
		ref := put(t, s, "a", content[:size])
		good := m.objects["a"]
		put(t, s, "other", other[:size])
		damaged := map[string][]byte{
			"swapped":   m.objects["other"],
			"empty":     nil,
			"a zero":    make([]byte, len(good)),
			"less":      good[:len(good)-1],
			"shifted":   append([]byte{0}, good...),
			"two of it": slices.Concat(good[:ref.Header], good),
		}
		for i := 0; i < len(good)-int(ref.Header); i += 1 + len(good)/100 {
			b := bytes.Clone(good)
			b[int(ref.Header)+i] ^= 1 << (i % 8)
			damaged[fmt.Sprint("bit at ", i)] = b
			damaged[fmt.Sprint("cut at ", i)] = good[:int(ref.Header)+i]
		}
		for what, b := range damaged {
			m.objects["a"] = b
			got, err := read(s, ref, 0, -1)
			if !kinds.Is(err, kinds.Corrupt) || !bytes.HasPrefix(content, got) {
				t.Fatalf("%d bytes, %s: %d bytes read, %v", size, what, len(got), err)
			}
		}
	}
}

func TestATableThatMakesNoSenseIsTold(t *testing.T) {
	m := newMemory()
	s := blob.Store{Driver: m}
	content := mixed(500_000)
	good := put(t, s, "a", content)
	table := []byte(good.Frames)
	entry := table[1:8]
	for what, frames := range map[string][]byte{
		"too short":    table[:len(table)-1],
		"one less":     table[:len(table)-len(entry)],
		"one more":     slices.Concat(table, entry),
		"too long":     slices.Concat(table[:1], bytes.Repeat(entry, 200)),
		"no entries":   table[:1],
		"small unit":   slices.Concat([]byte{0}, table[1:]),
		"large unit":   slices.Concat([]byte{63}, table[1:]),
		"another unit": slices.Concat([]byte{17}, table[1:]),
		"no length":    slices.Concat(table[:1], []byte{0}, table[4:]),
		"huge length":  slices.Concat(table[:1], binary.AppendUvarint(nil, 1<<62), table[4:]),
	} {
		ref := good
		ref.Frames = cbor.ByteString(frames)
		_, err := read(s, ref, 0, -1)
		porttest.Kind(t, err, kinds.Corrupt)
		if _, err := ref.Stored(); err == nil {
			t.Errorf("%s: it has a length", what)
		}
	}
	for _, size := range []int64{-1, 0} {
		ref := good
		ref.Size = size
		if _, err := ref.Stored(); err == nil {
			t.Errorf("a table for %d bytes has a length", size)
		}
	}
	// Three bytes that belong to no frame.
	padded := put(t, s, "padded", content[:100])
	m.objects["padded"] = append(m.objects["padded"], 1, 2, 3)
	longer := []byte(padded.Frames)
	longer[1] += 3
	padded.Frames = cbor.ByteString(longer)
	_, err := read(s, padded, 0, -1)
	porttest.Kind(t, err, kinds.Corrupt)
	ref := good
	ref.Size--
	_, err = read(s, ref, 0, -1)
	porttest.Kind(t, err, kinds.Corrupt)
}

func TestAShortBodyIsRefused(t *testing.T) {
	_, err := blob.Store{Driver: newMemory()}.Put(t.Context(), "a", blob.Header{}, strings.NewReader("short"), 6)
	porttest.Kind(t, err, kinds.Invalid)
	f := blob.NewFramer(io.Discard)
	porttest.OK(t, f.Frame([]byte("the last")))
	porttest.Kind(t, f.Frame([]byte("one more")), kinds.Internal)
}

// FuzzFrames: whatever the object and the table are, reading gives at most what was
// asked for, or kinds.Corrupt.
func FuzzFrames(f *testing.F) {
	m := newMemory()
	for _, size := range []int{1, 5000, 70_000} {
		ref := put(f, blob.Store{Driver: m}, "a", mixed(size))
		f.Add(m.objects["a"][ref.Header:], []byte(ref.Frames), ref.Size, int64(size/2), int64(100))
	}
	// A frame that says 100 bytes and holds a gigabyte; and one that says a gigabyte.
	bomb := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x24, 100, 0x03, 0xff, 0xff, 'x', 1, 2, 3, 4}
	f.Add(bomb, []byte{16, 14, 1, 2, 3, 4}, int64(100), int64(0), int64(-1))
	bomb = []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0, 64, 0x03, 0xff, 0xff, 'x', 1, 2, 3, 4}
	f.Add(bomb, []byte{40, 17, 1, 2, 3, 4}, int64(1<<30), int64(0), int64(-1))
	f.Fuzz(func(t *testing.T, object, table []byte, size, off, n int64) {
		s := blob.Store{Driver: &memory{objects: map[string][]byte{"a": object}}}
		ref := blob.Ref{Name: "a", Size: size, Frames: cbor.ByteString(table)}
		if len(table) == 0 || off < 0 {
			return
		}
		got, err := read(s, ref, off, n)
		if err != nil && !kinds.Is(err, kinds.Corrupt) {
			t.Fatalf("%v", err)
		}
		want := max(0, size-off)
		if n >= 0 {
			want = min(want, n)
		}
		if int64(len(got)) > want || err == nil && int64(len(got)) < want {
			t.Fatalf("%d bytes for %d", len(got), want)
		}
	})
}

// failing is a driver whose reads break off.
type failing struct{ blob.Driver }

func (f failing) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	r, err := f.Driver.Open(ctx, name, off, n/2)
	if err != nil {
		return nil, err
	}
	gone := kinds.Errorf(kinds.Unavailable, "gone")
	return io.NopCloser(io.MultiReader(r, iotest.ErrReader(gone))), nil
}

func TestWhatTheStoreFailsWithIsKept(t *testing.T) {
	m := newMemory()
	ref := put(t, blob.Store{Driver: m}, "a", mixed(200_000))
	_, err := read(blob.Store{Driver: failing{m}}, ref, 0, -1)
	porttest.Kind(t, err, kinds.Unavailable)
	ref.Name = "absent"
	_, err = read(blob.Store{Driver: m}, ref, 0, -1)
	porttest.Kind(t, err, kinds.NotFound)
}

func TestReadersAndWritersDoNotMeetInWhatTheyUseAgain(t *testing.T) {
	var all sync.WaitGroup
	content := mixed(300_000)
	for i := range 8 {
		all.Go(func() {
			s, mine := blob.Store{Driver: newMemory()}, content[i*10_000:]
			for range 5 {
				ref, err := s.Put(t.Context(), "a", blob.Header{}, bytes.NewReader(mine), int64(len(mine)))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := read(s, ref, 100, -1); err != nil || !bytes.Equal(got, mine[100:]) {
					t.Errorf("%d bytes read of %d: %v", len(got), len(mine), err)
				}
			}
		})
	}
	all.Wait()
}
