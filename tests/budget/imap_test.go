//go:build localstack

package budget_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// full is an account with two thousand messages, the last fifty of them from real mails.
func full(t *testing.T, w *world) (a directory.Account, tenAgo uint64) {
	t.Helper()
	a = w.account("full")
	sum := message.Summary{Size: 1000, HeaderLen: 500, Body: message.Part{Type: "text", Subtype: "plain", HeaderLen: 500, BodyLen: 500}}
	store := w.function.step.Accounts
	seen := uint64(0)
	for n := range 78 {
		batch := make([]account.Add, account.MaxBatch)
		for i := range batch {
			id := fmt.Sprintf("mail-%05d", n*len(batch)+i)
			batch[i] = account.Add{Mailbox: account.Inbox, Date: 1, EmailID: account.EmailID(), Thread: account.ThreadID(a.Ref, id, "", nil), Name: account.DeliveryName(id),
				Content: account.Content{Blob: blob.Ref{Name: "m/budget/0/" + id, Header: 10, Size: 1000}, Summary: sum.Encode()}}
		}
		out, err := store.DeliverWarning(t.Context(), a.Ref, seen, account.By{Actor: "system"}, batch, nil)
		w.ok(err)
		seen = out[0].Seq
	}
	c := w.one.smtp()
	for i := range 5 {
		for j := range 10 {
			c.transaction("full")
			c.data(mail(10*i+j, 3000))
		}
		for range 10 {
			w.function.handle(1)
		}
	}
	c.say("QUIT", "221")
	return a, seen + 40
}

// mailboxes is IMAP.
func mailboxes(t *testing.T, w *world, b *table) {
	m := &w.one.meter
	w.account("imap")
	a, tenAgo := full(t, w)
	b.counts(t, "what changed since a MODSEQ, ten mails ago", &w.function.meter, "Query 1 (5)", func() {
		_, _, err := w.function.ports.Journal.Read(t.Context(), a.Ref.Partition(), tenAgo, 1000)
		w.ok(err)
	})
	w.eventuallyWatched(w.one)
	w.eventuallyWatched(w.two)
	c := w.one.client("imaps", true)
	c.until("* OK")
	do := func(what, want, command string) {
		b.counts(t, what, m, want, func() { c.do(command) })
	}
	do("LOGIN, the account's first on this gateway (129 entries and no snapshot)", "BatchGetItem 1 (3), GetItem 1 (1), Query 2 (100), UpdateItem 1 (1)", "LOGIN full@"+domain+" \""+password+"\"")
	end, err := w.function.ports.Journal.Last(t.Context(), a.Ref.Partition())
	w.ok(err)
	b.counts(t, "an account that is open and nothing happens to, in each poll of 300 s", &w.function.meter, "Query 1 (1), UpdateItem 1 (1)", func() {
		w.ok(w.function.ports.Journal.Watch(t.Context(), a.Ref.Partition(), "budget", time.Minute))
		_, _, err := w.function.ports.Journal.Read(t.Context(), a.Ref.Partition(), end.Seq, 1000)
		w.ok(err)
	})
	w.ok(w.function.ports.Journal.Unwatch(t.Context(), a.Ref.Partition(), "budget"))
	b.counts(t, "LOGIN, account open on this gateway", m, "BatchGetItem 1 (3), GetItem 1 (1), Query 1 (1), UpdateItem 1 (1)", func() { w.one.imap("full") })
	do("SELECT, known", "Query 1 (1)", "SELECT INBOX")
	do("STATUS, known", "Query 1 (1)", "STATUS Archive (MESSAGES UNSEEN)")
	do("NOOP", "nothing", "NOOP")
	b.counts(t, "IDLE, told nothing", m, "nothing", func() {
		tag := c.begin("IDLE")
		c.until("+")
		c.send("DONE\r\n")
		c.end(tag, "IDLE")
	})
	do("LIST of all mailboxes, who shares some last read 30 s ago", "Query 4 (4)", `LIST "" "*"`)
	do("LIST of all mailboxes, again", "Query 1 (1)", `LIST "" "*"`)
	do("LIST of one's own", "Query 1 (1)", `LIST "" "Archive*"`)
	do("FETCH of flags of 2,000", "nothing", "FETCH 1:2000 (UID FLAGS)")
	do("FETCH of envelope, structure and header fields of 50, old", "Query 1 (1)", "FETCH 1:50 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])")
	do("FETCH of the same, new", "Query 1 (22)", "FETCH 1951:2000 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])")
	do("FETCH of the same, again", "nothing", "FETCH 1951:2000 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])")
	do("FETCH BODY.PEEK[] of 1", "GetObject 1", "FETCH 2000 BODY.PEEK[]")
	do("FETCH BODY[] of 1, which sets \\Seen", "GetItem 1 (1), PutItem 1 (1), GetObject 1", "FETCH 2000 BODY[]")
	do("FETCH BODY[] of 10, which sets \\Seen", "GetItem 1 (1), PutItem 1 (1), GetObject 10", "FETCH 1990:1999 BODY[]")
	do("STORE on 1", "GetItem 1 (1), PutItem 1 (1)", `STORE 1 +FLAGS (\Flagged)`)
	do("STORE on 100", "GetItem 1 (1), PutItem 1 (1)", `STORE 1:100 +FLAGS (\Seen)`)
	do("STORE that changes nothing", "Query 1 (1)", `STORE 1:100 +FLAGS (\Seen)`)
	do("COPY of 1,000", "GetItem 1 (1), PutItem 1 (1)", "COPY 1:1000 Archive")
	w.advance(directory.CacheFor)
	do("COPY of 1, the account's settings last read 30 s ago", "BatchGetItem 1 (3), GetItem 2 (2), PutItem 1 (1)", "COPY 2000 Archive")
	do("MOVE of 1,000", "GetItem 1 (1), PutItem 1 (1)", "MOVE 1:1000 Archive")
	c.do(`STORE 1:100 +FLAGS (\Deleted)`)
	do("EXPUNGE of 100", "GetItem 1 (1), PutItem 1 (1)", "EXPUNGE")
	b.counts(t, "APPEND of 25 KB", m, "GetItem 1 (1), PutItem 1 (2), PutObject 1", func() { c.append("Sent", mail(1, 25_000)) })
	do("CREATE", "GetItem 1 (1), PutItem 1 (1)", "CREATE Projects")
	do("LOGOUT", "nothing", "LOGOUT")
}

// eventuallyWatched waits until the gateway hears of what others write.
func (w *world) eventuallyWatched(g *gateway) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		g.meter.Reset()
		g.imap("imap").do("LOGOUT")
		if g.meter.Costs()["DynamoDB.UpdateItem"].Calls == 1 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the gateway watches nothing")
		}
	}
}

// pushes is what a change costs that other gateways are told.
func pushes(t *testing.T, w *world, b *table) {
	w.account("pushed")
	writer, reader := w.one.imap("pushed"), w.two.imap("pushed")
	writer.do("SELECT INBOX")
	reader.do("SELECT INBOX")
	tag := reader.begin("IDLE")
	reader.until("+")
	writer.append("INBOX", mail(1, 3000))
	reader.until("* 1 EXISTS")
	w.two.meter.Reset()
	b.counts(t, "STORE, with one more gateway watching", &w.one.meter, "GetItem 1 (1), PutItem 1 (1), SendMessage 1", func() {
		writer.do(`STORE 1 +FLAGS (\Flagged)`)
		reader.until("* 1 FETCH")
	})
	b.note(t, "told of it: the gateway that watches", &w.two.meter, "Query 1 (1)")
	smtp := w.one.smtp()
	for i, count := range []func(func()){
		func(do func()) { do() }, // it finds where the queues of gateways lie, once
		func(do func()) {
			b.counts(t, "deliver to 1 account that two gateways watch", &w.function.meter, "GetItem 1 (1), PutItem 1 (2), Query 1 (1), SendMessage 2", do)
		},
	} {
		w.function.start()
		smtp.transaction("pushed")
		smtp.data(mail(2, 3000))
		w.two.meter.Reset()
		count(func() {
			w.function.handle(1)
			reader.until(fmt.Sprintf("* %d EXISTS", 2+i))
		})
	}
	b.note(t, "told of it: each gateway that watches", &w.two.meter, "Query 1 (1)")
	reader.send("DONE\r\n")
	reader.end(tag, "IDLE")
}
