package account

import (
	"context"
	"slices"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// two gives an account with n messages, and another one of the same tenant, in one process.
func two(t *testing.T, w *world, s *Store, n int) (from, to *Account) {
	t.Helper()
	from = w.open(t, s)
	for range n {
		_, _, err := from.Append(t.Context(), by, "INBOX", []NewMessage{{Content: content(10), Flags: Flagged | Seen, Words: []string{"word"}}}, Room{})
		porttest.OK(t, err)
	}
	ref := Ref{ID: "other", Epoch: 1, Tenant: w.ref.Tenant}
	porttest.OK(t, s.Create(t.Context(), ref, by))
	to, err := s.Open(t.Context(), ref)
	porttest.OK(t, err)
	t.Cleanup(to.Close)
	return from, to
}

func carried(_ context.Context, from blob.Ref) (blob.Ref, bool, error) {
	from.Name += "-copy"
	return from, true, nil
}

func TestCopiesToAnotherAccount(t *testing.T) {
	w := newWorld(t)
	from, to := two(t, w, w.store(), 70)
	to.SetReader(&Reader{ID: "x", Names: []string{Anyone}})
	owner, err := to.core.store.Open(t.Context(), to.Ref())
	porttest.OK(t, err)
	defer owner.Close()
	all := []Range{{First: 1, Last: 100}}
	if _, err := from.CopyTo(t.Context(), by, by, Inbox, all, to, "INBOX", Room{}, carried); !kinds.Is(err, kinds.NotFound) {
		t.Fatalf("without a right: %v", err)
	}
	porttest.OK(t, owner.SetACL(t.Context(), by, Inbox, Anyone, func(Rights) Rights { return MayLookup | MayInsert | MayKeepSeen }))
	res, err := from.CopyTo(t.Context(), by, by, Inbox, all, to, "INBOX", Room{}, carried)
	porttest.OK(t, err)
	box := to.State().Mailbox("INBOX")
	if len(res.SourceUIDs) != 70 || len(res.DestUIDs) != 70 || box.Len() != 70 {
		t.Fatalf("%d of %d copied, %d are there", len(res.DestUIDs), len(res.SourceUIDs), box.Len())
	}
	// Only what may be set there is: \Seen, for who copied alone.
	if msg := box.At(0); msg.Flags != 0 || len(msg.Words) > 0 {
		t.Errorf("the copy has %05b %q", msg.Flags, msg.Words)
	}
	if msg := to.Seen(box).At(0); msg.Flags != Seen {
		t.Errorf("who copied it sees %05b", msg.Flags)
	}
	check(t, to.State())
	if _, err := from.CopyTo(t.Context(), by, by, Inbox, all, to, "INBOX", Room{Quota: Quota{Messages: 139}}, carried); !kinds.Is(err, kinds.Quota) {
		t.Errorf("over the quota: %v", err)
	}
}

// What fails halfway leaves nothing.
func TestACopyToAnotherAccountIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	from, to := two(t, w, w.store(), 70)
	n := 0
	failing := func(ctx context.Context, ref blob.Ref) (blob.Ref, bool, error) {
		if n++; n > acrossRead+1 {
			return ref, false, kinds.Errorf(kinds.Unavailable, "no disk")
		}
		return carried(ctx, ref)
	}
	all := []Range{{First: 1, Last: 100}}
	if _, err := from.MoveTo(t.Context(), by, by, Inbox, all, to, "INBOX", Room{}, failing); !kinds.Is(err, kinds.Unavailable) {
		t.Fatal(err)
	}
	if got := to.State().Mailbox("INBOX").Len(); got != 0 {
		t.Errorf("%d copies are left", got)
	}
	if got := from.State().Mailbox("INBOX").Len(); got != 70 {
		t.Errorf("%d messages are left", got)
	}
}

// A move that is interrupted anywhere leaves each message in one of the places, or in both.
func TestAMoveToAnotherAccountLosesNothing(t *testing.T) {
	for n := 1; n <= 12; n++ {
		for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
			w := newWorld(t)
			plain := w.store()
			two(t, w, plain, 3)
			s := w.storeOn(faults.Journal(w.journal, faults.New(func(i int, _ string) faults.Mode {
				if i >= n { // from then on nothing works: the process has died
					return mode
				}
				return faults.None
			})))
			from, err := s.Open(t.Context(), w.ref)
			if err != nil {
				continue
			}
			to, err := s.Open(t.Context(), Ref{ID: "other", Epoch: 1, Tenant: w.ref.Tenant})
			if err == nil {
				_, _ = from.MoveTo(t.Context(), by, by, Inbox, []Range{{First: 1, Last: 3}}, to, "INBOX", Room{}, carried)
				to.Close()
			}
			from.Close()
			a, b := w.open(t, w.store()), w.settled(t)
			there, err := w.store().Open(t.Context(), Ref{ID: "other", Epoch: 1, Tenant: w.ref.Tenant})
			porttest.OK(t, err)
			have := slices.Concat(emails(t, a), emails(t, there))
			slices.Sort(have)
			if got := len(slices.Compact(have)); got != 3 {
				t.Errorf("with call %d failing by %v there are %d messages of 3 (%d at their place)", n, mode, got, b.Mailbox("INBOX").Len())
			}
			there.Close()
		}
	}
}

func emails(t *testing.T, a *Account) (list []string) {
	t.Helper()
	state, err := a.Load(t.Context(), Inbox)
	porttest.OK(t, err)
	var refs []ContentRef
	for _, m := range state.Mailbox("INBOX").Messages() {
		refs = append(refs, m.Content)
	}
	contents, err := a.Contents(t.Context(), refs)
	porttest.OK(t, err)
	for _, c := range contents {
		list = append(list, c.EmailID)
	}
	return list
}
