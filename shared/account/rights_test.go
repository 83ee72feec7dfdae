package account

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// What a reader may do is what all grants that mean them add up to, less what any takes away; and
// each command is refused exactly where a right for it is missing.
func TestCommandsNeedTheirRights(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, ctx := newWorld(t), context.Background()
		owner := w.open(t, w.store())
		_, _, err := owner.Append(ctx, by, "INBOX", []NewMessage{{Content: content(10), Flags: Deleted}, newMessage(20)}, Room{})
		porttest.OK(t, err)
		names := []string{Anyone, "user:bob", "group:team@t", "user:eve", "group:other@t"}
		mine := names[:3]
		grants := map[string]Rights{}
		for range rapid.IntRange(1, 8).Draw(rt, "grants") {
			who := rapid.SampledFrom([]string{"", "-"}).Draw(rt, "sign") + rapid.SampledFrom(names).Draw(rt, "who")
			rights := Rights(rapid.IntRange(0, int(AllRights)).Draw(rt, "rights"))
			porttest.OK(t, owner.SetACL(ctx, by, Inbox, who, func(Rights) Rights { return rights }))
			grants[who] = rights
		}
		var want Rights
		for _, who := range mine {
			want |= grants[who]
		}
		for _, who := range mine {
			want &^= grants["-"+who]
		}
		bob := w.open(t, w.store())
		bob.SetReader(&Reader{ID: "bob", Names: mine})
		if got := bob.Rights(bob.State().Mailbox("INBOX")); got != want {
			rt.Fatalf("the rights are %q, want %q of %v", got.Letters(), want.Letters(), grants)
		}
		all := []Range{{First: 1, Last: 1<<32 - 1}}
		for _, c := range []struct {
			what string
			need Rights
			do   func() error
		}{
			{"append", MayInsert, func() error {
				_, _, err := bob.Append(ctx, by, "INBOX", []NewMessage{newMessage(1)}, Room{})
				return err
			}},
			{"copy", MayRead | MayInsert, func() error { _, err := bob.CopyMessages(ctx, by, Inbox, uids(1), "INBOX", Room{}); return err }},
			{"move", MayRead | MayTrash | MayExpunge | MayInsert, func() error { _, err := bob.MoveMessages(ctx, by, Inbox, uids(2), "INBOX"); return err }},
			{"seen", MayRead | MayKeepSeen, func() error {
				_, err := bob.StoreFlags(ctx, by, Inbox, all, AddFlags, Seen, nil, Unconditional)
				return err
			}},
			{"flagged", MayRead | MayWrite, func() error {
				_, err := bob.StoreFlags(ctx, by, Inbox, all, AddFlags, Flagged, nil, Unconditional)
				return err
			}},
			{"keyword", MayRead | MayWrite, func() error {
				_, err := bob.StoreFlags(ctx, by, Inbox, all, AddFlags, 0, []string{"x"}, Unconditional)
				return err
			}},
			{"deleted", MayRead | MayTrash, func() error {
				_, err := bob.StoreFlags(ctx, by, Inbox, all, AddFlags, Deleted, nil, Unconditional)
				return err
			}},
			{"expunge", MayExpunge, func() error { _, err := bob.ExpungeMessages(ctx, by, Inbox, uids(1), true); return err }},
			{"create", MayCreate, func() error { _, err := bob.CreateMailbox(ctx, by, "below", ""); return err }},
			{"setacl", MayAdminister, func() error {
				return bob.SetACL(ctx, by, Inbox, "user:zoe", func(Rights) Rights { return MayLookup })
			}},
			{"shared seen", MayAdminister, func() error { return bob.ShareSeen(ctx, by, Inbox, false) }},
			{"annotate", MayWrite, func() error {
				return bob.SetMetadata(ctx, by, Inbox, []Annotation{{Name: "/shared/comment", Value: []byte("x")}})
			}},
		} {
			missing := c.need &^ want
			wanted := kinds.Kind(0)
			switch {
			case missing != 0 && want&MayLookup == 0:
				wanted = kinds.NotFound
			case missing != 0:
				wanted = kinds.Denied
			}
			before := bob.State().Seq()
			err := c.do()
			refused := err != nil && (kinds.Is(err, kinds.NotFound) || kinds.Is(err, kinds.Denied))
			if missing == 0 && err != nil || missing != 0 && (!refused || wanted == kinds.Denied && !kinds.Is(err, wanted) && want&MayRead != 0) {
				rt.Fatalf("%s with %q: %v", c.what, want.Letters(), err)
			}
			if err != nil && bob.State().Seq() != before {
				rt.Fatalf("%s was refused and has written", c.what)
			}
		}
		check(rt, owner.State())
	})
}

// watcher is a client that keeps what it was told of a mailbox.
type watcher struct {
	name  string
	a     *Account
	told  uint64
	known map[uint32]Message
}

func (c *watcher) catchUp(t *rapid.T) {
	state := c.a.State()
	m := c.a.Seen(state.MailboxByID(Inbox))
	changed, gone := m.Changes(c.told)
	for _, g := range gone {
		maps.DeleteFunc(c.known, func(uid uint32, _ Message) bool { return uid >= g.First && uid <= g.Last })
	}
	for _, x := range changed {
		old, ok := c.known[x.UID]
		if ok && x.ModSeq <= old.ModSeq {
			t.Fatalf("%s: MODSEQ %d of UID %d after %d", c.name, x.ModSeq, x.UID, old.ModSeq)
		}
		if ok && old.Flags == x.Flags && slices.Equal(old.Words, x.Words) && c.name != "owner" && !c.flipped(old, state) {
			t.Fatalf("%s: told of UID %d, in which nothing has changed", c.name, x.UID)
		}
		if x.ModSeq > m.HighestModSeq {
			t.Fatalf("%s: MODSEQ %d above HIGHESTMODSEQ %d", c.name, x.ModSeq, m.HighestModSeq)
		}
		c.known[x.UID] = x
	}
	unseen := 0
	for _, x := range m.Messages() {
		k, ok := c.known[x.UID]
		if !ok || k.Flags != x.Flags || k.ModSeq != x.ModSeq || !slices.Equal(k.Words, x.Words) {
			t.Fatalf("%s: UID %d is %05b at %d, and was told to be %05b at %d", c.name, x.UID, x.Flags, x.ModSeq, k.Flags, k.ModSeq)
		}
		if x.Flags&Seen == 0 {
			unseen++
		}
	}
	if len(c.known) != m.Len() || unseen != m.Unseen {
		t.Fatalf("%s: knows %d of %d messages, %d unseen and not %d", c.name, len(c.known), m.Len(), unseen, m.Unseen)
	}
	c.told = state.ModSeq()
}

// flipped tells whether something has changed between two looks and back again, or how \Seen is
// kept: then a client may be told of what it knows.
func (c *watcher) flipped(old Message, state *State) bool {
	m := state.MailboxByID(Inbox)
	if m.switched > c.told {
		return true
	}
	return c.a.State().ModSeq()-c.told > 1
}

// A reader is told of what they see, and of nothing else; what clients were told is what is there;
// MODSEQs rise.
func TestReadersAreToldOfWhatTheySee(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, ctx := newWorld(t), context.Background()
		s := w.store()
		all := map[string]*watcher{}
		for _, name := range []string{"owner", "bob", "dora"} {
			a := w.open(t, s)
			if name != "owner" {
				a.SetReader(&Reader{ID: ID(name), Names: []string{Anyone, User(ID(name))}})
			}
			all[name] = &watcher{name: name, a: a, known: map[uint32]Message{}}
		}
		owner := all["owner"].a
		porttest.OK(t, owner.SetACL(ctx, by, Inbox, Anyone, func(Rights) Rights { return AllRights &^ MayAdminister }))
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			who := all[rapid.SampledFrom([]string{"owner", "bob", "dora"}).Draw(rt, "who")]
			next := owner.State().MailboxByID(Inbox).UIDNext
			first := rapid.Uint32Range(1, next).Draw(rt, "first")
			some := []Range{{First: first, Last: rapid.Uint32Range(first, next).Draw(rt, "last")}}
			flags := Flags(rapid.SampledFrom([]int{int(Seen), int(Seen), int(Flagged), int(Seen | Deleted), 0}).Draw(rt, "flags"))
			var err error
			switch what := rapid.SampledFrom([]string{"append", "append", "flags", "flags", "flags", "expunge", "copy", "move", "mode", "snapshot"}).Draw(rt, "what"); what {
			case "append":
				_, _, err = who.a.Append(ctx, by, "INBOX", []NewMessage{{Content: content(10), Flags: flags}, newMessage(5)}, Room{})
			case "flags":
				mode := FlagMode(rapid.IntRange(1, 3).Draw(rt, "mode"))
				_, err = who.a.StoreFlags(ctx, by, Inbox, some, mode, flags, nil, Unconditional)
			case "expunge":
				_, err = who.a.ExpungeMessages(ctx, by, Inbox, some, true)
			case "copy":
				_, err = who.a.CopyMessages(ctx, by, Inbox, some, "INBOX", Room{})
			case "move":
				_, err = who.a.MoveMessages(ctx, by, Inbox, some, "INBOX")
			case "mode":
				err = owner.ShareSeen(ctx, by, Inbox, rapid.Bool().Draw(rt, "shared"))
			case "snapshot":
				_, err = s.Compact(ctx, w.ref, false)
			}
			if err != nil {
				rt.Fatal(err)
			}
			for _, c := range all {
				if rapid.IntRange(0, 2).Draw(rt, "looks") > 0 {
					c.catchUp(rt)
				}
			}
			check(rt, owner.State())
		}
		// Who opens it anew sees the same.
		fresh := w.open(t, w.store())
		for _, m := range fresh.State().Mailboxes() {
			_, err := fresh.Load(ctx, m.ID)
			porttest.OK(t, err)
		}
		if got, want := dump(fresh.State()), dump(owner.State()); got != want {
			rt.Fatalf("it is\n%s\nand not\n%s", got, want)
		}
	})
}

func TestMarksArePutOverEachOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model := map[uint32]mark{}
		var l marks
		for i := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			first := rapid.Uint32Range(1, 40).Draw(rt, "first")
			r := mark{first: first, last: rapid.Uint32Range(first, 45).Draw(rt, "last"), seen: rapid.Bool().Draw(rt, "seen"), mod: uint64(rapid.IntRange(0, 1).Draw(rt, "there") * (i + 1))}
			l = l.over(marks{r})
			for uid := r.first; uid <= r.last; uid++ {
				if model[uid] = r; r.mod == 0 {
					delete(model, uid)
				}
			}
			for uid := uint32(0); uid < 50; uid++ {
				got, ok := l.find(uid)
				want, there := model[uid]
				if ok != there || ok && (got.seen != want.seen || got.mod != want.mod) {
					rt.Fatalf("%d is %+v in %+v, want %+v", uid, got, l, want)
				}
			}
		}
		g := &graves{quiet: l, readers: []readerMarks{{id: "x", marks: l}}}
		back, err := decodeTombs(encodeTombs(g))
		if err != nil || !slices.Equal(back.quiet, l) || len(back.readers) != 1 || !slices.Equal(back.readers[0].marks, l) {
			rt.Fatalf("%+v came back as %+v: %v", l, back, err)
		}
	})
}

func TestRightsAreLetters(t *testing.T) {
	for text, want := range map[string]string{"": "", "lrs": "lrs", "srl": "lrs", "c": "kx", "d": "te", "lrswipkxtea": "lrswipkxtea", "cda": "kxtea"} {
		r, err := ParseRights(text)
		if err != nil || r.Letters() != want {
			t.Errorf("%q is %q, %v", text, r.Letters(), err)
		}
	}
	for _, text := range []string{"L", "lrq", "1", " ", strings.Repeat("l", 3) + "\x00"} {
		if _, err := ParseRights(text); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A mailbox that comes back has the grants that it had; others are given back by Exact alone.
func TestRestoreAndGrants(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	a := w.open(t, w.store())
	id, err := a.CreateMailbox(ctx, by, "Team", "")
	porttest.OK(t, err)
	grant := func(box MailboxID, who string, r Rights) {
		t.Helper()
		porttest.OK(t, a.SetACL(ctx, by, box, who, func(Rights) Rights { return r }))
	}
	grant(id, "user:bob", MayLookup|MayRead)
	grant(Inbox, "user:bob", MayLookup)
	w.clock.Advance(2e9)
	at := w.clock.Now()
	w.clock.Advance(2e9)
	porttest.OK(t, a.DeleteMailbox(ctx, by, id))
	grant(Inbox, "user:bob", 0)
	grant(Inbox, "user:eve", AllRights)
	told := func() string {
		return fmt.Sprintf("%s %s %s", a.State().Mailbox("Team").Granted("user:bob").Letters(), a.State().Mailbox("INBOX").Granted("user:bob").Letters(),
			a.State().Mailbox("INBOX").Granted("user:eve").Letters())
	}
	_, err = a.Restore(ctx, by, Restore{At: at})
	porttest.OK(t, err)
	if got, want := told(), "lr  lrswipkxtea"; got != want {
		t.Errorf("the grants are %q, want %q", got, want)
	}
	_, err = a.Restore(ctx, by, Restore{At: at, Exact: true})
	porttest.OK(t, err)
	if got, want := told(), "lr l "; got != want {
		t.Errorf("by Exact they are %q, want %q", got, want)
	}
}
