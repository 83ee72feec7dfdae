package lambdaio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
)

func TestWhatIsNoEventOfTheQueueIsATick(t *testing.T) {
	s := newService(t)
	s.send("a")
	ticks, fails := 0, error(nil)
	f := lambda.NewHandler(s.jobs.OrTick(func(ctx context.Context) error {
		ticks++
		return fails
	}))
	jobs, err := json.Marshal(s.receive("jobs"))
	ok(t, err)
	if b, err := f.Invoke(t.Context(), jobs); err != nil || string(b) != `{"batchItemFailures":[]}` || fmt.Sprint(s.done) != "[a]" || ticks != 0 {
		t.Errorf("%s, %v; done are %v, %d ticks", b, err, s.done, ticks)
	}
	rule := []byte(`{"version":"0","source":"aws.events","detail-type":"Scheduled Event","resources":["arn:aws:events:us-east-1:0:rule/r"],"detail":{}}`)
	if _, err := f.Invoke(t.Context(), rule); err != nil || ticks != 1 {
		t.Errorf("%v, %d ticks", err, ticks)
	}
	fails = errors.New("it failed")
	if _, err := f.Invoke(t.Context(), rule); err == nil {
		t.Error("a tick's failure is hidden")
	}
	if _, err := f.Invoke(t.Context(), []byte(`[]`)); err == nil || ticks != 2 {
		t.Errorf("what is no event: %v, %d ticks", err, ticks)
	}
}
