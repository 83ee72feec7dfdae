package account

import (
	"fmt"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// Compactions, writers and readers of two processes get on with each other.
func TestCompactionsBesideWritersAndReaders(t *testing.T) {
	w := newWorld(t)
	stores := []*Store{w.store(), w.store()}
	a := w.open(t, stores[0])
	w.fill(t, a, "INBOX", 300)
	w.compacted(t)
	var all sync.WaitGroup
	for n, s := range stores {
		work := func(do func(i int) error) {
			all.Go(func() {
				for i := range 20 {
					if err := do(i); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		b := w.open(t, s)
		work(func(i int) error {
			_, _, err := b.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(int64(i))}, Room{})
			return err
		})
		work(func(i int) error {
			_, err := s.Deliver(t.Context(), w.ref, DontSearch, by, []Add{delivery(fmt.Sprint(n, i))})
			return err
		})
		work(func(i int) error {
			_, err := b.StoreFlags(t.Context(), by, Inbox, uids(uint32(1+i*11)), AddFlags, Seen, nil, Unconditional)
			return err
		})
		work(func(i int) error {
			_, err := s.Compact(t.Context(), w.ref, i%2 == 0)
			return err
		})
		work(func(i int) error {
			state, err := b.Load(t.Context(), Inbox)
			if err != nil {
				return err
			}
			m := state.MailboxByID(Inbox)
			_, err = b.Contents(t.Context(), []ContentRef{m.At(i).Content, m.At(m.Len() - 1 - i).Content})
			return err
		})
	}
	all.Wait()
	porttest.OK(t, a.Refresh(t.Context()))
	w.same(t)
	if got := w.manifest(t); got.Seq < 40 {
		t.Errorf("the last snapshot is of entry %d", got.Seq)
	}
}
