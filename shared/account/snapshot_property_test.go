package account

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// tidied is a random history of one account by several processes, which is compacted and
// trimmed at random points.
type tidied struct {
	t      *rapid.T
	w      *world
	stores []*Store
	open   []*Account
	n      int
}

func TestRandomHistoriesCompactedAndTrimmedReadTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &tidied{t: rt, w: mirrored(t)}
		for range rapid.IntRange(1, 3).Draw(rt, "processes") {
			h.process()
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			h.step()
		}
		plain := h.w.plain(t)
		want := dump(plain)
		h.process()
		for i, a := range h.open {
			h.ok(a.Refresh(context.Background()))
			var refs []ContentRef
			for _, m := range a.State().Mailboxes() {
				state, err := a.Load(context.Background(), m.ID)
				h.ok(err)
				for _, x := range state.MailboxByID(m.ID).Messages() {
					refs = append(refs, x.Content)
				}
			}
			check(rt, a.State())
			if got := dump(a.State()); got != want {
				rt.Fatalf("process %d reads\n%s\nand the fold is\n%s", i, got, want)
			}
			h.w.sameContents(t, a, refs)
			a.Close()
		}
	})
}

func (h *tidied) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%v (%v)", err, kinds.Of(err))
	}
}

func (h *tidied) process() {
	s := h.w.store()
	s.rows, s.last, s.cfg.Window = 2*blockRows+40, 3, MinWindow
	a, err := s.Open(context.Background(), h.w.ref)
	h.ok(err)
	h.stores, h.open = append(h.stores, s), append(h.open, a)
}

func (h *tidied) step() {
	h.n++
	ctx := context.Background()
	i := rapid.IntRange(0, len(h.open)-1).Draw(h.t, "process")
	a := h.open[i]
	box := rapid.SampledFrom(a.State().Mailboxes()).Draw(h.t, "mailbox")
	next := box.UIDNext
	r := rapid.Custom(func(t *rapid.T) Range {
		return Range{First: rapid.Uint32Range(1, next).Draw(t, "first"), Last: rapid.Uint32Range(1, next+3).Draw(t, "last")}
	})
	some := rapid.SliceOfN(r, 1, 3).Draw(h.t, "uids")
	to := rapid.SampledFrom([]string{"INBOX", "Archive", "Trash", "a", "a/b"}).Draw(h.t, "to")
	var err error
	switch rapid.SampledFrom([]string{"few", "many", "deliver", "copy", "move", "flags", "flags", "expunge", "create", "rename", "delete",
		"subscribe", "annotate", "compact", "compact", "compact", "sweep", "sweep", "days", "days", "load", "restart"}).Draw(h.t, "step") {
	case "few":
		err = h.append(a, to, rapid.IntRange(1, 5).Draw(h.t, "messages"))
	case "many":
		err = h.append(a, to, rapid.IntRange(100, 400).Draw(h.t, "messages"))
	case "deliver":
		_, err = h.stores[i].Deliver(ctx, h.w.ref, a.State().Seq(), by, []Add{delivery(fmt.Sprint(h.n)), delivery(fmt.Sprint(h.n, "b"))})
	case "copy":
		_, err = a.CopyMessages(ctx, by, box.ID, some, to, Room{})
	case "move":
		_, err = a.MoveMessages(ctx, by, box.ID, some, to)
	case "flags":
		words := rapid.SampledFrom([][]string{nil, {"a"}, {"B", "c"}}).Draw(h.t, "words")
		_, err = a.StoreFlags(ctx, by, box.ID, some, FlagMode(rapid.IntRange(1, 3).Draw(h.t, "mode")),
			Flags(rapid.IntRange(0, int(allFlags)).Draw(h.t, "flags")), words, Unconditional)
	case "expunge":
		_, err = a.ExpungeMessages(ctx, by, box.ID, some, rapid.Bool().Draw(h.t, "only deleted"))
	case "create":
		_, err = a.CreateMailbox(ctx, by, to, "")
	case "rename":
		err = a.RenameMailbox(ctx, by, box.ID, rapid.SampledFrom([]string{"a", "c", "c/d"}).Draw(h.t, "name"))
	case "delete":
		err = a.DeleteMailbox(ctx, by, box.ID)
	case "annotate":
		id := rapid.SampledFrom([]MailboxID{0, box.ID}).Draw(h.t, "of")
		err = a.SetMetadata(ctx, by, id, annotations(h.t))
	case "subscribe":
		err = a.SetSubscribed(ctx, by, to, rapid.Bool().Draw(h.t, "on"))
	case "compact":
		_, err := h.stores[i].Compact(ctx, h.w.ref, rapid.IntRange(0, 3).Draw(h.t, "whole") > 0)
		h.ok(err)
	case "sweep":
		_, err := h.stores[i].Sweep(ctx, h.w.ref)
		h.ok(err)
	case "days":
		h.w.clock.Advance(time.Duration(rapid.IntRange(1, 40).Draw(h.t, "days")) * day)
	case "load":
		_, err = a.Load(ctx, box.ID)
	case "restart":
		h.open[i].Close()
		h.stores[i], h.open[i] = h.stores[len(h.stores)-1], h.open[len(h.open)-1]
		h.stores, h.open = h.stores[:len(h.stores)-1], h.open[:len(h.open)-1]
		h.process()
	}
	switch kinds.Of(err) {
	case kinds.NotFound, kinds.Exists, kinds.Denied, kinds.Invalid:
	default:
		h.ok(err)
	}
}

func (h *tidied) append(a *Account, to string, n int) error {
	batch := make([]NewMessage, n)
	for i := range batch {
		batch[i] = newMessage(int64(h.n*1000 + i))
		batch[i].Content.Head = []byte("X: y\r\n")
		if i%50 == 7 {
			batch[i].UIDL, batch[i].Words = fmt.Sprint("u", i), []string{"w"}
		}
	}
	_, _, err := a.Append(context.Background(), by, to, batch, Room{})
	return err
}
