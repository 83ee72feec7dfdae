package account

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// history is a random history of one account by several writers, each a process of its
// own with knowledge of its own, over a journal that loses replies, does things twice
// and shows writes late.
type history struct {
	t       *rapid.T
	w       *world
	plan    *faults.Plan
	stores  []*Store
	open    []*Account
	n       int                 // of commands
	told    map[string]int      // EMAILIDs that an APPEND was told to be there: how many (1)
	perhaps map[string]struct{} // EMAILIDs whose APPEND has an unknown outcome
	sent    []string            // deliveries, to be repeated
	landed  map[string]bool     // deliveries that were told to be there
}

func TestRandomHistoriesOfSeveralWriters(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{t: rt, w: newWorld(t), told: map[string]int{}, perhaps: map[string]struct{}{}, landed: map[string]bool{}}
		h.plan = faults.New(func(_ int, call string) faults.Mode {
			return faults.Mode(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5}).Draw(rt, "fault of "+call))
		})
		for range rapid.IntRange(1, 3).Draw(rt, "writers") {
			s := h.w.storeOn(faults.Journal(h.w.journal, h.plan))
			h.stores = append(h.stores, s)
			var a *Account
			for a == nil { // opening meets faults too
				a, _ = s.Open(context.Background(), h.w.ref)
			}
			h.open = append(h.open, a)
		}
		for range rapid.IntRange(1, 40).Draw(rt, "commands") {
			h.command()
		}
		h.end()
	})
}

func (h *history) command() {
	h.n++
	i := rapid.IntRange(0, len(h.open)-1).Draw(h.t, "writer")
	a, ctx := h.open[i], context.Background()
	box := h.box(a)
	some := h.uids(a, box)
	to := rapid.SampledFrom([]string{"INBOX", "Archive", "Trash", "a", "a/b"}).Draw(h.t, "to")
	if rapid.IntRange(0, 5).Draw(h.t, "clock") == 0 {
		h.w.clock.Advance(20 * 60 * 1e9) // so that knowledge grows old
	}
	var err error
	what := rapid.SampledFrom([]string{"append", "append", "deliver", "deliver", "again", "copy", "move", "move", "flags", "flags",
		"expunge", "replace", "create", "rename", "delete", "subscribe", "annotate", "refresh"}).Draw(h.t, "command")
	switch what {
	case "append":
		err = h.append(a, to)
	case "deliver":
		name := fmt.Sprint("delivery ", h.n)
		h.sent = append(h.sent, name)
		err = h.deliver(i, name, fmt.Sprint(name, " b"))
		h.sent = append(h.sent, name+" b")
	case "again":
		if len(h.sent) > 0 {
			err = h.deliver(i, rapid.SampledFrom(h.sent).Draw(h.t, "delivery"), rapid.SampledFrom(h.sent).Draw(h.t, "delivery"))
		}
	case "copy":
		_, err = a.CopyMessages(ctx, by, box, some, to, Room{})
	case "move":
		_, err = a.MoveMessages(ctx, by, box, some, to)
	case "flags":
		mode := FlagMode(rapid.IntRange(1, 3).Draw(h.t, "mode"))
		flags := Flags(rapid.IntRange(0, int(allFlags)).Draw(h.t, "flags"))
		words := rapid.SampledFrom([][]string{nil, {"a"}, {"B", "c"}}).Draw(h.t, "words")
		since := rapid.SampledFrom([]uint64{Unconditional, a.State().ModSeq() - 2}).Draw(h.t, "since")
		_, err = a.StoreFlags(ctx, by, box, some, mode, flags, words, since)
	case "expunge":
		_, err = a.ExpungeMessages(ctx, by, box, some, rapid.Bool().Draw(h.t, "only deleted"))
	case "replace":
		err = h.replace(a, box, some[0].First, to)
	case "create":
		_, err = a.CreateMailbox(ctx, by, to, "")
	case "rename":
		err = a.RenameMailbox(ctx, by, box, rapid.SampledFrom([]string{"a", "c", "c/d"}).Draw(h.t, "name"))
	case "delete":
		err = a.DeleteMailbox(ctx, by, box)
	case "subscribe":
		err = a.SetSubscribed(ctx, by, to, rapid.Bool().Draw(h.t, "on"))
	case "annotate":
		err = a.SetMetadata(ctx, by, box, annotations(h.t))
	case "refresh":
		err = a.Refresh(ctx)
	}
	switch kinds.Of(err) {
	case kinds.NotFound, kinds.Exists, kinds.Denied, kinds.Invalid, kinds.Unavailable:
	default:
		if err != nil {
			h.t.Fatalf("%s: %v (%v)", what, err, kinds.Of(err))
		}
	}
	check(h.t, a.State())
}

func (h *history) box(a *Account) MailboxID {
	return rapid.SampledFrom(a.State().Mailboxes()).Draw(h.t, "mailbox").ID
}

func (h *history) uids(a *Account, box MailboxID) []Range {
	next := a.State().MailboxByID(box).UIDNext
	r := rapid.Custom(func(t *rapid.T) Range {
		return Range{First: rapid.Uint32Range(1, next).Draw(t, "first"), Last: rapid.Uint32Range(1, next+3).Draw(t, "last")}
	})
	return rapid.SliceOfN(r, 1, 3).Draw(h.t, "uids")
}

func (h *history) append(a *Account, to string) error {
	id := EmailID()
	n := newMessage(int64(h.n))
	n.EmailID = id
	uids, validity, err := a.Append(context.Background(), by, to, []NewMessage{n}, Room{})
	switch {
	case err == nil:
		h.told[id]++
		// What APPENDUID tells is where the message is, or was.
		if m := a.State().Mailbox(to); m != nil && m.UIDValidity == validity {
			if i, ok := m.Find(uids[0]); ok && h.emailID(a, m.At(i).Content) != id {
				h.t.Fatalf("UID %d in %s is another message", uids[0], to)
			}
		}
	case kinds.Is(err, kinds.Unavailable):
		h.perhaps[id] = struct{}{}
	}
	return err
}

func (h *history) replace(a *Account, box MailboxID, goes uint32, to string) error {
	n := newMessage(int64(h.n))
	n.EmailID = EmailID()
	_, _, err := a.Replace(context.Background(), by, box, goes, to, n, Room{})
	switch {
	case err == nil:
		h.told[n.EmailID]++
	case kinds.Is(err, kinds.Unavailable):
		h.perhaps[n.EmailID] = struct{}{}
	}
	return err
}

// emailID looks into the journal, whatever faults the writers meet.
func (h *history) emailID(a *Account, ref ContentRef) string {
	items, _, err := h.w.journal.Read(context.Background(), a.core.part, ref.Seq-1, 1)
	h.ok(err)
	e, err := decode(items[0])
	h.ok(err)
	return e.Ops[ref.Index].Add.EmailID
}

func (h *history) deliver(store int, names ...string) error {
	var batch []Add
	for _, name := range names {
		batch = append(batch, delivery(name))
	}
	out, err := h.stores[store].Deliver(context.Background(), h.w.ref, 0, by, batch)
	if err != nil {
		return err
	}
	for i, name := range names {
		if out[i].Seq == 0 {
			h.t.Fatalf("delivery %q went nowhere", name)
		}
		h.landed[name] = true
	}
	return nil
}

// end settles what is late and compares what all of them hold.
func (h *history) end() {
	h.plan.Settle()
	fresh := h.w.storeOn(h.w.journal)
	a, err := fresh.Open(context.Background(), h.w.ref)
	h.ok(err)
	defer a.Close()
	want := dump(a.State())
	for i, s := range h.stores {
		s.cfg.Journal = h.w.journal
		h.ok(h.open[i].Refresh(context.Background()))
		if got := dump(h.open[i].State()); got != want {
			h.t.Fatalf("writer %d folds to\n%s\nand a fresh one to\n%s", i, got, want)
		}
		h.open[i].Close()
	}
	h.audit()
}

func (h *history) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%v (%v)", err, kinds.Of(err))
	}
}

// audit folds the journal entry by entry and looks for what must never happen.
func (h *history) audit() {
	items, _, err := h.w.journal.Read(context.Background(), h.w.ref.Partition(), 0, 1000)
	h.ok(err)
	s := NewState(h.w.ref)
	ops, names, emails, delivered := map[string]bool{}, map[string]int{}, map[string]int{}, map[string]bool{}
	type place struct {
		validity, uid uint32
	}
	held := map[place]string{} // by whom a UID was ever taken
	next := map[uint32]uint32{}
	made := map[ContentRef]string{} // EMAILIDs
	var modSeq uint64
	for _, item := range items {
		e, err := decode(item)
		h.ok(err)
		was := living(s)
		for _, r := range e.records() {
			made[r.ref] = r.content.EmailID
		}
		h.ok(s.Apply(*e))
		if ops[e.Op] {
			h.t.Fatalf("operation %s took place twice", e.Op)
		}
		ops[e.Op] = true
		if s.ModSeq() <= modSeq {
			h.t.Fatalf("MODSEQ %d after %d", s.ModSeq(), modSeq)
		}
		modSeq = s.ModSeq()
		for i := range e.Ops {
			if add := e.Ops[i].Add; add != nil {
				emails[add.EmailID]++
				if len(add.Name) > 0 {
					names[string(add.Name)]++
					delivered[add.EmailID] = true
				}
			}
		}
		for _, m := range s.boxes {
			if m.UIDNext < next[m.UIDValidity] {
				h.t.Fatalf("UIDNEXT %d after %d", m.UIDNext, next[m.UIDValidity])
			}
			next[m.UIDValidity] = m.UIDNext
			for _, x := range m.Messages() {
				at := place{m.UIDValidity, x.UID}
				id := made[x.Content]
				if old, ok := held[at]; ok && old != id {
					h.t.Fatalf("UID %v is given twice", at)
				}
				held[at] = id
			}
		}
		if len(e.Ops) == 2 && e.Ops[0].Expunge != nil && e.Ops[1].Add != nil && total(was) != total(living(s)) {
			h.t.Fatalf("a REPLACE made %d messages of %d", total(living(s)), total(was))
		}
		if len(e.Ops) == 1 && e.Ops[0].Move != nil && !maps.Equal(was, living(s)) {
			h.t.Fatalf("a MOVE changed which messages there are: %v, %v", was, living(s))
		}
	}
	for id, n := range emails {
		if _, perhaps := h.perhaps[id]; n != 1 || h.told[id] == 0 && !perhaps && !delivered[id] {
			h.t.Fatalf("message %s was put %d times and nobody was told", id, n)
		}
	}
	for id := range h.told {
		if emails[id] != 1 {
			h.t.Fatalf("a message that was told to be appended is there %d times", emails[id])
		}
	}
	for name, n := range names {
		if n != 1 {
			h.t.Fatalf("delivery %x took place %d times", name, n)
		}
	}
	for name := range h.landed {
		if names[string(DeliveryName(name))] != 1 {
			h.t.Fatalf("delivery %q was told to be there and is not", name)
		}
	}
}

// living counts the messages by what they are made of over all mailboxes.
func living(s *State) map[ContentRef]int {
	n := map[ContentRef]int{}
	for _, m := range s.boxes {
		for _, x := range m.Messages() {
			n[x.Content]++
		}
	}
	return n
}

// annotations are some that are to be set.
func annotations(t *rapid.T) []Annotation {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Annotation {
		a := Annotation{Name: rapid.SampledFrom([]string{"/shared/comment", "/private/comment", "/private/Comment", SpecialUseEntry}).Draw(t, "annotation")}
		value := rapid.SampledFrom([]string{"-", "", "x", `\Drafts`, `\Trash`}).Draw(t, "value")
		if a.Name == SpecialUseEntry && value != "-" {
			value = rapid.SampledFrom([]string{`\Drafts`, `\Trash`}).Draw(t, "use")
		}
		if value != "-" {
			a.Value = []byte(value)
		}
		return a
	}), 1, 3).Draw(t, "annotations")
}

func total(living map[ContentRef]int) (n int) {
	for _, k := range living {
		n += k
	}
	return n
}
