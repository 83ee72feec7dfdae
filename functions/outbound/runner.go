package outbound

import (
	"context"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// Runner does the step's work in a process that lives on: it takes a job for done when its
// mail is begun, whose record says what is still to do. So mail for hosts that are slow
// holds back no job of other mail. Safe for concurrent use.
type Runner struct {
	step  *Step
	grace time.Duration
	room  chan struct{}
	work  context.Context
	cut   context.CancelFunc

	mu    sync.Mutex
	ended bool // nothing is begun any more
	mails sync.WaitGroup
}

// NewRunner makes a Runner of so many mails at once. When Run is told to end, mails under way
// may go on for grace.
func NewRunner(step *Step, atOnce int, grace time.Duration) *Runner {
	r := &Runner{step: step, grace: grace, room: make(chan struct{}, atOnce)}
	r.work, r.cut = context.WithCancel(context.Background())
	return r
}

// Handle begins the mails that a batch of jobs names, as soon as there is room for them.
func (r *Runner) Handle(ctx context.Context, batch []queue.Received) []error {
	errs := make([]error, len(batch))
	for i := range batch {
		errs[i] = r.begin(ctx, batch[i])
	}
	return errs
}

var errEnding = kinds.Errorf(kinds.Unavailable, "outbound: the process ends")

func (r *Runner) begin(ctx context.Context, job queue.Received) error {
	select {
	case r.room <- struct{}{}:
	case <-ctx.Done():
		return errEnding
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		<-r.room
		return errEnding
	}
	r.mails.Go(func() {
		defer func() { <-r.room }()
		for _, err := range r.step.Handle(r.work, []queue.Received{job}) {
			if err != nil {
				r.step.Log.Warn("mail to other hosts; it is tried again by its time", "job", job.ID, "error", err)
			}
		}
	})
	return nil
}

// Run wakes mails when their time has come, until ctx ends. It returns when those under way
// are done, or were cut off after their grace.
func (r *Runner) Run(ctx context.Context) {
	r.step.Run(ctx)
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	stop := time.AfterFunc(r.grace, r.cut)
	defer stop.Stop()
	r.mails.Wait()
	r.cut()
}
