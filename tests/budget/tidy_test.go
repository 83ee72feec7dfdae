//go:build localstack

package budget_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/cloud/price"
	"github.com/godwit-mail/godwit/shared/directory"
)

const (
	// mostTidying is how many calls, deletes aside, each delivered message may cost later.
	mostTidying = 0.15
	// compactSeconds is what a compaction takes, by far: some ten calls, and the work for a
	// few dozens of messages.
	compactSeconds = 1.0
)

// only is a directory of one account: what a sweep reads of it is nothing beside many.
type only directory.Account

func (o only) Accounts(context.Context, directory.Scope, directory.Page) ([]directory.Account, string, error) {
	return []directory.Account{directory.Account(o)}, "", nil
}

// tidying is what an account costs that gets some hundred mails a day, beside their delivery and
// the deletes of their entries: compactions, as every 64th entry asks for one, and the sweep of
// each week. It gives that for one delivery, once the account is older than the window.
func tidying(t *testing.T, w *world, b *table) price.Usage {
	a, c := w.account("tidy"), w.newCompactor()
	store := w.store(w.ports(&cloudtest.Meter{}), c.ask)
	var sweeper cloudtest.Meter
	ports := w.ports(&sweeper)
	n := 0
	week := func(daily int) {
		for i := range 7 * daily {
			n++
			_, err := store.Deliver(t.Context(), a.Ref, account.DontSearch, account.By{Actor: "system"}, []account.Add{{Mailbox: account.Inbox, Date: 1,
				EmailID: account.EmailID(), Thread: account.ThreadID(a.Ref, fmt.Sprint(n), "", nil), Name: account.DeliveryName(fmt.Sprint(n)), Content: stored(n)}})
			w.ok(err)
			if i%daily == 0 {
				w.advance(24 * time.Hour)
			}
		}
		old := account.New(account.Config{Journal: ports.Journal, Blobs: blob.Store{Driver: ports.Blobs}, Now: w.now, Window: account.MinWindow})
		_, err := (&sweep.Step{Accounts: old, Directory: only(a), Notes: ports.Records, Now: w.now, Log: discard}).Turn(t.Context())
		w.ok(err)
	}
	first := func() uint64 {
		list, _, err := w.function.ports.Journal.Read(t.Context(), a.Ref.Partition(), 0, 1)
		w.ok(err)
		return list[0].Seq
	}
	for range 3 {
		week(32)
	}
	sweeper.Reset()
	c.meter.Reset()
	before, delivered, compactions := first(), n, c.done
	week(128)
	delivered, compactions = n-delivered, c.done-compactions
	costs := c.meter.Costs()
	for operation, more := range sweeper.Costs() {
		sum := costs[operation]
		costs[operation] = cloudtest.Cost{Calls: sum.Calls + more.Calls, Chunks: sum.Chunks + more.Chunks, Units: sum.Units + more.Units}
	}
	if got, want := costs["DynamoDB.DeleteItem"].Calls, int(first()-before); got != want || want < 64 {
		t.Errorf("%d deletes for %d entries", got, want)
	}
	delete(costs, "DynamoDB.DeleteItem") // the row of trims has them
	delete(costs, "S3.DeleteObject")     // is free, and one for each object
	all, sum := price.Usage{price.FairQueue: 3, price.Invocation: 1, price.Compute: functionGB * compactSeconds}, 0
	for name := range all {
		all[name] *= float64(compactions)
	}
	for operation, cost := range costs {
		more, err := price.Call(operation, cost.Calls, cost.Chunks, cost.Units)
		w.ok(err)
		all.Add(more, 1)
		sum += cost.Calls
	}
	each := price.Usage{}
	each.Add(all, 1/float64(delivered))
	b.rows = append(b.rows, row{fmt.Sprintf("tidy up after each of %d deliveries in a week: %d compactions, a sweep", delivered, compactions), calls(costs), each})
	t.Logf("%.3f calls for each delivered message", float64(sum)/float64(delivered))
	if got := float64(sum) / float64(delivered); got > mostTidying {
		t.Errorf("%.3f calls for each delivered message, want %.2f at most", got, mostTidying)
	}
	return each
}
