package account

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestContentsAreReadTogetherAndKept(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	for i := range 10 {
		_, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(int64(i)), newMessage(int64(100 + i))}, Room{})
		porttest.OK(t, err)
	}
	_, err := a.MoveMessages(t.Context(), by, Inbox, uids(3, 7), "Archive")
	porttest.OK(t, err)
	s, plan := w.counted()
	b := w.open(t, s)
	n := 1
	var refs []ContentRef
	var sizes []int64
	for _, m := range b.State().Mailbox("Archive").Messages() {
		refs, sizes = append(refs, m.Content), append(sizes, m.Size)
	}
	for _, m := range b.State().Mailbox("INBOX").Messages() {
		refs, sizes = append(refs, m.Content), append(sizes, m.Size)
	}
	refs, sizes = append(refs, refs[0]), append(sizes, sizes[0])
	for range 2 {
		got, err := b.Contents(t.Context(), refs)
		porttest.OK(t, err)
		for i := range got {
			if got[i].Size() != sizes[i] || !bytes.Equal(got[i].Summary, someSummary) {
				t.Errorf("content %d: %+v", i, got[i])
			}
		}
	}
	calls(t, plan, &n, "journal.Read")
	_, err = b.Contents(t.Context(), []ContentRef{{Seq: 1}})
	porttest.Kind(t, err, kinds.Corrupt)
	_, err = b.Contents(t.Context(), []ContentRef{{Seq: 1000}})
	porttest.Kind(t, err, kinds.Corrupt)
	// What this process wrote it also keeps.
	plan2 := len(plan.Calls())
	_, err = s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("d")})
	porttest.OK(t, err)
	m := b.State().Mailbox("INBOX")
	_, err = b.Contents(t.Context(), []ContentRef{m.At(m.Len() - 1).Content})
	porttest.OK(t, err)
	calls(t, plan, &plan2, "journal.Append")
}

func TestContentsStayWithinTheirBudget(t *testing.T) {
	l := newLRU[int, int](100)
	for i := range 50 {
		l.put(i, i, 9)
	}
	l.put(49, 49, 1)
	_, first := l.get(0)
	v, last := l.get(48)
	if l.used > 100 || first || !last || v != 48 || len(l.items) != l.order.Len() {
		t.Errorf("%d used, %d items", l.used, len(l.items))
	}
	before := l.used
	if gone := l.put(1000, 1, 101); len(gone) != 1 || gone[0] != 1000 || l.used != before {
		t.Errorf("%d used after what is larger than all, which drove out %v", l.used, gone)
	}
}

func TestAMessageIsHeadAndTheRestOfItsBlob(t *testing.T) {
	driver, err := files.New(t.TempDir(), files.OS{})
	porttest.OK(t, err)
	blobs := blob.Store{Driver: driver}
	body := []byte("old header\r\n\r\nbody of the message\r\n")
	ref, err := blobs.Put(t.Context(), "m/t/1/a", blob.Header{Owners: []string{"x"}}, bytes.NewReader(body), int64(len(body)))
	porttest.OK(t, err)
	s := New(Config{Blobs: blobs})
	for _, c := range []Content{
		{Head: []byte("Received: x\r\n"), Blob: ref},
		{Head: []byte("New: header\r\n\r\n"), Blob: ref, Skip: 14},
		{Blob: ref},
		{Blob: ref, Skip: ref.Size},
		{Head: []byte("only"), Blob: ref, Skip: ref.Size},
	} {
		whole := append(bytes.Clone(c.Head), body[c.Skip:]...)
		for off := int64(0); off <= c.Size()+2; off++ {
			for _, n := range []int64{-1, 0, 1, 5, 14, c.Size()} {
				from := min(off, c.Size())
				to := c.Size()
				if n >= 0 {
					to = min(from+n, to)
				}
				r, err := s.OpenMessage(t.Context(), &c, off, n)
				porttest.OK(t, err)
				got, err := io.ReadAll(r)
				porttest.OK(t, err)
				porttest.OK(t, r.Close())
				if !bytes.Equal(got, whole[from:to]) {
					t.Fatalf("%d bytes from %d of %q: %q", n, off, whole, got)
				}
			}
		}
	}
}

func TestTheBlobIsOpenedOnlyWhenItIsReached(t *testing.T) {
	opened := 0
	s := New(Config{Blobs: blob.Store{Driver: failing{opened: &opened}}})
	c := content(100)
	r, err := s.OpenMessage(t.Context(), &c, 3, int64(len(c.Head))-3)
	porttest.OK(t, err)
	got, err := io.ReadAll(r)
	porttest.OK(t, err)
	if opened != 0 || string(got) != string(c.Head[3:]) {
		t.Errorf("opened %d times, read %q", opened, got)
	}
	r, err = s.OpenMessage(t.Context(), &c, 0, -1)
	porttest.OK(t, err)
	if _, err = io.ReadAll(r); !kinds.Is(err, kinds.NotFound) || opened != 1 {
		t.Errorf("%v, opened %d times", err, opened)
	}
	_, err = s.OpenMessage(t.Context(), &c, -1, 1)
	porttest.Kind(t, err, kinds.Invalid)
	short := New(Config{Blobs: blob.Store{Driver: failing{opened: &opened, data: "short"}}})
	r, err = short.OpenMessage(t.Context(), &c, 0, -1)
	porttest.OK(t, err)
	_, err = io.ReadAll(r)
	porttest.Kind(t, err, kinds.Corrupt)
}

// failing is a blob driver that has nothing, or too little.
type failing struct {
	blob.Driver
	opened *int
	data   string
}

func (f failing) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	*f.opened++
	if f.data == "" {
		return nil, kinds.Errorf(kinds.NotFound, "no blob")
	}
	return io.NopCloser(bytes.NewReader([]byte(f.data))), nil
}

func TestReadsOfContentsJoinNeighbours(t *testing.T) {
	missing := map[ContentRef][]int{}
	for _, seq := range []uint64{2, 3, 3 + 1 + maxSkip, 100, 101, 500} {
		missing[ContentRef{Seq: seq}] = []int{0}
	}
	if got := fmt.Sprint(runs(missing)); got != "[[2 12] [100 101] [500 500]]" {
		t.Error(got)
	}
	clear(missing)
	for seq := range uint64(250) {
		missing[ContentRef{Seq: seq + 1}] = []int{0}
	}
	if got := fmt.Sprint(runs(missing)); got != "[[1 100] [101 200] [201 250]]" {
		t.Error(got)
	}
}
