//go:build localstack

package budget_test

import (
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/directory"
)

// directoryForgets is after how long a gateway looks up again what it knew, accounts' last
// entries included.
const directoryForgets = time.Minute + time.Second

// recipients is RCPT.
func recipients(t *testing.T, w *world, b *table) {
	m := &w.one.meter
	for _, name := range []string{"first", "second", "third", "tagged"} {
		w.account(name)
	}
	crowd := w.crowd(101)
	w.group("fifty", crowd[:50])
	w.group("hundred", crowd[:100])
	w.group("everybody", crowd)
	c := w.one.smtp()
	c.say("MAIL FROM:<sender@elsewhere.test>", "250")
	rcpt := func(address, want string) func() { return func() { c.say("RCPT TO:<"+address+">", want) } }

	b.counts(t, "RCPT, the first of a tenant in 30 s", m, "BatchGetItem 1 (3), GetItem 1 (1), Query 1 (1)", rcpt("first@budget.test", "250"))
	b.counts(t, "RCPT, address and account known", m, "nothing", rcpt("first@budget.test", "250"))
	b.counts(t, "RCPT, address and account new", m, "GetItem 1 (1), Query 1 (1)", rcpt("second@budget.test", "250"))
	b.counts(t, "RCPT, address with +tag and account new", m, "BatchGetItem 1 (2), Query 1 (1)", rcpt("tagged+news@budget.test", "250"))
	b.counts(t, "RCPT, another address of a known account", m, "GetItem 1 (1)", rcpt("tagged@budget.test", "250"))
	b.counts(t, "RCPT, no such user", m, "GetItem 1 (1)", rcpt("nobody@budget.test", "550"))
	b.counts(t, "RCPT, not our domain", m, "BatchGetItem 1 (2)", rcpt("somebody@elsewhere.test", "550"))
	b.counts(t, "RCPT, a group of 100 accounts that are new", m, "BatchGetItem 2 (100), GetItem 1 (1), Query 100 (100)", rcpt("hundred@budget.test", "250"))
	w.advance(directory.CacheFor)
	b.counts(t, "RCPT, the first of a tenant in 30 s, account known", m, "BatchGetItem 1 (3), GetItem 1 (1)", rcpt("first@budget.test", "250"))
	b.counts(t, "RCPT, account known, address last read 30 s ago", m, "GetItem 1 (1)", rcpt("second@budget.test", "250"))
	w.advance(directoryForgets)
	c.say("QUIT", "221")
}

// accept is what follows RCPT, up to the 250.
func accept(t *testing.T, w *world, b *table) {
	m := &w.one.meter
	c := w.one.smtp()
	w.one.meter.Reset()
	c.transaction("third") // the queue's address is asked for once
	c.data(mail(0, 3000))
	w.function.handle(1)
	for _, a := range []struct {
		what, to, want string
		size, jobs     int
	}{
		{"accept 3 KB for 1 account", "first", "PutObject 1, SendMessageBatch 1", 3_000, 1},
		{"accept 25 KB for 1 account", "first", "PutObject 1, SendMessageBatch 1", 25_000, 1},
		{"accept 75 KB for 1 account", "first", "PutObject 1, SendMessageBatch 1", 75_000, 1},
		{"accept 12 MB for 1 account", "first", "CompleteMultipartUpload 1, CreateMultipartUpload 1, UploadPart 2, SendMessageBatch 1", 12 << 20, 1},
		{"accept 75 KB for 100 accounts", "hundred", "PutObject 1, SendMessageBatch 1", 75_000, 1},
		{"accept 75 KB for 101 accounts, one of them new", "everybody", "Query 1 (1), PutObject 1, SendMessageBatch 2", 75_000, 2},
	} {
		c.transaction(a.to)
		b.counts(t, a.what, m, a.want, func() { c.data(mail(1, a.size)) })
		w.function.handle(a.jobs)
	}
}

// deliveries is what the function does with jobs.
func deliveries(t *testing.T, w *world, b *table) {
	m := &w.function.meter
	c := w.one.smtp()
	deliver := func(what, want string, jobs int) {
		b.counts(t, what, m, want, func() { w.function.handle(jobs) })
	}
	mails := func(n int, to ...string) {
		w.advance(directoryForgets)
		for i := range n {
			c.transaction(to...)
			c.data(mail(i, 75_000))
		}
	}
	// Mailboxes with some mail: their entries name the last 16 deliveries.
	for range 20 {
		mails(1, "first", "second")
		w.function.handle(1)
	}
	mails(1, "first")
	w.function.start()
	deliver("deliver to 1 account", "GetItem 1 (1), PutItem 1 (2), Query 1 (1)", 1)
	mails(1, "first")
	deliver("deliver to 1 account that this copy of the function has written to", "GetItem 1 (1), PutItem 1 (2)", 1)
	mails(1, "first", "second")
	w.function.start()
	deliver("deliver to 2 accounts", "GetItem 2 (2), PutItem 2 (4), Query 2 (2)", 1)
	mails(1, "fifty")
	w.function.start()
	deliver("deliver to 50 accounts", "GetItem 50 (50), PutItem 50 (100), Query 50 (50)", 1)
	mails(5, "first")
	w.function.start()
	deliver("deliver 5 mails to 1 account, in one batch", "GetItem 1 (1), PutItem 1 (4), Query 1 (1)", 5)
	// A mail bomb: the gateway's knowledge of the last entry is up to a minute old, and
	// names further back than the last 16 are looked for in the journal.
	mails(1, "first")
	w.function.handle(1)
	for range 20 {
		c.transaction("first")
		c.data(mail(1, 75_000))
		w.function.handle(1)
	}
	c.transaction("first")
	c.data(mail(1, 75_000))
	w.function.start()
	deliver("deliver to 1 account that has got 21 mails within the last minute", "GetItem 1 (1), PutItem 1 (2), Query 2 (10)", 1)
}
