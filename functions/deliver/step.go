// Package deliver takes jobs from the queue to mailboxes. Jobs may come twice, in any
// order, and several at once for one account; each delivery takes place once, because
// it has a name that the account's journal knows.
package deliver

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/quota"
	"github.com/godwit-mail/godwit/shared/spool"
)

const (
	// DefaultMaxFailures is how often a job may really fail before it is parked.
	DefaultMaxFailures = 5
	// concurrency is how many accounts one batch writes to at the same time: enough that
	// they share the disk's syncs.
	concurrency = 64
)

// Accounts is where messages go; *account.Store.
type Accounts interface {
	DeliverWarning(ctx context.Context, ref account.Ref, seen uint64, by account.By, batch []account.Add, warn account.Warn) (account.Outcome, error)
}

// Step is the function. Safe for concurrent use.
type Step struct {
	Accounts    Accounts
	Blobs       blob.Store // of notifications
	Queue       queue.Driver
	Spool       *spool.Spool
	Warner      *quota.Warner
	MaxFailures int // 0: DefaultMaxFailures
	Now         func() time.Time
	Log         *slog.Logger
	Metrics     *Metrics // may be nil
}

// NewMetrics registers the metrics of deliveries, once a process.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		delivered: prometheus.NewCounter(prometheus.CounterOpts{Name: "godwit_deliveries_total",
			Help: "Messages put into a mailbox."}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{Name: "godwit_delivery_duplicates_total",
			Help: "Deliveries that were found to have taken place before."}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_delivery_failures_total",
			Help: "Deliveries that failed, by kind of error."}, []string{"kind"}),
		parked: prometheus.NewCounter(prometheus.CounterOpts{Name: "godwit_jobs_parked_total",
			Help: "Jobs that were parked in the spool."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "godwit_delivery_seconds",
			Help: "Seconds from acceptance to the mailbox.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 18)}),
	}
	r.MustRegister(m.delivered, m.duplicates, m.failed, m.parked, m.seconds)
	return m
}

// Metrics of deliveries.
type Metrics struct {
	delivered, duplicates, parked prometheus.Counter
	failed                        *prometheus.CounterVec
	seconds                       prometheus.Histogram
}

// part is one account of one job.
type part struct {
	job *work
	to  *delivery.Recipient
	add account.Add
	err error
}

// work is one job of the batch.
type work struct {
	msg   *queue.Received
	job   *delivery.Job
	parts []*part
	err   error // why it isn't done
}

// Handle does a batch of jobs and gives one error each: nil when the job is done and may
// be deleted, which it also is when what is left of it is a new job, or parked.
func (s *Step) Handle(ctx context.Context, msgs []queue.Received) []error {
	jobs := make([]*work, len(msgs))
	var order []account.ID
	byAccount := map[account.ID][]*part{}
	for i := range msgs {
		w := &work{msg: &msgs[i]}
		jobs[i] = w
		if w.job, w.err = delivery.Decode(msgs[i].Body); w.err != nil {
			w.err = s.park(ctx, w.msg, nil, msgs[i].Body, w.err)
			continue
		}
		w.parts = split(w)
		for _, p := range w.parts {
			id := p.to.Account.ID
			if byAccount[id] == nil {
				order = append(order, id)
			}
			byAccount[id] = append(byAccount[id], p)
		}
	}
	var all sync.WaitGroup
	room := make(chan struct{}, concurrency)
	for _, id := range order {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			s.account(ctx, byAccount[id])
		})
	}
	all.Wait()
	s.notify(ctx, jobs)
	errs := make([]error, len(msgs))
	for i, w := range jobs {
		if w.job != nil {
			w.err = s.leftovers(ctx, w)
		}
		errs[i] = w.err
	}
	return errs
}

// account delivers all that the batch has for one account, in as few entries as it fits.
func (s *Step) account(ctx context.Context, parts []*part) {
	defer func() {
		if r := recover(); r != nil { // a defect that one message meets stops no other
			for _, p := range parts {
				p.err = kinds.Errorf(kinds.Internal, "deliver: panic: %v", r)
			}
		}
	}()
	for len(parts) > 0 {
		n, size := 0, 0
		seen := parts[0].to.Seen
		for n < len(parts) && n < account.MaxBatch {
			// Parts of another epoch go to another journal.
			cost := account.BatchCost(&parts[n].add)
			if n > 0 && (size+cost > account.MaxBatchBytes || parts[n].to.Account != parts[0].to.Account) {
				break
			}
			size += cost
			seen = min(seen, parts[n].to.Seen)
			n++
		}
		s.deliver(ctx, parts[:n], seen)
		parts = parts[n:]
	}
}

// deliver writes one entry. When a batch is refused, each of its messages is tried
// alone, so that one that is bad keeps no other back.
func (s *Step) deliver(ctx context.Context, parts []*part, seen uint64) {
	adds := make([]account.Add, len(parts))
	for i, p := range parts {
		adds[i] = p.add
	}
	job := parts[0].job.job
	by := account.By{Actor: "system", Protocol: job.Protocol, Session: job.Correlation}
	outcome, err := s.Accounts.DeliverWarning(ctx, parts[0].to.Account, seen, by, adds, s.warn(parts))
	if err != nil && len(parts) > 1 && isRefusal(err) {
		for i := range parts {
			s.deliver(ctx, parts[i:i+1], parts[i].to.Seen)
		}
		return
	}
	for i, p := range parts {
		p.err = err
		if err == nil {
			s.note(p, outcome[i])
		}
	}
}

// warn gives what warns the account's owner of the quota that the last of the jobs knows.
func (s *Step) warn(parts []*part) account.Warn {
	to := parts[len(parts)-1].to
	if to.Limit == nil {
		return nil
	}
	return s.Warner.Of(to.Account, to.Limit.Address, to.Limit.Quota)
}

func (s *Step) note(p *part, d account.Delivered) {
	s.Log.Info("delivered", "message", p.job.job.Correlation, "account", p.to.Account.ID, "entry", d.Seq, "duplicate", d.Duplicate)
	if s.Metrics == nil {
		return
	}
	if d.Duplicate {
		s.Metrics.duplicates.Inc()
		return
	}
	s.Metrics.delivered.Inc()
	s.Metrics.seconds.Observe(s.Now().Sub(p.job.job.ReceivedAt()).Seconds())
}

// jitter gives a duration between half of d and d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
