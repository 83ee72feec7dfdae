package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// bin keeps blobs in memory.
type bin struct {
	blob.Driver
	name string
	got  []byte
}

func (b *bin) Put(_ context.Context, name string, body io.ReaderAt, size int64) error {
	b.name, b.got = name, make([]byte, size)
	n, err := body.ReadAt(b.got, 0)
	if int64(n) < size {
		return err
	}
	return nil
}

func (b *bin) Open(_ context.Context, _ string, off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(b.got), off, n)), nil
}

func TestWhatIsWrittenIsStored(t *testing.T) {
	budget := NewBudget(100 << 20)
	dir := t.TempDir()
	random := make([]byte, 3*MaxMemory)
	rand.NewChaCha8([32]byte{1}).Read(random)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, blob.FrameSize, blob.FrameSize + 1,
			maxStored - 1, maxStored, maxStored + 1, MaxMemory, MaxMemory + chunkSize + 1, 2*MaxMemory + 17}).Draw(t, "size")
		piece := rapid.IntRange(1, 100_000).Draw(t, "piece")
		msg := random[:size]
		in := New(Config{Budget: budget, Dir: dir})
		defer in.Discard()
		for p := msg; len(p) > 0; {
			n := min(piece, len(p))
			if _, err := in.Write(p[:n]); err != nil {
				t.Fatal(err)
			}
			p = p[n:]
		}
		var b bin
		ref, sum, err := in.Commit(context.Background(), blob.Store{Driver: &b}, "acme", []string{"x"})
		if err != nil || ref.Size != int64(size) || sum.Size != int64(size) || in.Size() != int64(size) {
			t.Fatalf("%+v, %v, %v", ref, sum.Size, err)
		}
		stored := in.store.size
		if !bytes.Equal(b.got[ref.Header:], at(t, &in.store, 0, int(stored))) || !strings.HasPrefix(b.name, "m/acme/") {
			t.Fatalf("%s holds something else", b.name)
		}
		r, err := blob.Store{Driver: &b}.Open(context.Background(), ref, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("%d octets read of %d: %v", len(got), size, err)
		}
		for range 20 {
			off := rapid.Int64Range(0, stored+10).Draw(t, "off")
			n := rapid.IntRange(0, 70_000).Draw(t, "n")
			want := b.got[ref.Header:][min(off, stored):]
			if got := at(t, &in.store, off, n); !bytes.Equal(got, want[:min(len(want), n)]) {
				t.Fatalf("at %d of %d: %d octets", off, stored, len(got))
			}
		}
	})
	if budget.Used() != 0 {
		t.Errorf("%d octets are still held", budget.Used())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// at reads n octets, or up to the end.
func at(t *rapid.T, r io.ReaderAt, off int64, n int) []byte {
	p := make([]byte, n)
	m, err := r.ReadAt(p, off)
	if (m < n) != (err == io.EOF) && n > 0 {
		t.Fatalf("%d octets of %d: %v", m, n, err)
	}
	return p[:m]
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		msg  string
		want error
	}{
		"size":     {strings.Repeat("x", 3<<20+1), ErrSize},
		"header":   {strings.Repeat("A: b\r\n", 60_000), ErrHeader},
		"field":    {"A: " + strings.Repeat("x", 100_000), ErrHeader},
		"loop":     {strings.Repeat("received: x\r\n", MaxReceived) + "\r\n", ErrLoop},
		"loop end": {strings.Repeat("received: x\r\n", MaxReceived), ErrLoop},
		"no loop":  {strings.Repeat("received: x\r\n", MaxReceived-1) + "\r\nReceived: x\r\n", nil},
		"body":     {"A: b\r\n\r\n" + strings.Repeat("x", 1<<20), nil},
	} {
		budget := NewBudget(100 << 20)
		in := New(Config{Budget: budget, Dir: t.TempDir(), Max: 3 << 20, Relayed: true, AuthServID: "mx"})
		_, err := io.Copy(in, strings.NewReader(c.msg))
		if err == nil {
			_, err = in.Finish()
		}
		if !errors.Is(err, c.want) || c.want != nil && !kinds.Is(err, kinds.Limit) {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != nil && budget.Used() != 0 {
			t.Errorf("%s: a refused message holds %d octets", name, budget.Used())
		}
		in.Discard()
		in.Discard()
		if budget.Used() != 0 {
			t.Errorf("%s: %d octets are still held", name, budget.Used())
		}
	}
}

func TestADiskThatIsUsedUpIsTemporary(t *testing.T) {
	budget := NewBudget(2 << 20)
	random := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(random)
	first := New(Config{Budget: budget, Dir: t.TempDir()})
	if _, err := first.Write(random[:1<<20+MaxMemory]); err != nil {
		t.Fatal(err)
	}
	second := New(Config{Budget: budget, Dir: t.TempDir()})
	defer second.Discard()
	if _, err := second.Write(random); !kinds.Is(err, kinds.Throttled) {
		t.Errorf("got %v", err)
	}
	if _, err := second.Write([]byte("x")); err == nil {
		t.Error("it goes on")
	}
	first.Discard()
	if budget.Used() != 0 {
		t.Errorf("%d octets are still held", budget.Used())
	}
}

// What compresses well needs a budget for what is stored of it only.
func TestTheDiskHoldsFrames(t *testing.T) {
	in := New(Config{Budget: NewBudget(1 << 20), Dir: t.TempDir()})
	defer in.Discard()
	if _, err := in.Write(bytes.Repeat([]byte("a line\r\n"), 8<<20/8)); err != nil {
		t.Fatal(err)
	}
	if in.Size() != 8<<20 {
		t.Errorf("it has %d octets", in.Size())
	}
}

func TestWithoutAFolderItIsTemporary(t *testing.T) {
	in := New(Config{Budget: NewBudget(10 << 20), Dir: t.TempDir() + "/none"})
	defer in.Discard()
	random := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(random)
	if _, err := in.Write(random); !kinds.Is(err, kinds.Unavailable) {
		t.Errorf("got %v", err)
	}
}
