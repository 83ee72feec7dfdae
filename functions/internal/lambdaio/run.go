package lambdaio

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// A job that kills its function (by its memory or its time) takes its whole batch with it.
// Nobody can tell which it was, and after a few times all of them would be dead letters.
// So a job that was received more than maxTogether times is suspect: suspects are handled
// after all others, one at a time, each deleted when it is done. Should the function die
// now, those that waited their turn come again one after another, so that hardly two of
// them meet, and in the other order where they do.
//
// Twice in company, so that what a retry mends (a function that was stopped, a store that
// was away) stays quick; and of the five receives before a queue's dead letters that
// leaves three, of which an innocent needs two.
const (
	maxTogether = 2
	apart       = 10 * time.Second
)

// run is what is to be done for one event.
type run struct {
	*Jobs
	name    string // of the queue, or of its dead letters
	dead    bool
	handle  func(ctx context.Context, batch []queue.Received) []error
	request string // Lambda's name for this invocation
}

// job is one job of the event.
type job struct {
	msg     queue.Received
	foreign bool  // it is no job of ours
	err     error // why it is not done
	took    time.Duration
}

// all does the jobs.
func (r *run) all(ctx context.Context, jobs []*job) {
	work, cancel := before(ctx)
	defer cancel()
	together, suspects := r.sort(jobs)
	r.portion(work, together)
	r.settle(ctx, together, len(suspects) > 0)
	r.spread(ctx, suspects)
	for i := range suspects {
		one := suspects[i : i+1]
		r.portion(work, one)
		r.settle(ctx, one, i+1 < len(suspects))
	}
}

// sort gives the jobs that may be handled together, and those that may not, in an order
// that turns round with each receive. Dead letters are only parked, which kills nobody.
func (r *run) sort(jobs []*job) (together, suspects []*job) {
	receives := 0
	for _, j := range jobs {
		if j.msg.Count <= maxTogether || r.dead {
			together = append(together, j)
			continue
		}
		suspects = append(suspects, j)
		receives = max(receives, j.msg.Count)
	}
	slices.SortFunc(suspects, func(a, b *job) int { return strings.Compare(a.msg.ID, b.msg.ID) })
	if receives%2 == 0 {
		slices.Reverse(suspects)
	}
	return together, suspects
}

// spread has suspects that wait for their turn come again apart from each other, from
// when this function has certainly ended.
func (r *run) spread(ctx context.Context, suspects []*job) {
	deadline, ok := ctx.Deadline()
	if !ok || len(suspects) < 2 {
		return
	}
	left := max(0, time.Until(deadline))
	each(suspects[1:], func(i int, j *job) { r.hide(ctx, j, left+time.Duration(i+1)*apart) })
}

// portion has jobs handled in one go. A panic is an error of all of them.
func (r *run) portion(ctx context.Context, jobs []*job) {
	var batch []queue.Received
	var handled []*job
	for _, j := range jobs {
		if !j.foreign {
			batch, handled = append(batch, j.msg), append(handled, j)
		}
	}
	if len(batch) == 0 {
		return
	}
	began := time.Now()
	errs := r.safely(ctx, batch)
	for i, j := range handled {
		j.err, j.took = errs[i], time.Since(began)
	}
}

func (r *run) safely(ctx context.Context, batch []queue.Received) (errs []error) {
	all := func(err error) []error { return slices.Repeat([]error{err}, len(batch)) }
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("job panicked", "queue", r.name, "request", r.request, "panic", p, "stack", string(debug.Stack()))
			errs = all(kinds.Errorf(kinds.Internal, "lambdaio: panic: %v", p))
		}
	}()
	if err := ctx.Err(); err != nil {
		return all(kinds.Wrap(kinds.Unavailable, err, "lambdaio: no time is left"))
	}
	return r.handle(ctx, batch)[:len(batch)]
}

// settle logs what has become of jobs and has those that failed handed out again soon.
// Those that are done are deleted now if others follow that may kill the function, else
// by the Lambda service.
func (r *run) settle(ctx context.Context, jobs []*job, others bool) {
	each(jobs, func(_ int, j *job) {
		outcome, level, attrs := "done", slog.LevelInfo, []slog.Attr(nil)
		if j.err != nil {
			outcome, level, attrs = "again", slog.LevelError, []slog.Attr{slog.Any("error", j.err)}
		}
		r.Log.LogAttrs(ctx, level, "job", append(attrs, slog.String("job", j.msg.ID), slog.String("queue", r.name), slog.Int("received", j.msg.Count),
			slog.String("outcome", outcome), slog.Int64("ms", j.took.Milliseconds()), slog.String("request", r.request))...)
		switch {
		case j.err != nil:
			r.hide(ctx, j, r.again(j.msg.Count))
		case others:
			if err := r.Queue.Delete(ctx, r.name, j.msg.Receipt); err != nil {
				// The Lambda service tries, too; else it comes again and is then found done.
				r.Log.Warn("deleting a job that is done", "queue", r.name, "job", j.msg.ID, "error", err)
			}
		}
	})
}

// again is after how long a job comes again that failed when it was received for the
// count-th time.
func (r *run) again(count int) time.Duration {
	retry := r.Retry
	if retry == 0 {
		retry = DefaultRetry
	}
	return min(retry<<(2*min(max(count-1, 0), 8)), maxRetry)
}

func (r *run) hide(ctx context.Context, j *job, d time.Duration) {
	if err := r.Queue.Extend(ctx, r.name, j.msg.Receipt, d); err != nil {
		// It comes again when the queue's own time is over.
		r.Log.Warn("having a job handed out again", "queue", r.name, "job", j.msg.ID, "error", err)
	}
}

// each does something for all jobs at once.
func each(jobs []*job, do func(i int, j *job)) {
	var all sync.WaitGroup
	for i, j := range jobs {
		all.Go(func() { do(i, j) })
	}
	all.Wait()
}
