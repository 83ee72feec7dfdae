package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// fate is what becomes of an account's part of a job that could not be done.
type fate uint8

const (
	again    fate = iota // nobody's fault: tried again soon, as often as it takes
	failed               // counted, tried again later and later, parked at last
	hopeless             // parked at once
)

func fateOf(err error) fate {
	switch kinds.Of(err) {
	case kinds.Conflict, kinds.Throttled:
		return again
	case kinds.Closed, kinds.NotFound:
		return hopeless // the account is gone since RCPT
	}
	return failed
}

// isRefusal tells whether an error may be due to one message of a batch, so that the
// others are worth a try without it.
func isRefusal(err error) bool {
	switch kinds.Of(err) {
	case kinds.Invalid, kinds.Limit, kinds.Corrupt, kinds.Internal:
		return true
	}
	return false
}

// Delays of what is tried again.
const (
	contentionDelay = 2 * time.Second
	failureDelay    = 5 * time.Second // and four times as long with each failure
)

// leftovers makes new jobs of what is left of a job, or parks it. Its error says that the
// job must come again as it is.
func (s *Step) leftovers(ctx context.Context, w *work) error {
	var parts [hopeless + 1][]*part
	for _, p := range w.parts {
		if p.err != nil {
			f := fateOf(p.err)
			parts[f] = append(parts[f], p)
			s.Log.Warn("not delivered", "message", w.job.Correlation, "account", p.to.Account.ID, "failures", w.job.Failures, "error", p.err)
			if s.Metrics != nil {
				s.Metrics.failed.WithLabelValues(kinds.Of(p.err).String()).Inc()
			}
		}
	}
	if ctx.Err() != nil && len(parts[again])+len(parts[failed]) > 0 {
		// We are told to end, and that is why: it comes again without being counted.
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "deliver: interrupted")
	}
	if s.overdue(w.job) {
		parts[hopeless], parts[failed] = append(parts[hopeless], parts[failed]...), nil
	}
	return errors.Join(
		s.parkParts(ctx, w, parts[hopeless]),
		s.send(ctx, w, parts[failed], w.job.Failures+1, failureDelay<<(2*min(w.job.Failures, 5))),
		s.send(ctx, w, parts[again], w.job.Failures, contentionDelay),
	)
}

// overdue tells whether one more failure of the job is too many.
func (s *Step) overdue(j *delivery.Job) bool {
	limit := s.MaxFailures
	if limit == 0 {
		limit = DefaultMaxFailures
	}
	return j.Failures+1 >= limit
}

// rest is the job for some of its accounts.
func rest(j *delivery.Job, parts []*part, failures int) ([]byte, error) {
	left := *j
	left.Failures = failures
	left.Recipients = make([]delivery.Recipient, len(parts))
	for i, p := range parts {
		left.Recipients[i] = *p.to
	}
	return left.Encode()
}

// send hands what is left to the queue as a new job, with the same names.
func (s *Step) send(ctx context.Context, w *work, parts []*part, failures int, delay time.Duration) error {
	if len(parts) == 0 {
		return nil
	}
	body, err := rest(w.job, parts, failures)
	if err != nil {
		return err
	}
	return s.Queue.Send(ctx, queue.Deliver, queue.Message{Group: w.job.Tenant, Body: body, Delay: min(jitter(delay), queue.MaxDelay)})
}

// parkParts parks what is left; its failures are forgotten, so that it can be tried as
// often as any other.
func (s *Step) parkParts(ctx context.Context, w *work, parts []*part) error {
	if len(parts) == 0 {
		return nil
	}
	body, err := rest(w.job, parts, 0)
	if err != nil {
		return err
	}
	return s.park(ctx, w.msg, w.job, body, parts[0].err)
}

// park puts a job in the spool. Its name there has the body in it: when a message comes
// again, what has become hopeless since is parked, too.
func (s *Step) park(ctx context.Context, m *queue.Received, j *delivery.Job, body []byte, reason error) error {
	parked := spool.Job{Queue: queue.Deliver, Tenant: m.Group, Kind: kinds.Of(reason).String(), Reason: reason.Error(),
		Accepted: m.Sent, Body: body}
	if j != nil {
		parked.Tenant, parked.Correlation, parked.Failures = j.Tenant, j.Correlation, j.Failures+1
	}
	id, err := s.Spool.Park(ctx, m.ID+" "+string(body), parked)
	if err != nil {
		return err
	}
	s.Log.Error("job parked", "job", id, "message", parked.Correlation, "reason", reason)
	if s.Metrics != nil {
		s.Metrics.parked.Inc()
	}
	return nil
}

// HandleDead parks jobs from the dead letters: each crashed its function, or ran out of
// its time, again and again.
func (s *Step) HandleDead(ctx context.Context, msgs []queue.Received) []error {
	errs := make([]error, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		body := m.Body
		j, err := delivery.Decode(body)
		if err == nil {
			fresh := *j
			fresh.Failures = 0
			body, err = fresh.Encode()
		}
		if err != nil {
			j, body = nil, m.Body
		}
		errs[i] = s.park(ctx, m, j, body,
			kinds.Errorf(kinds.Internal, "deliver: the job was handed out too often without an end"))
	}
	return errs
}
