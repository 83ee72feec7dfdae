package outbound_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/relay"
)

// deaf is a host that takes a connection and says nothing.
type deaf struct {
	*far
	asked chan struct{}
}

func (d *deaf) Send(ctx context.Context, domain string, e relay.Envelope, open func() (io.ReadCloser, error)) []relay.Result {
	if domain != "deaf.test" {
		return d.far.Send(ctx, domain, e, open)
	}
	d.asked <- struct{}{}
	<-ctx.Done()
	return []relay.Result{{Err: ctx.Err()}}
}

// Mail to a host that says nothing keeps no job from being done; and a process that ends
// gives such a mail back, so that another may try it when its time has come.
func TestAHostThatSaysNothingHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	step := w.step(nil)
	host := &deaf{w.far, make(chan struct{}, 1)}
	step.Router = outbound.Only(host)
	runner := outbound.NewRunner(step, 2, time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runner.Run(ctx)
	}()
	slow := w.send(t, "joe@us.test", "a@deaf.test")
	begin := func() {
		batch, err := w.Queue.Receive(t.Context(), queue.Outbound, 10, time.Second, time.Minute)
		ok(t, err)
		for i, err := range runner.Handle(t.Context(), batch) {
			ok(t, err)
			ok(t, w.Queue.Delete(t.Context(), queue.Outbound, batch[i].Receipt))
		}
	}
	begin()
	<-host.asked
	w.name = "another"
	w.send(t, "joe@us.test", "b@living.test")
	begin()
	for w.far.count("b@living.test") == 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("the other mail does not go")
		case <-time.After(time.Millisecond):
		}
	}
	stop()
	<-ended
	for _, err := range runner.Handle(t.Context(), []queue.Received{{}}) {
		if err == nil {
			t.Error("it begins mails when it has ended")
		}
	}
	m, err := step.Spool.Outgoing(t.Context(), slow.ID)
	ok(t, err)
	if m.LeasedMS != 0 || m.To[0].Tries != 1 {
		t.Errorf("it is leased until %d after %d tries", m.LeasedMS, m.To[0].Tries)
	}
}
