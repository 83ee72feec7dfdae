package account

import (
	"fmt"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// folded is a state on which a test folds entries one after the other.
type folded struct {
	t testing.TB
	*State
	at    int64        // seconds
	wrote func(*Entry) // is told of each entry
}

func fold(t testing.TB) *folded {
	f := &folded{t: t, State: NewState(Ref{ID: "someaccount", Epoch: 3, Tenant: "t"}), at: 1_900_000_000}
	f.do(Op{Create: &Create{Mailboxes: defaultMailboxes()}})
	return f
}

func (f *folded) entry(ops ...Op) Entry {
	return Entry{Version: 1, MinReader: 1, Epoch: 3, Seq: f.seq + 1, Time: f.at * 1000, Op: fmt.Sprint("op", f.seq+1), Ops: ops}
}

// try folds on a clone, with the standing that the entry must have.
func (f *folded) try(e Entry) (*State, error) {
	c := f.State.Clone()
	if err := c.fold(&e); err != nil {
		return nil, err
	}
	e.Standing = c.standing
	c = f.State.Clone()
	return c, c.Apply(e)
}

func (f *folded) do(ops ...Op) {
	f.t.Helper()
	f.take(f.entry(ops...))
}

func (f *folded) take(e Entry) {
	f.t.Helper()
	next, err := f.try(e)
	porttest.OK(f.t, err)
	check(f.t, next)
	f.State = next
	if f.wrote != nil {
		e.Standing = next.standing
		f.wrote(&e)
	}
}

func (f *folded) refused(ops ...Op) {
	f.t.Helper()
	_, err := f.try(f.entry(ops...))
	porttest.Kind(f.t, err, kinds.Corrupt)
}

func (f *folded) add(box MailboxID, n int) {
	f.t.Helper()
	for range n {
		add := delivery("x")
		add.Name, add.Mailbox = nil, box
		f.do(Op{Add: &add})
	}
}

func TestCreationMakesTheDefaultMailboxes(t *testing.T) {
	f := fold(t)
	boxes := f.Mailboxes()
	want := []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}
	for i, m := range boxes {
		if m.Name != want[i] || m.UIDNext != 1 || m.UIDValidity < 1_900_000_000 || !f.Subscribed(m.Name) {
			t.Errorf("mailbox %d is %+v", i, m)
		}
		if m.ID != Inbox && m.SpecialUse != `\`+m.Name {
			t.Errorf("%s has special use %s", m.Name, m.SpecialUse)
		}
	}
	if len(boxes) != len(want) || boxes[0].ID != Inbox || f.Mailbox("inbox") != boxes[0] {
		t.Errorf("%d mailboxes", len(boxes))
	}
	if f.ModSeq() != 3<<40|1 {
		t.Errorf("MODSEQ %x", f.ModSeq())
	}
}

func TestEntriesThatDoNotFollowAreRefused(t *testing.T) {
	f := fold(t)
	sub := Op{Subscribe: &Subscribe{Name: "x", On: true}}
	for name, change := range map[string]func(*Entry){
		"a number is left out":        func(e *Entry) { e.Seq++ },
		"a number comes twice":        func(e *Entry) { e.Seq-- },
		"another epoch":               func(e *Entry) { e.Epoch++ },
		"time goes back":              func(e *Entry) { e.Time -= 1 },
		"no operation id":             func(e *Entry) { e.Op = "" },
		"no operations":               func(e *Entry) { e.Ops = nil },
		"a second creation":           func(e *Entry) { e.Ops = []Op{{Create: &Create{Mailboxes: defaultMailboxes()}}} },
		"an operation that is empty":  func(e *Entry) { e.Ops = []Op{{}} },
		"an operation that is double": func(e *Entry) { e.Ops[0].Done = &Done{} },
	} {
		e := f.entry(sub)
		change(&e)
		if _, err := f.try(e); !kinds.Is(err, kinds.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := f.entry(sub)
	e.Standing = f.standing
	e.Standing.Totals.Bytes++
	porttest.Kind(t, f.State.Clone().Apply(e), kinds.Corrupt)
	e.MinReader = Version + 1
	porttest.Kind(t, f.State.Clone().Apply(e), kinds.TooNew)
	empty := &folded{t: t, State: NewState(Ref{ID: "someaccount", Epoch: 3}), at: 1}
	empty.refused(sub)
}

func TestUIDsAreGivenInOrderAndChecked(t *testing.T) {
	f := fold(t)
	f.add(Inbox, 3)
	f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: uids(3)}})
	f.add(Inbox, 1)
	m := f.Mailbox("INBOX")
	if got := m.At(m.Len() - 1).UID; got != 4 {
		t.Errorf("the UID after an expunged 3 is %d", got)
	}
	add := delivery("d")
	add.Mailbox, add.UID = Inbox, 4
	f.refused(Op{Add: &add})
	add.UID = 5
	f.do(Op{Add: &add})
	f.refused(Op{Copy: &Copy{From: Inbox, UIDs: uids(1), To: 2, First: 2}})
	f.do(Op{Copy: &Copy{From: Inbox, UIDs: uids(1), To: 2, First: 1}})
	add = delivery("e")
	add.Mailbox = 99
	f.do(Op{Add: &add}) // whose mailbox is gone
	if m := f.Mailbox("INBOX"); m.At(m.Len()-1).UID != 6 {
		t.Error("a delivery to no mailbox is not in INBOX")
	}
	add.Name = nil
	f.refused(Op{Add: &add})
}

func TestUIDValidityIsTheTimeAndAlwaysRises(t *testing.T) {
	f := fold(t)
	f.do(Op{CreateMailbox: &CreateMailbox{Name: "a"}})
	first := f.Mailbox("a").UIDValidity
	if first != 1_900_000_006 {
		t.Errorf("UIDVALIDITY %d of the seventh mailbox of one second", first)
	}
	f.do(Op{DeleteMailbox: &DeleteMailbox{Mailbox: f.Mailbox("a").ID}})
	f.do(Op{CreateMailbox: &CreateMailbox{Name: "a"}})
	if got := f.Mailbox("a"); got.UIDValidity != first+1 || got.ID != 8 {
		t.Errorf("made again: UIDVALIDITY %d, id %d", got.UIDValidity, got.ID)
	}
	f.at += 1000
	f.do(Op{CreateMailbox: &CreateMailbox{Name: "b"}})
	if got := f.Mailbox("b").UIDValidity; got != 1_900_001_000 {
		t.Errorf("UIDVALIDITY %d at second 1900001000", got)
	}
}

func TestRenameKeepsUIDValidityUnlessTheNameWasUsed(t *testing.T) {
	f := fold(t)
	for _, name := range []string{"a", "a/b", "ab", "x"} {
		f.do(Op{CreateMailbox: &CreateMailbox{Name: name}})
	}
	a, b := *f.Mailbox("a"), *f.Mailbox("a/b")
	f.add(a.ID, 2)
	f.do(Op{Rename: &Rename{Mailbox: a.ID, Name: "new"}})
	if m := f.MailboxByID(a.ID); m.Name != "new" || m.UIDValidity != a.UIDValidity || m.ObjectID(f.ref) != a.ObjectID(f.ref) || m.Len() != 2 {
		t.Errorf("renamed: %+v", m)
	}
	if m := f.MailboxByID(b.ID); m.Name != "new/b" || m.UIDValidity != b.UIDValidity {
		t.Errorf("the child: %+v", m)
	}
	if f.Mailbox("ab") == nil {
		t.Error("a neighbour was renamed")
	}
	f.do(Op{DeleteMailbox: &DeleteMailbox{Mailbox: f.Mailbox("x").ID}})
	f.do(Op{Rename: &Rename{Mailbox: a.ID, Name: "x"}})
	if m := f.Mailbox("x"); m.UIDValidity <= b.UIDValidity || m.Len() != 2 {
		t.Errorf("renamed to a name that was used: UIDVALIDITY %d", m.UIDValidity)
	}
	if m := f.Mailbox("x/b"); m.UIDValidity != b.UIDValidity {
		t.Errorf("the child's name is new, its UIDVALIDITY %d", m.UIDValidity)
	}
	f.do(Op{Rename: &Rename{Mailbox: a.ID, Name: "a"}})
	if f.Mailbox("a/b").UIDValidity == b.UIDValidity || f.Mailbox("a").UIDValidity == a.UIDValidity {
		t.Error("back at the old names, with the old UIDVALIDITY")
	}
	f.refused(Op{Rename: &Rename{Mailbox: a.ID, Name: "ab"}})
	f.refused(Op{Rename: &Rename{Mailbox: a.ID, Name: "a/b/c"}})
}

func TestRenameOfInboxMovesItsMessages(t *testing.T) {
	f := fold(t)
	f.add(Inbox, 3)
	f.do(Op{CreateMailbox: &CreateMailbox{Name: "INBOX/sub"}})
	f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: uids(2)}})
	first := f.Mailbox("INBOX").At(0)
	f.do(Op{Rename: &Rename{Mailbox: Inbox, Name: "old"}})
	if m := f.Mailbox("INBOX"); m == nil || m.Len() != 0 || m.UIDNext != 4 || m.ID != Inbox {
		t.Errorf("INBOX: %+v", m)
	}
	m := f.Mailbox("old")
	if m.Len() != 2 || m.At(0).UID != 1 || m.At(1).UID != 2 || m.At(0).Content != first.Content {
		t.Errorf("the new mailbox: %+v", m)
	}
	if f.Mailbox("INBOX/sub") == nil || f.Mailbox("old/sub") != nil {
		t.Error("the mailbox below INBOX did not stay")
	}
}

func TestCopyAndMoveCarryWhatAMessageIs(t *testing.T) {
	f := fold(t)
	add := delivery("x")
	add.Mailbox, add.Flags, add.Words, add.UIDL = Inbox, Seen|Deleted, []string{"$Label1"}, "uidl-1"
	f.do(Op{Add: &add})
	f.at += 60
	f.do(Op{Copy: &Copy{From: Inbox, UIDs: []Range{{First: 1, Last: 100}}, To: 2}})
	f.do(Op{Move: &Copy{From: Inbox, UIDs: uids(1), To: 3}})
	orig := ContentRef{Seq: 2, Index: 0}
	for _, id := range []MailboxID{2, 3} {
		m := f.MailboxByID(id).At(0)
		if m.UID != 1 || m.Flags != add.Flags || m.Date != add.Date || m.Content != orig ||
			len(m.Words) != 1 || m.UIDL != "uidl-1" || m.Saved != f.at*1000 || m.Size != add.Content.Size() {
			t.Errorf("in mailbox %d: %+v", id, m)
		}
	}
	in := f.Mailbox("INBOX")
	if in.Len() != 0 || in.HighestModSeq != f.ModSeq() {
		t.Errorf("INBOX after the move: %+v", in)
	}
	f.do(Op{Move: &Copy{From: 3, UIDs: uids(1), To: 3}}) // to itself
	if m := f.MailboxByID(3); m.Len() != 1 || m.At(0).UID != 2 {
		t.Errorf("moved to itself: %+v", m)
	}
}

func TestFlagsChangeOnlyWhatChanges(t *testing.T) {
	f := fold(t)
	f.add(Inbox, 4)
	before := f.ModSeq()
	f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(1, 2), Mode: AddFlags, Flags: Seen, Words: []string{"Work"}}})
	f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: []Range{{First: 1, Last: 3}}, Mode: AddFlags, Flags: Seen, Words: []string{"WORK"}}})
	m := f.Mailbox("INBOX")
	changed, gone := m.Changes(before)
	if len(changed) != 3 || len(gone) != 0 || changed[0].ModSeq != before+1 || changed[2].ModSeq != before+2 || changed[2].UID != 3 {
		t.Errorf("changed: %+v", changed)
	}
	if len(m.Keywords) != 1 || m.Keywords[0] != "Work" || m.At(2).Words[0] != "Work" || m.At(3).Words != nil {
		t.Errorf("keywords %q, %+v", m.Keywords, m.At(2))
	}
	f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(1), Mode: ReplaceFlags, Flags: Flagged, Words: []string{"b"}}})
	f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(2), Mode: RemoveFlags, Flags: Seen, Words: []string{"work", "no-such"}}})
	m = f.Mailbox("INBOX")
	if x := m.At(0); x.Flags != Flagged || len(x.Words) != 1 || x.Words[0] != "b" {
		t.Errorf("replaced: %+v", x)
	}
	if x := m.At(1); x.Flags != 0 || x.Words != nil || len(m.Keywords) != 2 {
		t.Errorf("removed: %+v", x)
	}
	f.refused(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(1), Mode: 4}})
	f.refused(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(1), Mode: AddFlags, Flags: 1 << 7}})
}

func TestAKeywordThatNobodyHasMakesRoom(t *testing.T) {
	f := fold(t)
	f.add(Inbox, 2)
	word := func(uid uint32, mode FlagMode, w string) {
		f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(uid), Mode: mode, Words: []string{w}}})
	}
	for i := range MaxKeywords {
		word(1, AddFlags, fmt.Sprint("k", i))
	}
	word(2, AddFlags, "extra")
	if m := f.Mailbox("INBOX"); len(m.At(1).Words) != 0 || len(m.At(0).Words) != MaxKeywords {
		t.Errorf("a keyword too many: %q", m.At(1).Words)
	}
	word(1, RemoveFlags, "k7")
	word(2, AddFlags, "extra")
	m := f.Mailbox("INBOX")
	if len(m.Keywords) != MaxKeywords || m.Keywords[7] != "extra" || len(m.At(1).Words) != 1 || len(m.At(0).Words) != MaxKeywords-1 {
		t.Errorf("%q, %q", m.Keywords, m.At(1).Words)
	}
}

func TestOldStatesStayAsTheyWere(t *testing.T) {
	f := fold(t)
	var ops []Op
	for range 2*blockRows + 10 {
		add := delivery("x")
		add.Name, add.Mailbox = nil, Inbox
		ops = append(ops, Op{Add: &add})
	}
	f.do(ops...)
	old, before := f.State, dump(f.State)
	f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: []Range{{First: 1, Last: 400}}, Mode: AddFlags, Flags: Seen, Words: []string{"w"}}})
	f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: []Range{{First: 100, Last: 500}}}})
	f.do(Op{Move: &Copy{From: Inbox, UIDs: []Range{{First: 1, Last: 50}}, To: 2}})
	f.do(Op{Rename: &Rename{Mailbox: 2, Name: "other"}}, Op{DeleteMailbox: &DeleteMailbox{Mailbox: 3}}, Op{Subscribe: &Subscribe{Name: "other", On: true}})
	f.add(Inbox, 3)
	if after := dump(old); after != before {
		t.Error("a state changed after another one was made from it")
	}
	// Nor does a clone change with what it was made from.
	c, before := f.State.Clone(), dump(f.State)
	e := f.entry(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: []Range{{First: 1, Last: 900}}, Mode: ReplaceFlags, Flags: Draft}},
		Op{Subscribe: &Subscribe{Name: "clone", On: true}}, Op{CreateMailbox: &CreateMailbox{Name: "clone"}})
	porttest.OK(t, f.fold(&e))
	if after := dump(c); after != before {
		t.Error("a clone changed with the state that it was made from")
	}
}

func TestAccessAndClose(t *testing.T) {
	f := fold(t)
	f.do(Op{Access: &Access{Suspended: true, Generation: 1}})
	if st := f.Standing(); !st.Suspended || st.Generation != 1 {
		t.Errorf("%+v", st)
	}
	f.refused(Op{Access: &Access{Generation: 1}})
	f.do(Op{Close: &Close{Reason: "deleted"}})
	f.refused(Op{Subscribe: &Subscribe{Name: "a", On: true}})
	f.refused(Op{Access: &Access{Generation: 2}})
	f.do(Op{Close: &Close{}})
	f.do(Op{Access: &Access{Generation: 2}})
	if st := f.Standing(); st.Suspended || st.Closed != "" {
		t.Errorf("%+v", st)
	}
}

func TestOutgoingWorkStaysUntilItIsDone(t *testing.T) {
	f := fold(t)
	e := f.entry(Op{Subscribe: &Subscribe{Name: "a", On: true}})
	e.Outbox = []Outgoing{{Name: "r1", Kind: "redirect"}, {Name: "r2", Kind: "redirect"}}
	f.take(e)
	f.do(Op{Done: &Done{Names: []string{"r1", "unknown"}}})
	if got := f.Outbox(); len(got) != 1 || got[0].Name != "r2" {
		t.Errorf("%+v", got)
	}
}

func TestTheStandingKeepsTheLastSixteenNamesInWholeEntries(t *testing.T) {
	f := fold(t)
	for i := range 30 {
		var ops []Op
		for j := range 1 + i%4 {
			add := delivery(fmt.Sprint(i, ".", j))
			add.Mailbox = Inbox
			ops = append(ops, Op{Add: &add})
		}
		f.do(ops...)
		f.do(Op{Subscribe: &Subscribe{Name: "a", On: i%2 == 0}})
		st := f.Standing()
		names := 0
		for _, r := range st.Recent {
			names += len(r.Names) / NameSize
			if r.Seq < st.RecentFrom {
				t.Errorf("entry %d is before %d", r.Seq, st.RecentFrom)
			}
		}
		if st.RecentFrom > 1 && (names < keepNames || names-len(st.Recent[0].Names)/NameSize >= keepNames) {
			t.Errorf("%d names in %+v", names, st)
		}
	}
	if st := f.Standing(); st.RecentFrom < 40 {
		t.Errorf("names are kept from %d", st.RecentFrom)
	}
}
