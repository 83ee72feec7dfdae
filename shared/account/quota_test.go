package account

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestFull(t *testing.T) {
	for _, c := range []struct {
		quota           Quota
		held            Totals
		messages, bytes int64
		full            bool
	}{
		{Quota{}, Totals{Messages: 1 << 40, Bytes: 1 << 60}, 1, 1 << 40, false},
		{Quota{Bytes: 100}, Totals{Bytes: 90}, 1, 10, false},
		{Quota{Bytes: 100}, Totals{Bytes: 90}, 1, 11, true},
		// A size that nobody tells needs room, if only a little.
		{Quota{Bytes: 100}, Totals{Bytes: 99}, 1, 0, false},
		{Quota{Bytes: 100}, Totals{Bytes: 100}, 1, 0, true},
		{Quota{Messages: 3}, Totals{Messages: 2}, 1, 0, false},
		{Quota{Messages: 3}, Totals{Messages: 2}, 2, 0, true},
		{Quota{Bytes: 100, Messages: 3}, Totals{Messages: 3}, 1, 1, true},
	} {
		if got := c.quota.Full(c.held, c.messages, c.bytes); got != c.full {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Whatever fails and comes again, and whoever writes at the same time: an entry that takes
// the account over the mark has the warning in it, and no other has.
func TestAWarningIsInEachEntryThatCrosses(t *testing.T) {
	const mark = 500
	warn := Warn(func(_ context.Context, before, after Totals) *Add {
		if before.Bytes >= mark || after.Bytes < mark {
			return nil
		}
		add := delivery("")
		add.Name, add.Content.Head = nil, []byte("warning")
		return &add
	})
	rapid.Check(t, func(rt *rapid.T) {
		w, t := newWorld(t), rt
		plan := faults.New(func(int, string) faults.Mode {
			if rapid.IntRange(0, 9).Draw(t, "fault") > 0 {
				return faults.None
			}
			return rapid.SampledFrom(faults.Modes()).Draw(t, "mode")
		})
		stores := []*Store{w.storeOn(faults.Journal(w.journal, plan)), w.store()}
		ctx := context.Background()
		for n := range 20 {
			s := rapid.SampledFrom(stores).Draw(t, "store")
			what := rapid.SampledFrom([]string{"deliver", "again", "append", "copy", "expunge"}).Draw(t, "command")
			var err error
			if what == "deliver" || what == "again" {
				if what == "deliver" {
					n += 100
				}
				_, err = s.DeliverWarning(ctx, w.ref, 0, by, []Add{delivery(fmt.Sprint(n))}, warn)
			} else if a, failed := s.Open(ctx, w.ref); failed == nil {
				switch what {
				case "append":
					_, _, err = a.Append(ctx, by, "Archive", []NewMessage{newMessage(200)}, Room{Warn: warn})
				case "copy":
					_, err = a.CopyMessages(ctx, by, Inbox, uids(2), "Archive", Room{Warn: warn})
				case "expunge":
					_, err = a.ExpungeMessages(ctx, by, rapid.SampledFrom([]MailboxID{1, 6}).Draw(t, "mailbox"), []Range{{First: 1, Last: 1000}}, false)
				}
				a.Close()
			}
			if err != nil && !kinds.Is(err, kinds.Unavailable) {
				t.Fatal(what, err)
			}
		}
		plan.Settle()
		items, _, err := w.journal.Read(ctx, w.ref.Partition(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		state := NewState(w.ref)
		for _, item := range items {
			e, err := decode(item)
			if err != nil {
				t.Fatal(err)
			}
			before, warnings := state.Standing().Totals.Bytes, 0
			if err := state.Apply(*e); err != nil {
				t.Fatal(err)
			}
			after := state.Standing().Totals.Bytes
			for _, op := range e.Ops {
				if op.Add != nil && string(op.Add.Content.Head) == "warning" {
					warnings++
					after -= op.Add.Content.Size()
				}
			}
			crossed := 0
			if before < mark && after >= mark {
				crossed = 1
			}
			if warnings != crossed {
				t.Fatalf("entry %d, from %d to %d bytes, has %d warnings", e.Seq, before, after, warnings)
			}
		}
		check(t, state)
	})
}

func TestWhatAnAccountGrowsByIsTold(t *testing.T) {
	w := newWorld(t)
	var told Totals
	s := New(Config{Journal: w.journal, Now: w.clock.Now, Grown: func(ref Ref, by By, messages, bytes int64) {
		if ref != w.ref || by.Domain != "one.test" {
			t.Errorf("%v %v", ref, by)
		}
		told.Messages += messages
		told.Bytes += bytes
	}})
	a := w.open(t, s)
	me := By{Domain: "one.test"}
	_, _, err := a.Append(t.Context(), me, "INBOX", []NewMessage{newMessage(100), newMessage(1)}, Room{})
	porttest.OK(t, err)
	_, err = a.CopyMessages(t.Context(), me, Inbox, uids(1, 2), "Archive", Room{})
	porttest.OK(t, err)
	_, err = a.MoveMessages(t.Context(), me, Inbox, uids(1), "Trash")
	porttest.OK(t, err)
	_, err = a.ExpungeMessages(t.Context(), me, Inbox, uids(2), false)
	porttest.OK(t, err)
	got := a.State().Standing().Totals
	if told.Messages != got.Messages || told.Bytes != got.Bytes || told.Messages != 3 {
		t.Errorf("told %+v, it holds %+v", told, got)
	}
	_, err = a.ExpungeMessages(t.Context(), by, a.State().Mailbox("Trash").ID, uids(1), false) // of no domain
	porttest.OK(t, err)
	if told.Messages != 3 {
		t.Errorf("told %+v", told)
	}
}
