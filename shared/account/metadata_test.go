package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func note(name, value string) []Annotation { return []Annotation{{Name: name, Value: []byte(value)}} }

func TestAnnotationsHaveLimits(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	set := func(box MailboxID, list []Annotation) error { return a.SetMetadata(t.Context(), by, box, list) }
	for name, kind := range map[string]kinds.Kind{"": kinds.Invalid, "/comment": kinds.Invalid, "/shared": kinds.Invalid, "/shared/": kinds.Invalid,
		"/shared//x": kinds.Invalid, "/shared/x/": kinds.Invalid, "/shared/*": kinds.Invalid, "/shared/%": kinds.Invalid, "/shared/ä": kinds.Invalid,
		"/shared/a\nb": kinds.Invalid, "/other/x": kinds.Invalid, "/shared/vendor/x": kinds.Invalid, "shared/x": kinds.Invalid,
		"/shared/" + strings.Repeat("x", MaxAnnotationName): kinds.Invalid} {
		if err := set(Inbox, note(name, "x")); kinds.Of(err) != kind {
			t.Errorf("%q: %v", name, err)
		}
	}
	porttest.OK(t, set(Inbox, note("/private/x", strings.Repeat("x", MaxAnnotation))))
	if err := set(Inbox, note("/private/x", strings.Repeat("x", MaxAnnotation+1))); !kinds.Is(err, kinds.Limit) {
		t.Errorf("too large: %v", err)
	}
	if err := set(99, note("/private/x", "")); !kinds.Is(err, kinds.NotFound) {
		t.Errorf("no mailbox: %v", err)
	}
	for i := 1; i < MaxAnnotations; i++ {
		porttest.OK(t, set(Inbox, note(fmt.Sprint("/private/", i), "")))
	}
	if err := set(Inbox, append(note("/shared/x", "new"), note("/private/x", "changed")...)); !kinds.Is(err, kinds.Limit) {
		t.Errorf("too many: %v", err)
	}
	porttest.OK(t, set(Inbox, append(note("/shared/x", "new"), Annotation{Name: "/private/X"})))
	total := 0
	for err := error(nil); err == nil; total++ {
		id, err2 := a.CreateMailbox(t.Context(), by, fmt.Sprint(total), "")
		porttest.OK(t, err2)
		var list []Annotation
		for i := range 50 {
			list = append(list, note(fmt.Sprint("/private/", i), strings.Repeat("x", MaxAnnotation-20))...)
		}
		if err = set(id, list); err != nil && !kinds.Is(err, kinds.Limit) {
			t.Fatal(err)
		}
	}
	if n := a.State().annotationBytes(); n > MaxAnnotationsTotal || n < MaxAnnotationsTotal/2 {
		t.Errorf("%d bytes in %d mailboxes", n, total)
	}
}

func TestASpecialUseIsSetByItsAnnotation(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	id, err := a.CreateMailbox(t.Context(), by, "mine", "")
	porttest.OK(t, err)
	for _, use := range []string{`\Drafts`, `\Nonsense`} {
		if err := a.SetMetadata(t.Context(), by, id, note(SpecialUseEntry, use)); !kinds.Is(err, kinds.Exists) {
			t.Errorf("%s: %v", use, err)
		}
	}
	porttest.OK(t, a.SetMetadata(t.Context(), by, a.State().Mailbox("Drafts").ID, []Annotation{{Name: SpecialUseEntry}}))
	porttest.OK(t, a.SetMetadata(t.Context(), by, id, note("/PRIVATE/SpecialUse", `\Drafts`)))
	if s := a.State(); s.Mailbox("mine").SpecialUse != `\Drafts` || s.Mailbox("Drafts").SpecialUse != "" || len(s.Mailbox("mine").Annotations) != 0 {
		t.Errorf("%+v", s.Mailbox("mine"))
	}
}

// The past knows annotations, and they come back with the mailbox that was deleted.
func TestAnnotationsAreInTheHistoryAndComeBack(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	a := w.open(t, s)
	id, err := a.CreateMailbox(t.Context(), by, "mine", "")
	porttest.OK(t, err)
	porttest.OK(t, a.SetMetadata(t.Context(), by, id, note("/shared/comment", "old")))
	porttest.OK(t, a.SetMetadata(t.Context(), by, 0, note("/private/comment", "of the account")))
	w.compacted(t)
	at := w.clock.Now()
	w.clock.Advance(time.Hour)
	porttest.OK(t, a.DeleteMailbox(t.Context(), by, id))
	porttest.OK(t, a.SetMetadata(t.Context(), by, 0, []Annotation{{Name: "/private/comment"}}))
	w.clock.Advance(time.Hour)
	done, err := a.Restore(t.Context(), by, Restore{At: at})
	porttest.OK(t, err)
	state := w.settled(t)
	if m := state.Mailbox("mine"); done.Annotated != 2 || m == nil || len(m.Annotations) != 1 || string(m.Annotations[0].Value) != "old" || len(state.Annotations()) != 1 {
		t.Errorf("%+v: %s", done, dump(state))
	}
	events, _, err := s.History(t.Context(), w.ref, HistoryQuery{Limit: 100, Mailbox: "mine"})
	porttest.OK(t, err)
	var told []string
	for _, e := range events {
		told = append(told, fmt.Sprint(e.What, e.Words))
	}
	if got := strings.Join(told, ", "); got != "mailbox created[], metadata set[/shared/comment], mailbox deleted[], mailbox created[], metadata set[/shared/comment]" {
		t.Error(got)
	}
}

// An account that is made anew from another one has its annotations.
func TestARebuiltAccountHasTheAnnotations(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	from := w.open(t, s)
	porttest.OK(t, from.DeleteMailbox(t.Context(), by, from.State().Mailbox("Drafts").ID))
	porttest.OK(t, from.SetMetadata(t.Context(), by, 0, note("/private/comment", "")))
	porttest.OK(t, from.SetMetadata(t.Context(), by, from.State().Mailbox("Trash").ID, note("/shared/comment", "x")))
	ref := Ref{ID: "another", Epoch: 1, Tenant: "t1"}
	_, err := s.Rebuild(t.Context(), ref, by, from, nil)
	porttest.OK(t, err)
	to, err := s.Open(t.Context(), ref)
	porttest.OK(t, err)
	defer to.Close()
	if was, is := from.State(), to.State(); !sameAnnotations(was.Annotations(), is.Annotations()) || is.Annotations()[0].Value == nil ||
		!sameAnnotations(was.Mailbox("Trash").Annotations, is.Mailbox("Trash").Annotations) {
		t.Error(dump(is))
	}
}
