// Package worker runs a function within a process: it receives jobs, has the function
// handle them, and deletes what is done. In the cloud the Lambda service does the same.
package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// Settings that apply where a Worker leaves them zero.
const (
	DefaultReceivers  = 8
	DefaultVisibility = time.Minute
	DefaultGrace      = 8 * time.Second
	DefaultRetry      = 5 * time.Second
)

// careful is how long a worker takes jobs one at a time at its start, unless none waits
// any more before.
const careful = 30 * time.Second

// Worker polls one queue.
type Worker struct {
	Queue queue.Driver
	Name  string // of the queue
	// Handle does a batch and gives one error each; nil: done, to be deleted.
	Handle     func(ctx context.Context, batch []queue.Received) []error
	Receivers  int           // batches that are handled at the same time
	Visibility time.Duration // for which a job is hidden; prolonged while it is handled
	Grace      time.Duration // for which a batch may go on after Run was told to end
	Retry      time.Duration // until a job that failed is handed out again
	Log        *slog.Logger
}

// Run works until ctx ends, and returns when the batches at hand are done or their grace
// is over. What is not done then is handed out again later.
func (w *Worker) Run(ctx context.Context) {
	run := *w
	run.defaults()
	// Batches live longer than ctx, by their grace.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(run.Grace, cancel) })
	defer stop()
	var all sync.WaitGroup
	began := make(chan struct{})
	all.Go(func() {
		defer close(began)
		run.carefully(ctx, work)
	})
	select {
	case <-began:
	case <-time.After(careful): // with the one at hand
	}
	for range run.Receivers {
		all.Go(func() { run.receive(ctx, work) })
	}
	all.Wait()
}

func (w *Worker) defaults() {
	if w.Receivers == 0 {
		w.Receivers = DefaultReceivers
	}
	if w.Visibility == 0 {
		w.Visibility = DefaultVisibility
	}
	if w.Grace == 0 {
		w.Grace = DefaultGrace
	}
	if w.Retry == 0 {
		w.Retry = DefaultRetry
	}
}

// carefully does what waits at the start, one job at a time. The process may have been
// killed by one of them (by its memory), together with all that were at work then. Taken
// alone, it kills no other again, so that it alone becomes a dead letter.
func (w *Worker) carefully(ctx, work context.Context) {
	ctx, cancel := context.WithTimeout(ctx, careful)
	defer cancel()
	for ctx.Err() == nil {
		one, err := w.Queue.Receive(ctx, w.Name, 1, 0, w.Visibility)
		if err != nil || len(one) == 0 {
			return // whoever receives next meets the error again, and waits
		}
		w.batch(work, one)
	}
}

// receive takes batches one after another.
func (w *Worker) receive(ctx, work context.Context) {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		batch, err := w.Queue.Receive(ctx, w.Name, queue.MaxBatch, queue.MaxWait, w.Visibility)
		if err != nil && ctx.Err() == nil {
			w.Log.Error("receiving jobs", "queue", w.Name, "error", err)
			pause = min(max(2*pause, 100*time.Millisecond), 10*time.Second)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		if len(batch) > 0 {
			w.batch(work, batch)
		}
	}
}

// batch handles one batch.
func (w *Worker) batch(ctx context.Context, batch []queue.Received) {
	done := make(chan struct{})
	var hiding sync.WaitGroup
	hiding.Go(func() { w.hide(ctx, batch, done) })
	errs := w.safely(ctx, batch)
	close(done)
	hiding.Wait()          // else it might hide again what finish has just handed out
	var all sync.WaitGroup // twins share the work of what comes together
	for i := range batch {
		all.Go(func() { w.finish(ctx, &batch[i], errs[i]) })
	}
	all.Wait()
}

// safely turns a panic into an error of the whole batch.
func (w *Worker) safely(ctx context.Context, batch []queue.Received) (errs []error) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("job panicked", "queue", w.Name, "panic", p)
			errs = make([]error, len(batch))
			for i := range errs {
				errs[i] = kinds.Errorf(kinds.Internal, "worker: panic: %v", p)
			}
		}
	}()
	return w.Handle(ctx, batch)
}

// hide keeps the batch from others while it is being handled.
func (w *Worker) hide(ctx context.Context, batch []queue.Received, done <-chan struct{}) {
	tick := time.NewTicker(w.Visibility / 3)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i := range batch {
			if err := w.Queue.Extend(ctx, w.Name, batch[i].Receipt, w.Visibility); err != nil {
				w.Log.Warn("keeping a job hidden", "queue", w.Name, "job", batch[i].ID, "error", err)
			}
		}
	}
}

// finish deletes a job that is done, or has it handed out again soon.
func (w *Worker) finish(ctx context.Context, m *queue.Received, err error) {
	if err == nil {
		if err := w.Queue.Delete(ctx, w.Name, m.Receipt); err != nil {
			// It comes again and is then found done.
			w.Log.Warn("deleting a job that is done", "queue", w.Name, "job", m.ID, "error", err)
		}
		return
	}
	w.Log.Error("job failed", "queue", w.Name, "job", m.ID, "received", m.Count, "error", err)
	if err := w.Queue.Extend(ctx, w.Name, m.Receipt, w.Retry); err != nil {
		w.Log.Warn("having a job handed out again", "queue", w.Name, "job", m.ID, "error", err)
	}
}
