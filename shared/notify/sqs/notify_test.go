//go:build localstack

package sqs_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/notify/notifytest"
	twin "github.com/godwit-mail/godwit/shared/notify/sqs"
)

func TestContract(t *testing.T) {
	cfg := awstest.Config(t)
	notifytest.Run(t, func(t *testing.T) notify.Driver { return open(cfg, awstest.Name("notify")+"-", time.Now) })
}

func TestContractOverAFailingNetwork(t *testing.T) {
	cfg := awstest.Config(t)
	decide := awstest.OneIn(20, awstest.Seed(t), awstest.Faults()...)
	failing := awstest.Proxy(t, cfg, func(c awstest.Call) awstest.Fault {
		fault := decide(c)
		if strings.HasSuffix(c.Operation, ".ReceiveMessage") && (fault == awstest.Lost || fault == awstest.Truncated) {
			return awstest.None // the events would be lost
		}
		return fault
	})
	notifytest.Run(t, func(t *testing.T) notify.Driver {
		t.Parallel()
		return open(failing, awstest.Name("notify")+"-", time.Now)
	})
}

func TestTellingCostsOneCall(t *testing.T) {
	var m awsclient.Meter
	cfg, prefix := awstest.Config(t), awstest.Name("notify")+"-"
	gateway, function := open(cfg, prefix, time.Now), open(m.Attach(cfg), prefix, time.Now)
	for i, want := range []string{"map[SQS.GetQueueUrl:{1 1 0} SQS.SendMessage:{1 1 0}]", "map[SQS.SendMessage:{1 1 0}]", "map[SQS.SendMessage:{1 1 0}]"} {
		l, err := gateway.Listen(t.Context())
		porttest.OK(t, err)
		defer l.Close()
		m.Reset()
		porttest.OK(t, function.Tell(t.Context(), l.Name(), notify.Event{Partition: "p", Seq: 1}))
		if got := fmt.Sprint(m.Costs()); got != want {
			t.Errorf("listener %d: %s, want %s", i, got, want)
		}
		<-l.Events()
	}
}

func open(cfg aws.Config, prefix string, now func() time.Time) *twin.Notify {
	return twin.New(cfg, prefix, now, slog.New(slog.DiscardHandler))
}

func TestQueuesOfTheDeadAreSweptAndNoOthers(t *testing.T) {
	cfg, clock, prefix := awstest.Config(t), porttest.NewClock(), awstest.Name("notify")+"-"
	d, event := open(cfg, prefix, clock.Now), notify.Event{Partition: "p", Seq: 1}
	dead, err := d.Listen(t.Context())
	porttest.OK(t, err)
	defer dead.Close()
	clock.Advance(59 * time.Minute)
	alive, err := d.Listen(t.Context())
	porttest.OK(t, err)
	defer alive.Close()
	swept := func(want int) {
		t.Helper()
		if n, err := d.Sweep(t.Context()); err != nil || n != want {
			t.Errorf("swept %d, %v, want %d", n, err, want)
		}
	}
	swept(0)
	clock.Advance(2 * time.Minute)
	swept(1)
	porttest.OK(t, d.Tell(t.Context(), alive.Name(), event))
	if got := <-alive.Events(); got != event {
		t.Errorf("got %v", got)
	}
	porttest.OK(t, alive.Close())
	swept(0)
	porttest.Kind(t, d.Tell(t.Context(), alive.Name(), event), kinds.NotFound)
}

func TestAListenerEndsWithItsQueue(t *testing.T) {
	cfg, prefix := awstest.Config(t), awstest.Name("notify")+"-"
	d, c := open(cfg, prefix, time.Now), sqs.NewFromConfig(cfg)
	l, err := d.Listen(t.Context())
	porttest.OK(t, err)
	out, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(prefix + l.Name())})
	porttest.OK(t, err)
	_, err = c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
	porttest.OK(t, err)
	if e, ok := <-l.Events(); ok {
		t.Errorf("got %v", e)
	}
	porttest.OK(t, l.Close())
	porttest.Kind(t, d.Tell(t.Context(), l.Name(), notify.Event{Partition: "p", Seq: 7}), kinds.NotFound)
}
