package account

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func filled(t *testing.T, n int) (*world, *Account) {
	t.Helper()
	w := newWorld(t)
	a := w.open(t, w.store())
	if n > 0 {
		list := make([]NewMessage, n)
		for i := range list {
			list[i] = newMessage(int64(i))
		}
		_, _, err := a.Append(t.Context(), by, "inbox", list, Room{})
		porttest.OK(t, err)
	}
	return w, a
}

func TestAppend(t *testing.T) {
	_, a := filled(t, 3)
	n := newMessage(100)
	n.Flags, n.Words, n.Date, n.UIDL = Flagged, []string{"$Work"}, -86_400_000, "abc"
	got, validity, err := a.Append(t.Context(), by, "INBOX", []NewMessage{n, newMessage(1)}, Room{})
	porttest.OK(t, err)
	m := a.State().Mailbox("INBOX")
	x := m.At(3)
	if !slices.Equal(got, []uint32{4, 5}) || validity != m.UIDValidity || x.Date != n.Date || x.Flags != Flagged ||
		x.UIDL != "abc" || x.Words[0] != "$Work" || m.At(4).Date != Millis(a.core.store.cfg.Now()) {
		t.Errorf("UIDs %v, %+v", got, x)
	}
	made, err := a.Contents(t.Context(), []ContentRef{x.Content})
	porttest.OK(t, err)
	if id := made[0].Thread; id != ThreadID(a.Ref(), "1@example.org", "", nil) && id != ThreadID(a.Ref(), "<1@example.org>", "", nil) {
		t.Errorf("thread %s", id)
	}
	total := a.State().Standing().Totals.Bytes
	_, _, err = a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(100)}, Room{Quota: Quota{Bytes: total + 100}})
	porttest.Kind(t, err, kinds.Quota)
	_, _, err = a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(100)}, Room{Quota: Quota{Bytes: total + 113}})
	porttest.OK(t, err)
	_, _, err = a.Append(t.Context(), by, "none", []NewMessage{newMessage(100)}, Room{})
	porttest.Kind(t, err, kinds.NotFound)
	n.Words = []string{"not an atom"}
	_, _, err = a.Append(t.Context(), by, "INBOX", []NewMessage{n}, Room{})
	porttest.Kind(t, err, kinds.Invalid)
	_, _, err = a.Append(t.Context(), by, "INBOX", slices.Repeat([]NewMessage{newMessage(1)}, 2000), Room{})
	porttest.Kind(t, err, kinds.Limit)
	if a.State().Mailbox("INBOX").Len() != 6 {
		t.Error("something was appended in part")
	}
}

func TestCopyTellsWhichUIDsBecameWhich(t *testing.T) {
	_, a := filled(t, 10)
	_, err := a.ExpungeMessages(t.Context(), by, Inbox, uids(4), false)
	porttest.OK(t, err)
	res, err := a.CopyMessages(t.Context(), by, Inbox, []Range{{First: 9, Last: 200}, {First: 5, Last: 3}}, "Archive", Room{})
	porttest.OK(t, err)
	m := a.State().Mailbox("Archive")
	if !slices.Equal(res.SourceUIDs, []uint32{3, 5, 9, 10}) || !slices.Equal(res.DestUIDs, []uint32{1, 2, 3, 4}) || res.UIDValidity != m.UIDValidity || m.Len() != 4 {
		t.Errorf("%+v", res)
	}
	for i := range res.SourceUIDs {
		src, _ := a.State().Mailbox("INBOX").Find(res.SourceUIDs[i])
		dst, _ := m.Find(res.DestUIDs[i])
		if a.State().Mailbox("INBOX").At(src).Content != m.At(dst).Content {
			t.Errorf("UID %d is not the copy of %d", res.DestUIDs[i], res.SourceUIDs[i])
		}
	}
	_, err = a.CopyMessages(t.Context(), by, Inbox, uids(1), "Archive", Room{Quota: Quota{Bytes: 50}})
	porttest.Kind(t, err, kinds.Quota)
	_, err = a.CopyMessages(t.Context(), by, Inbox, uids(1), "none", Room{})
	porttest.Kind(t, err, kinds.NotFound)
	_, err = a.MoveMessages(t.Context(), by, 77, uids(1), "Archive")
	porttest.Kind(t, err, kinds.NotFound)
	res, err = a.CopyMessages(t.Context(), by, Inbox, uids(4), "Archive", Room{})
	porttest.OK(t, err)
	if len(res.SourceUIDs) != 0 {
		t.Errorf("%+v of a message that is no more", res)
	}
}

func TestMoveOfManyIsOneSmallEntry(t *testing.T) {
	w, a := filled(t, 0)
	for range 10 {
		_, _, err := a.Append(t.Context(), by, "INBOX", slices.Repeat([]NewMessage{newMessage(1)}, 300), Room{})
		porttest.OK(t, err)
	}
	for uid := uint32(2); uid < 3000; uid += 2 {
		_, err := a.ExpungeMessages(t.Context(), by, Inbox, uids(uid), false)
		porttest.OK(t, err)
	}
	_, err := a.MoveMessages(t.Context(), by, Inbox, []Range{{First: 1, Last: 3000}}, "Archive")
	porttest.OK(t, err)
	item, err := w.journal.Last(t.Context(), w.ref.Partition())
	porttest.OK(t, err)
	if len(item.Data) > 250 {
		t.Errorf("an entry of %d bytes", len(item.Data))
	}
	s := w.settled(t)
	if s.Mailbox("INBOX").Len() != 0 || s.Mailbox("Archive").Len() != 1501 {
		t.Errorf("%d and %d messages", s.Mailbox("INBOX").Len(), s.Mailbox("Archive").Len())
	}
}

func TestStoreWithUnchangedSince(t *testing.T) {
	_, a := filled(t, 5)
	start := a.State().ModSeq()
	modified, err := a.StoreFlags(t.Context(), by, Inbox, uids(2, 4), AddFlags, Seen, nil, start)
	porttest.OK(t, err)
	if modified != nil {
		t.Errorf("modified %v", modified)
	}
	modified, err = a.StoreFlags(t.Context(), by, Inbox, []Range{{First: 1, Last: 5}}, AddFlags, Flagged, []string{"w"}, start)
	porttest.OK(t, err)
	if fmt.Sprint(modified) != fmt.Sprint(uids(2, 4)) {
		t.Errorf("modified %v", modified)
	}
	for i, m := range a.State().Mailbox("INBOX").Messages() {
		if even := i%2 == 1; (m.Flags&Flagged != 0) == even || (len(m.Words) == 1) == even {
			t.Errorf("%+v", m)
		}
	}
	modified, err = a.StoreFlags(t.Context(), by, Inbox, uids(1), AddFlags, Seen, nil, 0)
	porttest.OK(t, err)
	if len(modified) != 1 {
		t.Error("UNCHANGEDSINCE 0 changed something")
	}
}

func TestStoreThatChangesNothingWritesNothing(t *testing.T) {
	_, a := filled(t, 2)
	store := func(mode FlagMode, flags Flags, words ...string) bool {
		t.Helper()
		seq := a.State().Seq()
		_, err := a.StoreFlags(t.Context(), by, Inbox, uids(1, 9), mode, flags, words, Unconditional)
		porttest.OK(t, err)
		return a.State().Seq() != seq
	}
	for _, step := range []struct {
		mode  FlagMode
		flags Flags
		words []string
		wrote bool
	}{
		{AddFlags, 0, nil, false},
		{RemoveFlags, allFlags, []string{"x"}, false},
		{ReplaceFlags, 0, nil, false},
		{AddFlags, Seen, []string{"x"}, true},
		{AddFlags, Seen, []string{"X"}, false},
		{AddFlags, 0, []string{"y"}, true},
		{ReplaceFlags, Seen, []string{"y", "x"}, false},
		{ReplaceFlags, Seen, []string{"x"}, true},
		{RemoveFlags, Answered, []string{"y"}, false},
		{RemoveFlags, 0, []string{"x"}, true},
		{ReplaceFlags, 0, nil, true},
	} {
		if got := store(step.mode, step.flags, step.words...); got != step.wrote {
			t.Errorf("%+v: wrote %v", step, got)
		}
	}
	_, err := a.StoreFlags(t.Context(), by, Inbox, uids(1), AddFlags, 0, []string{`\Sneaky`}, Unconditional)
	porttest.Kind(t, err, kinds.Invalid)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1), 0, 0, nil, Unconditional)
	porttest.Kind(t, err, kinds.Invalid)
	_, err = a.StoreFlags(t.Context(), by, 99, uids(1), AddFlags, Seen, nil, Unconditional)
	porttest.Kind(t, err, kinds.NotFound)
}

func TestAMailboxTakesSoManyKeywordsAndNoMore(t *testing.T) {
	_, a := filled(t, 2)
	var words []string
	for i := range MaxKeywords {
		words = append(words, fmt.Sprint("k", i))
	}
	_, err := a.StoreFlags(t.Context(), by, Inbox, uids(1), AddFlags, 0, words, Unconditional)
	porttest.OK(t, err)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(2), AddFlags, 0, []string{"more"}, Unconditional)
	porttest.Kind(t, err, kinds.Limit)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1), RemoveFlags, 0, []string{"k5"}, Unconditional)
	porttest.OK(t, err)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(2), AddFlags, 0, []string{"more"}, Unconditional)
	porttest.OK(t, err)
	if got := a.State().Mailbox("INBOX").At(1).Words; len(got) != 1 || got[0] != "more" {
		t.Errorf("%q", got)
	}
}

func TestExpunge(t *testing.T) {
	_, a := filled(t, 6)
	got, err := a.ExpungeMessages(t.Context(), by, Inbox, nil, true)
	porttest.OK(t, err)
	if got != nil || a.State().Seq() != 2 {
		t.Errorf("expunged %v", got)
	}
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1, 2, 3, 6), AddFlags, Deleted, nil, Unconditional)
	porttest.OK(t, err)
	got, err = a.ExpungeMessages(t.Context(), by, Inbox, []Range{{First: 2, Last: 4}}, true)
	porttest.OK(t, err)
	if fmt.Sprint(got) != fmt.Sprint([]Range{{First: 2, Last: 3}}) {
		t.Errorf("expunged %v", got)
	}
	got, err = a.ExpungeMessages(t.Context(), by, Inbox, nil, true)
	porttest.OK(t, err)
	if fmt.Sprint(got) != fmt.Sprint(uids(1, 6)) || a.State().Mailbox("INBOX").Len() != 2 {
		t.Errorf("expunged %v", got)
	}
}

func TestMailboxes(t *testing.T) {
	_, a := filled(t, 1)
	id, err := a.CreateMailbox(t.Context(), by, "lists/go/dev/", "")
	porttest.OK(t, err)
	s := a.State()
	if m := s.MailboxByID(id); m == nil || m.Name != "lists/go/dev" || s.Mailbox("lists") == nil || s.Mailbox("lists/go") == nil || !s.HasChildren("lists") {
		t.Errorf("%+v", m)
	}
	_, err = a.CreateMailbox(t.Context(), by, "inbox", "")
	porttest.Kind(t, err, kinds.Exists)
	_, err = a.CreateMailbox(t.Context(), by, "again", `\Sent`)
	porttest.Kind(t, err, kinds.Exists)
	_, err = a.CreateMailbox(t.Context(), by, "again", `\Important`)
	porttest.Kind(t, err, kinds.Invalid)
	porttest.Kind(t, a.DeleteMailbox(t.Context(), by, s.Mailbox("lists/go").ID), kinds.Exists)
	porttest.Kind(t, a.DeleteMailbox(t.Context(), by, Inbox), kinds.Denied)
	porttest.OK(t, a.RenameMailbox(t.Context(), by, s.Mailbox("lists").ID, "old/lists"))
	s = a.State()
	if s.Mailbox("old/lists/go/dev").ID != id || s.Mailbox("old") == nil || s.Mailbox("lists") != nil {
		t.Errorf("%v", dump(s))
	}
	porttest.Kind(t, a.RenameMailbox(t.Context(), by, s.Mailbox("old").ID, "old/lists/x"), kinds.Invalid)
	porttest.Kind(t, a.RenameMailbox(t.Context(), by, id, "Trash"), kinds.Exists)
	porttest.Kind(t, a.RenameMailbox(t.Context(), by, 99, "x"), kinds.NotFound)
	porttest.OK(t, a.DeleteMailbox(t.Context(), by, id))
	porttest.Kind(t, a.DeleteMailbox(t.Context(), by, id), kinds.NotFound)
	porttest.OK(t, a.RenameMailbox(t.Context(), by, Inbox, "before"))
	if s = a.State(); s.Mailbox("before").Len() != 1 || s.Mailbox("INBOX").Len() != 0 {
		t.Errorf("%v", dump(s))
	}
	// A new mailbox for a special use can be made where the old one is gone.
	porttest.OK(t, a.DeleteMailbox(t.Context(), by, s.Mailbox("Sent").ID))
	_, err = a.CreateMailbox(t.Context(), by, "Gesendet", `\Sent`)
	porttest.OK(t, err)
}

func TestSubscriptionsOutliveTheirMailbox(t *testing.T) {
	_, a := filled(t, 0)
	porttest.OK(t, a.SetSubscribed(t.Context(), by, "not there", true))
	porttest.OK(t, a.SetSubscribed(t.Context(), by, "inbox", false))
	porttest.OK(t, a.DeleteMailbox(t.Context(), by, a.State().Mailbox("Junk").ID))
	if got := strings.Join(a.State().Subscriptions(), " "); got != "Archive Drafts Junk Sent Trash not there" {
		t.Error(got)
	}
	seq := a.State().Seq()
	porttest.OK(t, a.SetSubscribed(t.Context(), by, "not there", true))
	porttest.OK(t, a.SetSubscribed(t.Context(), by, "\x01", false))
	if a.State().Seq() != seq {
		t.Error("what changes nothing was written")
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"inbox": "INBOX", "InBox/Sub": "INBOX/Sub", "inboxes": "inboxes", "a/b/": "a/b", "a/inbox": "a/inbox",
		"Entwu\u0308rfe": "Entw\u00fcrfe", "日本語": "日本語", "&": "&", "with space": "with space",
	} {
		if got, err := CheckName(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, kind := range map[string]kinds.Kind{
		"": kinds.Invalid, "/": kinds.Invalid, "/a": kinds.Invalid, "a//b": kinds.Invalid, "a\x00": kinds.Invalid,
		"a\nb": kinds.Invalid, "\xff": kinds.Invalid, "a\u2028": kinds.Invalid, "\u0085": kinds.Invalid, "a*": kinds.Invalid, "50%": kinds.Invalid,
		strings.Repeat("a", MaxMailboxName+1): kinds.Limit, strings.Repeat("a/", MaxMailboxDepth) + "b": kinds.Limit,
		strings.Repeat("a", 1<<20): kinds.Limit,
	} {
		if got, err := CheckName(in); !kinds.Is(err, kind) {
			t.Errorf("%.20q: %.20q, %v", in, got, err)
		}
	}
}

func TestThreadsHaveTheirRootsName(t *testing.T) {
	r, other := NewRef("t"), NewRef("t")
	root := ThreadID(r, "<a@x>", "", nil)
	for _, id := range []string{ThreadID(r, "<b@x>", "<a@x>", nil), ThreadID(r, "<c@x>", "<b@x>", []string{"<a@x>", "<b@x>"})} {
		if id != root {
			t.Errorf("%s, want %s", id, root)
		}
	}
	if ThreadID(other, "<a@x>", "", nil) == root {
		t.Error("threads of two accounts are one")
	}
	seen := map[string]bool{}
	for range 100 {
		for _, id := range []string{ThreadID(r, "", "", nil), EmailID(), string(NewRef("t").ID)} {
			if seen[id] {
				t.Errorf("%s comes twice", id)
			}
			seen[id] = true
		}
	}
}
