package account

import (
	"fmt"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// Clients may know mailboxes that were made after the backup, many in one second: none of
// their UIDVALIDITYs comes again.
func TestARebuiltAccountGivesNoUIDVALIDITYAgain(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	a := w.open(t, s)
	backup := w.table().copied()
	for i := range 300 {
		_, err := a.CreateMailbox(t.Context(), by, fmt.Sprint("new", i), "")
		porttest.OK(t, err)
	}
	known := map[uint32]bool{}
	for _, m := range a.State().Mailboxes() {
		known[m.UIDValidity] = true
	}
	w.table().put(backup)
	other := w.store()
	from := w.open(t, other)
	ref := Ref{ID: "another", Epoch: 1, Tenant: "t1"}
	_, err := other.Rebuild(t.Context(), ref, by, from, nil)
	porttest.OK(t, err)
	to, err := other.Open(t.Context(), ref)
	porttest.OK(t, err)
	defer to.Close()
	for _, m := range to.State().Mailboxes() {
		if known[m.UIDValidity] {
			t.Errorf("%s has UIDVALIDITY %d, which a mailbox had before", m.Name, m.UIDValidity)
		}
	}
}
