package account

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
)

// table is a twin's journal. It is copied item by item, and put back under all who use it, as
// a table is that was restored to a point in time.
type table struct {
	journal.Driver
	t     testing.TB
	fresh func() journal.Driver // an empty one

	mu    sync.Mutex
	parts []journal.Partition
}

func newTable(t testing.TB, fresh func() journal.Driver) *table {
	return &table{Driver: fresh(), t: t, fresh: fresh}
}

func (d *table) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	d.mu.Lock()
	if !slices.Contains(d.parts, p) {
		d.parts = append(d.parts, p)
	}
	d.mu.Unlock()
	return d.Driver.Append(ctx, p, e)
}

func (d *table) copied() restorable {
	d.t.Helper()
	to := newTable(d.t, d.fresh)
	for _, p := range d.parts {
		after := uint64(0)
		for more := true; more; {
			items, again, err := d.Read(context.Background(), p, after, 100)
			porttest.OK(d.t, err)
			for _, e := range items {
				porttest.OK(d.t, to.Append(context.Background(), p, e))
				after = e.Seq
			}
			more = again && len(items) > 0
		}
	}
	return to
}

func (d *table) put(back restorable) {
	was := back.copied().(*table)
	d.Driver, d.parts = was.Driver, was.parts
}

// A table's items are copied, clients see what comes after that, and the copy takes its
// place: in the new epoch, no client shows what is lost, or misses what is there.
func TestClientsFollowATableThatWasPutBack(t *testing.T) {
	clock := porttest.NewClock()
	w := newWorldOn(t, clock, newTable(t, twin(t, clock)))
	clients, ctx := mailClients(), t.Context()
	sync := func(when string) {
		t.Helper()
		for _, c := range clients {
			if wrong := c.sync(t, w.store(), w.ref); wrong != "" {
				t.Errorf("%s: %s", when, wrong)
			}
		}
	}
	s := w.store()
	a := w.open(t, s)
	w.append(t, a, "INBOX", 25)
	_, err := a.CreateMailbox(ctx, by, "kept", "")
	porttest.OK(t, err)
	w.append(t, a, "kept", 3)
	_, err = s.Compact(ctx, w.ref, true)
	porttest.OK(t, err)
	w.append(t, a, "INBOX", 2)
	sync("at first")
	back := w.backup()
	_, err = a.CreateMailbox(ctx, by, "lost", "")
	porttest.OK(t, err)
	w.append(t, a, "lost", 2)
	w.append(t, a, "INBOX", 3)
	_, err = a.ExpungeMessages(ctx, by, Inbox, uids(2, 26), false)
	porttest.OK(t, err)
	_, err = s.Compact(ctx, w.ref, true)
	porttest.OK(t, err)
	sync("before the table is put back")
	w.back(back)
	if _, err := s.Deliver(ctx, w.ref, 0, by, []Add{delivery("of one who knows what was lost")}); err != nil {
		t.Fatal(err)
	}
	w.ref = w.begin(t)
	if n := w.loaded(t).Len(); n != 25+2+1 {
		t.Errorf("%d messages are left", n)
	}
	sync("in the new epoch")
	b := w.open(t, w.store())
	w.append(t, b, "INBOX", 4)
	_, err = b.ExpungeMessages(ctx, by, Inbox, uids(3), false)
	porttest.OK(t, err)
	sync("after that")
}
