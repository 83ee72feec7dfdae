//go:build localstack

package budget_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/compact"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/compaction"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
)

var discard = slog.New(slog.DiscardHandler)

// compactor is the function that compacts, and the event source that hands it its jobs.
type compactor struct {
	w     *world
	meter cloudtest.Meter // of both, and of who asks
	ports *cloud.Ports
	done  int
}

func (w *world) newCompactor() *compactor {
	c := &compactor{w: w}
	c.ports = w.ports(&c.meter)
	_, err := c.ports.Queue.Depth(w.t.Context(), queue.Compact) // it finds the queue's address once
	w.ok(err)
	return c
}

// ask is account.Config.Compact: it sends the job, and does what the event source and the
// function, a copy that knows nothing yet, do with it.
func (c *compactor) ask(ctx context.Context, ref account.Ref, whole bool) error {
	if err := compaction.Asker(c.ports.Queue)(ctx, ref, whole); err != nil {
		return err
	}
	for {
		got, err := c.ports.Queue.Receive(ctx, queue.Compact, 1, time.Second, time.Minute)
		if err != nil {
			return err
		}
		if len(got) == 0 {
			continue
		}
		step := &compact.Step{Accounts: c.w.store(c.ports, nil), Log: discard}
		if err := step.Handle(ctx, got)[0]; err != nil {
			return err
		}
		c.done++
		return c.ports.Queue.Delete(ctx, queue.Compact, got[0].Receipt)
	}
}

// store is one that knows nothing yet.
func (w *world) store(p *cloud.Ports, ask func(context.Context, account.Ref, bool) error) *account.Store {
	return account.New(account.Config{Journal: p.Journal, Notify: p.Notify, Blobs: blob.Store{Driver: p.Blobs}, Now: w.now, Log: discard, Compact: ask})
}

// stored is a message that is in a mailbox, of a blob that nobody reads here.
func stored(n int) account.Content {
	text := mail(n, 3000)
	s := message.NewScanner()
	_, _ = s.Write([]byte(text))
	sum := s.Finish()
	return account.Content{Head: []byte("Return-Path: <sender@elsewhere.test>\r\n"), Summary: sum.Encode(),
		Blob: blob.Ref{Name: fmt.Sprintf("m/budget/0/%d", n), Header: 10, Size: int64(len(text))}}
}

// thunderbird is what it asks for about each message of a mailbox that it sees for the first time.
const thunderbird = "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References " +
	"Newsgroups In-Reply-To Content-Type Reply-To)])"

// TestLargeMailbox is what it costs a gateway that knows nothing to show a mailbox of 100,000
// messages, after the compactions that its entries have asked for and some mail since.
func TestLargeMailbox(t *testing.T) {
	const messages, each = 100_000, 125
	w, b := newWorld(t), &table{}
	w.account("imap")
	a, c := w.account("large"), w.newCompactor()
	store := w.store(w.ports(&cloudtest.Meter{}), c.ask)
	open, err := store.Open(t.Context(), a.Ref)
	w.ok(err)
	defer open.Close()
	n := 0
	add := func(together int) {
		batch := make([]account.NewMessage, together)
		for i := range batch {
			batch[i].Content = stored(n)
			n++
		}
		_, _, err := open.Append(t.Context(), account.By{Actor: "system"}, "INBOX", batch, account.Room{})
		w.ok(err)
	}
	for n < messages {
		add(each)
	}
	for before := c.done; c.done == before; {
		add(1)
	}
	for range 32 { // half of what there is until the next compaction
		add(1)
	}
	t.Logf("%d messages, %d compactions", n, c.done)

	var m *cloudtest.Meter
	fresh := func() *client {
		g := w.gateway(fmt.Sprint("fresh ", len(b.rows)))
		w.eventuallyWatched(g)
		m = &g.meter
		c := g.client("imaps", true)
		c.until("* OK")
		return c
	}
	// most counts what do costs, which may be less than that: where the last compaction has
	// put what is read depends on its size.
	most := func(what string, queries, gets int, do func()) {
		t.Helper()
		m.Reset()
		do()
		costs := m.Costs()
		if q, g := costs["DynamoDB.Query"].Calls, costs["S3.GetObject"].Calls; q > queries || g > gets {
			t.Errorf("%s: %d Query and %d GetObject, want %d and %d at most", what, q, g, queries, gets)
		}
		b.note(t, what, m, calls(foreground(costs)))
	}
	client := fresh()
	login := "LOGIN large@" + domain + " \"" + password + "\""
	most("LOGIN to an account of 100,000 messages and SELECT of them, on a gateway that knows nothing", 2, 2, func() {
		client.do(login)
		client.do("SELECT INBOX")
	})
	most("SELECT of them again", 1, 0, func() { client.do("SELECT INBOX") })
	most("FETCH of envelope, structure and header fields of 50 of them", 0, 1, func() {
		client.do("FETCH 50001:50050 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])")
	})
	client = fresh()
	client.do(login)
	client.do("SELECT INBOX")
	most("first sync of the last 10,000 of them by Thunderbird", 2, 60, func() {
		for i := range 10 {
			client.do(fmt.Sprintf("UID FETCH %d:%d %s", n-9_999+1000*i, n-9_000+1000*i, thunderbird))
		}
	})
	t.Logf("\n%s", b)
}
