package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/backup"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
)

var (
	by    = account.By{Actor: "test", Protocol: "imap"}
	scope = directory.ServiceScope("test")
	quiet = slog.New(slog.DiscardHandler)
)

// service is one to be backed up, or restored into.
type service struct {
	*portstest.World
	*directory.Directory
	store *account.Store
	sent  int
}

func newService(t testing.TB) *service {
	t.Helper()
	s := &service{World: portstest.New(t)}
	s.store = account.New(account.Config{Journal: s.Journal, Blobs: blob.Store{Driver: s.Blobs}, Now: s.Clock.Now})
	s.Directory = directory.New(directory.Config{Records: s.Records, Accounts: directory.Journals(s.store), Now: s.Clock.Now, Log: quiet})
	return s
}

func (s *service) source() backup.Source {
	return backup.Source{Records: s.Records, Journal: s.Journal, Blobs: s.Blobs, Now: s.Clock.Now, Log: quiet}
}

func (s *service) target() backup.Target {
	return backup.Target{Directory: s.Directory, Accounts: s.store, Blobs: blob.Store{Driver: s.Blobs}, Now: s.Clock.Now, Log: quiet}
}

// populate makes two tenants with a domain each and three accounts.
func (s *service) populate(t testing.TB) {
	t.Helper()
	for tenant, domain := range map[string]string{"one": "one.test", "two": "two.test"} {
		_, err := s.CreateTenant(t.Context(), scope, tenant)
		porttest.OK(t, err)
		_, err = s.CreateDomain(t.Context(), scope, tenant, domain)
		porttest.OK(t, err)
	}
	for _, addr := range []string{"ann@one.test", "ben@one.test", "cid@two.test"} {
		_, err := s.CreateAccount(t.Context(), scope, directory.NewAccount{Address: addr, Name: "the " + addr, Password: "secret " + addr})
		porttest.OK(t, err)
		s.fill(t, addr, 6)
	}
}

// open opens an account by its address.
func (s *service) open(t testing.TB, addr string) *account.Account {
	t.Helper()
	at, err := s.Account(context.Background(), scope, addr)
	porttest.OK(t, err)
	a, err := s.store.Open(context.Background(), at.Ref)
	porttest.OK(t, err)
	return a
}

// fill puts messages into an account, changes their flags, copies some and expunges some.
func (s *service) fill(t testing.TB, addr string, n int) {
	t.Helper()
	a := s.open(t, addr)
	defer a.Close()
	ctx := context.Background()
	if a.State().Mailbox("Work/Größe") == nil {
		_, err := a.CreateMailbox(ctx, by, "Work/Größe", "")
		porttest.OK(t, err)
	}
	var texts []string
	for i := range n {
		texts = append(texts, s.text(2000+i*500))
	}
	s.put(t, a, "INBOX", texts...)
	inbox := a.State().Mailbox("INBOX")
	last := inbox.UIDNext - 1
	flag := account.FlagsOp{Mailbox: account.Inbox, UIDs: []account.Range{{First: last - 2, Last: last}}, Mode: account.AddFlags,
		Flags: account.Seen | account.Flagged, Words: []string{"$Important", "later"}}
	_, err := a.Do(ctx, by, func(*account.State) ([]account.Op, error) {
		return []account.Op{{Flags: &flag},
			{Copy: &account.Copy{From: account.Inbox, UIDs: []account.Range{{First: last - 4, Last: last}}, To: a.State().Mailbox("Work/Größe").ID}},
			{Expunge: &account.Expunge{Mailbox: account.Inbox, UIDs: []account.Range{{First: last - 1, Last: last - 1}}}},
			{Subscribe: &account.Subscribe{Name: "Work", On: true}}}, nil
	})
	porttest.OK(t, err)
	s.Clock.Advance(time.Minute)
}

func (s *service) text(size int) string {
	s.sent++
	random := rand.New(rand.NewPCG(1, uint64(s.sent)))
	var b strings.Builder
	fmt.Fprintf(&b, "From: a@one.test\r\nSubject: message %d\r\nMessage-ID: <%d@one.test>\r\n\r\n", s.sent, s.sent)
	for b.Len() < size {
		fmt.Fprintf(&b, "%x\r\n", random.Uint64())
	}
	return b.String()
}

// put appends messages, in one entry.
func (s *service) put(t testing.TB, a *account.Account, mailbox string, texts ...string) {
	t.Helper()
	ctx := context.Background()
	list := make([]account.NewMessage, len(texts))
	var g errgroup.Group
	for i, text := range texts {
		scanner := message.NewScanner()
		_, err := scanner.Write([]byte(text))
		porttest.OK(t, err)
		sum := scanner.Finish()
		list[i] = account.NewMessage{Content: account.Content{Head: []byte("X-Head: 1\r\n"), Summary: sum.Encode()},
			Flags: account.Draft, Date: 1_700_000_000_000 + int64(s.sent+i), UIDL: fmt.Sprint("uidl-", s.sent+i)}
		name, header := blob.NewName(a.Ref().Tenant, s.Clock.Now()), blob.Header{Owners: []string{string(a.Ref().ID)}}
		g.Go(func() (err error) {
			list[i].Content.Blob, err = blob.Store{Driver: s.Blobs}.Put(ctx, name, header, strings.NewReader(text), int64(len(text)))
			return err
		})
	}
	porttest.OK(t, g.Wait())
	_, _, err := a.Append(ctx, by, mailbox, list, account.Room{})
	porttest.OK(t, err)
}

// mail is what a user sees of a message.
type mail struct {
	Flags                          account.Flags
	Words                          string
	Date                           int64
	EmailID, Thread, UIDL, Summary string
	Bytes                          string
}

// seen is all that a user sees of an account.
func seen(t testing.TB, s *service, addr string) map[string]any {
	t.Helper()
	a := s.open(t, addr)
	defer a.Close()
	ctx := context.Background()
	all := map[string]any{"subscriptions": a.State().Subscriptions(), "totals": a.State().Standing().Totals}
	for _, m := range a.State().Mailboxes() {
		state, err := a.Load(ctx, m.ID)
		porttest.OK(t, err)
		box := state.MailboxByID(m.ID)
		var list []mail
		for _, msg := range box.Messages() {
			c, err := a.Contents(ctx, []account.ContentRef{msg.Content})
			porttest.OK(t, err)
			r, err := s.store.OpenMessage(ctx, &c[0], 0, -1)
			porttest.OK(t, err)
			b, err := io.ReadAll(r)
			porttest.OK(t, err)
			porttest.OK(t, r.Close())
			slices.Sort(msg.Words)
			list = append(list, mail{msg.Flags, strings.Join(msg.Words, " "), msg.Date, c[0].EmailID, c[0].Thread, msg.UIDL, string(c[0].Summary), string(b)})
		}
		all["mailbox "+m.Name+" "+m.SpecialUse] = list
	}
	return all
}

func same(t testing.TB, got, want map[string]any) {
	t.Helper()
	for k := range want {
		if !reflect.DeepEqual(got[k], want[k]) {
			t.Errorf("%s differs:\n%.300v\n%.300v", k, got[k], want[k])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d things, want %d", len(got), len(want))
	}
}

func folder(t testing.TB) blob.Driver {
	t.Helper()
	d, err := files.New(filepath.Join(t.TempDir(), "backup"), files.OS{})
	porttest.OK(t, err)
	return d
}

func make1(t testing.TB, s *service, to blob.Driver) backup.Run {
	t.Helper()
	run, failed, err := backup.Make(t.Context(), s.source(), to, nil)
	porttest.OK(t, err)
	if len(failed) > 0 {
		t.Fatalf("failed: %v", failed)
	}
	return run
}

func restore(t testing.TB, from blob.Driver, to *service, what backup.Choice) backup.Outcome {
	t.Helper()
	b, err := backup.Open(t.Context(), from, 0)
	porttest.OK(t, err)
	out, err := b.Restore(t.Context(), to.target(), what, nil)
	porttest.OK(t, err)
	for _, a := range out.Accounts {
		porttest.OK(t, a.Err)
		if len(a.Lost) > 0 {
			t.Errorf("%s has lost %v", a.Address, a.Lost)
		}
	}
	return out
}

func verified(t testing.TB, d blob.Driver) {
	t.Helper()
	_, wrong, err := backup.Verify(t.Context(), d, nil)
	porttest.OK(t, err)
	for _, err := range wrong {
		t.Error(err)
	}
}

var everybody = []string{"ann@one.test", "ben@one.test", "cid@two.test"}

func TestARestoreIntoAnEmptyServiceEqualsTheOriginalByteAndFlag(t *testing.T) {
	s := newService(t)
	s.populate(t)
	_, err := s.CreateAlias(t.Context(), scope, "info@one.test", "ann@one.test")
	porttest.OK(t, err)
	d := folder(t)
	make1(t, s, d)
	verified(t, d)
	empty := newService(t)
	out := restore(t, d, empty, backup.Choice{})
	if len(out.Accounts) != 3 {
		t.Fatalf("%d accounts", len(out.Accounts))
	}
	for _, addr := range everybody {
		same(t, seen(t, empty, addr), seen(t, s, addr))
		if _, err := empty.Authenticate(t.Context(), addr, "secret "+addr, directory.IMAP); err != nil {
			t.Errorf("%s cannot log in: %v", addr, err)
		}
		old, err := s.Account(t.Context(), scope, addr)
		porttest.OK(t, err)
		fresh, err := empty.Account(t.Context(), scope, addr)
		porttest.OK(t, err)
		if old.Ref == fresh.Ref || old.Name != fresh.Name {
			t.Errorf("%+v, want another id and the same name as %+v", fresh, old)
		}
		above(t, empty.open(t, addr).State(), s.open(t, addr).State())
	}
	_, err = empty.Alias(t.Context(), scope, "info@one.test")
	porttest.OK(t, err)
}

// above fails unless each UIDVALIDITY is higher than all that the old account has given.
func above(t testing.TB, fresh, old *account.State) {
	t.Helper()
	highest := uint32(0)
	for _, m := range old.Mailboxes() {
		highest = max(highest, m.UIDValidity)
	}
	for _, m := range fresh.Mailboxes() {
		if m.UIDValidity <= highest {
			t.Errorf("%s has UIDVALIDITY %d, the old account got to %d: clients would mix up messages", m.Name, m.UIDValidity, highest)
		}
	}
}

func TestASecondRunCopiesOnlyWhatIsNew(t *testing.T) {
	s := newService(t)
	s.populate(t)
	d := folder(t)
	first := make1(t, s, d)
	s.fill(t, "ann@one.test", 5)
	second := make1(t, s, d)
	third := make1(t, s, d)
	if second.Blobs != 5 || second.Accounts != 1 || second.Entries != 2 || second.Bytes > first.Bytes/2 {
		t.Errorf("the second run copied %+v after %+v", second, first)
	}
	if third.Blobs != 0 || third.Accounts != 0 || third.Bytes > 20_000 {
		t.Errorf("the third run copied %+v", third)
	}
	verified(t, d)
	empty := newService(t)
	restore(t, d, empty, backup.Choice{})
	for _, addr := range everybody {
		same(t, seen(t, empty, addr), seen(t, s, addr))
	}
	runs, err := backup.Runs(t.Context(), d)
	porttest.OK(t, err)
	if len(runs) != 3 || runs[1] != second {
		t.Errorf("listed %+v", runs)
	}
	old := newService(t)
	b, err := backup.Open(t.Context(), d, 1)
	porttest.OK(t, err)
	_, err = b.Restore(t.Context(), old.target(), backup.Choice{Account: "ann@one.test"}, nil)
	porttest.OK(t, err)
	if n := old.open(t, "ann@one.test").State().Standing().Totals.Messages; n != 10 {
		t.Errorf("%d messages as of the first run, want 10", n)
	}
}

func TestAnAccountWhoseJournalWasTrimmedIsRestoredFromItsSnapshot(t *testing.T) {
	s := newService(t)
	s.populate(t)
	at, err := s.Account(t.Context(), scope, "ann@one.test")
	porttest.OK(t, err)
	trim := func() {
		t.Helper()
		a := s.open(t, "ann@one.test")
		defer a.Close()
		through := a.State().Seq()
		_, err := s.store.Compact(t.Context(), at.Ref, true)
		porttest.OK(t, err)
		s.fill(t, "ann@one.test", 5)
		porttest.OK(t, s.Journal.Trim(t.Context(), at.Ref.Partition(), through))
	}
	d := folder(t)
	trim()
	make1(t, s, d)
	verified(t, d)
	s.fill(t, "ann@one.test", 5)
	make1(t, s, d)
	verified(t, d)
	s.fill(t, "ann@one.test", 5)
	trim() // a part that no run has seen
	make1(t, s, d)
	verified(t, d)
	empty := newService(t)
	restore(t, d, empty, backup.Choice{Account: "ann@one.test"})
	same(t, seen(t, empty, "ann@one.test"), seen(t, s, "ann@one.test"))
}

func TestWhatIsRestoredCanBeChosenAndNamed(t *testing.T) {
	s := newService(t)
	s.populate(t)
	d := folder(t)
	make1(t, s, d)

	one := newService(t)
	restore(t, d, one, backup.Choice{Account: "Ann@One.test", As: "old.ann@one.test"})
	same(t, seen(t, one, "old.ann@one.test"), seen(t, s, "ann@one.test"))
	if list, _, err := one.Accounts(t.Context(), scope, directory.Page{Limit: 10}); err != nil || len(list) != 1 {
		t.Errorf("accounts %v, %v", list, err)
	}
	domain := newService(t)
	if out := restore(t, d, domain, backup.Choice{Domain: "one.test"}); len(out.Accounts) != 2 {
		t.Errorf("%d accounts of the domain", len(out.Accounts))
	}
	_, err := domain.Account(t.Context(), scope, "cid@two.test")
	porttest.Kind(t, err, kinds.NotFound)

	// Beside what is there.
	before := seen(t, s, "ann@one.test")
	b, err := backup.Open(t.Context(), d, 0)
	porttest.OK(t, err)
	_, err = b.Restore(t.Context(), s.target(), backup.Choice{Account: "ann@one.test"}, nil)
	porttest.Kind(t, err, kinds.Exists)
	_, err = b.Restore(t.Context(), s.target(), backup.Choice{}, nil)
	porttest.Kind(t, err, kinds.Exists)
	restore(t, d, s, backup.Choice{Account: "ann@one.test", As: "ann@two.test"})
	same(t, seen(t, s, "ann@two.test"), before)
	same(t, seen(t, s, "ann@one.test"), before)
	porttest.OK(t, s.DeleteAccount(t.Context(), scope, "ben@one.test", ""))
	out := restore(t, d, s, backup.Choice{Existing: true})
	for _, a := range out.Accounts {
		if a.Exists != (a.Address != "ben@one.test") {
			t.Errorf("%+v", a)
		}
	}
	for _, what := range []backup.Choice{{Account: "nobody@one.test"}, {Domain: "three.test"}} {
		_, err = b.Restore(t.Context(), s.target(), what, nil)
		porttest.Kind(t, err, kinds.NotFound)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	s := newService(t)
	s.populate(t)
	d := folder(t)
	make1(t, s, d)
	empty := newService(t)
	out := restore(t, d, empty, backup.Choice{DryRun: true})
	if len(out.Accounts) != 3 || out.Accounts[0].Totals != s.open(t, "ann@one.test").State().Standing().Totals {
		t.Errorf("%+v", out)
	}
	if list, err := empty.Tenants(t.Context(), scope, "", 10); err != nil || len(list) > 0 {
		t.Errorf("tenants %v, %v", list, err)
	}
}

func TestALargeBlobIsInSeveralPieces(t *testing.T) {
	s := newService(t)
	s.populate(t)
	a := s.open(t, "ann@one.test")
	defer a.Close()
	var noise bytes.Buffer
	random := rand.NewChaCha8([32]byte{1})
	noise.WriteString("Subject: large\r\n\r\n")
	_, err := io.CopyN(&noise, random, 9<<20)
	porttest.OK(t, err)
	s.put(t, a, "INBOX", noise.String())
	d := folder(t)
	make1(t, s, d)
	verified(t, d)
	empty := newService(t)
	restore(t, d, empty, backup.Choice{Account: "ann@one.test"})
	same(t, seen(t, empty, "ann@one.test"), seen(t, s, "ann@one.test"))
}
