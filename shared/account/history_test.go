package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

func told(list []Event) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "%s %s>%s %d by %s\n", e.What, e.Mailbox, e.To, e.Count, e.By.Protocol)
	}
	return b.String()
}

func TestHistoryTellsWhatHappened(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	a := w.open(t, s)
	ctx := t.Context()
	smtp := By{Actor: "system", Protocol: "smtp"}
	_, err := s.Deliver(ctx, w.ref, DontSearch, smtp, []Add{delivery("one"), delivery("two")})
	porttest.OK(t, err)
	porttest.OK(t, a.Refresh(ctx))
	_, err = a.StoreFlags(ctx, by, Inbox, uids(1), AddFlags, Seen, nil, Unconditional)
	porttest.OK(t, err)
	w.clock.Advance(time.Hour)
	at := w.clock.Now()
	_, err = a.CreateMailbox(ctx, by, "Work", "")
	porttest.OK(t, err)
	w.clock.Advance(time.Hour)
	_, err = a.MoveMessages(ctx, by, Inbox, uids(1), "Work")
	porttest.OK(t, err)
	porttest.OK(t, a.RenameMailbox(ctx, by, a.State().Mailbox("Work").ID, "Plans"))
	_, err = a.ExpungeMessages(ctx, by, a.State().Mailbox("Plans").ID, uids(1), false)
	porttest.OK(t, err)
	w.clock.Advance(time.Second)
	_, err = a.Restore(ctx, By{Actor: "key", Protocol: "api"}, Restore{At: at})
	porttest.OK(t, err)

	all, next, err := s.History(ctx, w.ref, HistoryQuery{Limit: 100})
	porttest.OK(t, err)
	want := `account created > 0 by imap
delivered INBOX> 1 by smtp
delivered INBOX> 1 by smtp
flags added INBOX> 1 by imap
mailbox created Work> 0 by imap
moved INBOX>Work 1 by imap
mailbox renamed Work>Plans 0 by imap
expunged Plans> 1 by imap
mailbox renamed Plans>Work 0 by api
restored INBOX> 1 by api
`
	if got := told(all); got != want || next != 0 {
		t.Fatalf("%s, next %d", got, next)
	}
	id := all[1].Messages[0].EmailID
	mine, _, err := s.History(ctx, w.ref, HistoryQuery{EmailID: id, Limit: 100})
	porttest.OK(t, err)
	if got := told(mine); strings.Count(got, "\n") != 5 || !strings.HasPrefix(got, "delivered") || !strings.HasSuffix(got, "restored INBOX> 1 by api\n") {
		t.Errorf("of one message:\n%s", got)
	}
	box, _, err := s.History(ctx, w.ref, HistoryQuery{Mailbox: "Plans", Limit: 100})
	porttest.OK(t, err)
	if got := told(box); strings.Count(got, "\n") != 3 {
		t.Errorf("of one mailbox:\n%s", got)
	}
	some, _, err := s.History(ctx, w.ref, HistoryQuery{Since: at, Until: at.Add(time.Minute), Limit: 100})
	porttest.OK(t, err)
	if got := told(some); got != "mailbox created Work> 0 by imap\n" {
		t.Errorf("of a minute:\n%s", got)
	}
	// Page by page it is the same, also when snapshots lie between.
	w.compacted(t)
	var pages []Event
	for after := uint64(0); ; {
		list, next, err := s.History(ctx, w.ref, HistoryQuery{After: after, Limit: 1})
		porttest.OK(t, err)
		pages = append(pages, list...)
		if after = next; next == 0 {
			break
		}
	}
	if got := told(pages); got != want {
		t.Errorf("in pages:\n%s", got)
	}
}
