//go:build localstack

package budget_test

import (
	"testing"

	"github.com/godwit-mail/godwit/shared/cloud/price"
)

const (
	// most is what a million messages of 75 KB to two accounts may cost.
	most = 15.0

	// What a function's memory and time cost is no matter of counting. Its memory is what
	// infra/ gives it; a delivery does three calls of some 5 ms one after another, with the
	// accounts of a job side by side, and 100 ms are far more than that.
	functionGB      = 0.5
	functionSeconds = 0.1

	// platformLog is what Lambda says of an invocation by itself (START, END, REPORT), and
	// the line that its edge writes for a job, in bytes.
	platformLog = 600
)

// source is what an event source takes for a job that comes alone: one receive, one delete.
// That fair queues charge these as they charge the send is not written where we have
// looked, and is taken for granted here.
func source() price.Usage {
	return price.Usage{price.Queue: 2, price.FairQueue: 2, price.Invocation: 1, price.Compute: functionGB * functionSeconds}
}

// trim is the later removal of entries: a delete consumes what the write did.
func trim(writes price.Usage) price.Usage { return price.Usage{price.Write: writes[price.Write]} }

// received is a message of 75 KB on its way from RCPT to the mailboxes of two accounts, to
// the end of its entries.
func received(t *testing.T, w *world, b *table, tidied price.Usage) {
	c := w.one.smtp()
	w.advance(directoryForgets)
	c.transaction("third") // its domain is known, for others get mail, too
	c.say("RSET", "250")
	c.say("MAIL FROM:<sender@elsewhere.test>", "250")
	w.one.logs.Store(0)
	sum := price.Usage{}
	sum.Add(b.counts(t, "RCPT of two accounts, neither of them known", &w.one.meter, "GetItem 2 (2), Query 2 (2)", func() {
		c.say("RCPT TO:<first@"+domain+">", "250")
		c.say("RCPT TO:<second@"+domain+">", "250")
	}), 1)
	sum.Add(b.counts(t, "accept 75 KB for them", &w.one.meter, "PutObject 1, SendMessageBatch 1", func() { c.data(mail(1, 75_000)) }), 1)
	w.function.start()
	w.function.logs.Store(0)
	delivered := b.counts(t, "deliver it", &w.function.meter, "GetItem 2 (2), PutItem 2 (4), Query 2 (2)", func() { w.function.handle(1) })
	sum.Add(delivered, 1)
	sum.Add(source(), 1)
	b.rows = append(b.rows, row{"the event source and the function, for one job", "receive, delete, invocation of 0.5 GB for 100 ms", source()})
	sum.Add(trim(delivered), 1)
	b.rows = append(b.rows, row{"trim its entries later", "DeleteItem 2", trim(delivered)})
	sum.Add(tidied, 2)
	logs := price.Usage{price.LogBytes: float64((w.one.logs.Load()+w.function.logs.Load()+platformLog+99)/100) * 100}
	sum.Add(logs, 1)
	b.rows = append(b.rows, row{"its lines in the log", "about a kilobyte", logs})
	b.rows = append(b.rows, row{"**received: 75 KB, two recipients**", "all of these", sum})
	if got := 1e6 * sum.Dollars(); got > most {
		t.Errorf("a million messages of 75 KB to two accounts cost $%.2f, want $%.2f at most", got, most)
	}
}
