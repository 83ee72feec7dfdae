package lambdaio_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// goexit ends the function's goroutine, as nothing but its process' end could.
func goexit() { runtime.Goexit() }

func TestWhatIsDoneCostsNoCallAndWhatFailsComesAgainSoon(t *testing.T) {
	s := newService(t)
	s.send("a", "fail", "b")
	s.round("jobs")
	if got := s.calls.Calls(); !maps.Equal(got, map[string]int{"queue.Extend": 1}) {
		t.Errorf("the function called %v", got)
	}
	if fmt.Sprint(s.done) != "[a b]" {
		t.Errorf("done are %v", s.done)
	}
	// It fails again and again, each time for longer.
	for _, wait := range []time.Duration{5 * time.Second, 20 * time.Second, 80 * time.Second, 5 * time.Minute} {
		s.Clock.Advance(wait - time.Second)
		if e := s.receive("jobs"); len(e.Records) > 0 {
			t.Fatalf("it came again before %v", wait)
		}
		s.Clock.Advance(time.Second)
		if s.round("jobs"); !strings.Contains(s.log.String(), `"outcome":"again"`) {
			t.Fatalf("nothing failed after %v", wait)
		}
		s.log.Reset()
	}
	s.Clock.Advance(6 * time.Minute)
	s.round("jobs")
	s.round("jobs-dead")
	if fmt.Sprint(s.dead) != "[fail]" {
		t.Errorf("dead letters are %v", s.dead)
	}
}

func TestAPanicIsItsJobsFailure(t *testing.T) {
	s := newService(t)
	s.send("panic", "b")
	if killed := s.round("jobs"); killed != 0 {
		t.Error("the function died")
	}
	if len(s.done) > 0 || s.calls.Calls()["queue.Extend"] != 2 || !strings.Contains(s.log.String(), "a defect") {
		t.Errorf("done %v, called %v, logged %s", s.done, s.calls.Calls(), s.log)
	}
}

func TestAStepThatForgetsJobsHasNotDoneThem(t *testing.T) {
	s := newService(t)
	s.jobs.Handle = func(context.Context, []queue.Received) []error { return nil }
	s.send("a", "b")
	if failed, _ := s.invoke(s.receive("jobs")); len(failed) != 2 {
		t.Errorf("failed are %v", failed)
	}
}

// Jobs that kill their function reach the dead letters, and none of their neighbours does.
func TestAJobThatKillsItsFunctionTakesNobodyWithIt(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s, rnd := newService(t), rand.New(rand.NewPCG(seed, 0))
			poisons := 1 + rnd.IntN(4)
			var all, want []string
			for i := range queue.MaxBatch {
				if i < poisons {
					all = append(all, fmt.Sprintf("kill %d", i))
					want = append(want, all[i])
				} else {
					all = append(all, fmt.Sprint("good ", i))
				}
			}
			rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			s.send(all...)
			killed := 0
			for range 1500 { // seconds
				killed += s.round("jobs")
				s.Clock.Advance(time.Second)
			}
			s.round("jobs-dead")
			if slices.Sort(s.dead); !slices.Equal(s.dead, want) {
				t.Errorf("dead letters are %q", s.dead)
			}
			slices.Sort(s.done)
			if good := slices.Compact(slices.Clone(s.done)); len(good) != len(all)-poisons || len(good) != len(s.done) {
				t.Errorf("done are %q", s.done)
			}
			t.Logf("%d poisons, died %d times", poisons, killed)
		})
	}
}

// Whoever is suspect waits for the others, which are deleted before.
func TestSuspectsAreHandledLastAndAlone(t *testing.T) {
	s := newService(t)
	var order []string
	s.jobs.Handle = func(ctx context.Context, batch []queue.Received) []error {
		words := ""
		for _, m := range batch {
			words += string(m.Body)
		}
		d, err := s.Queue.Depth(ctx, "jobs")
		ok(t, err)
		order = append(order, fmt.Sprint(words, " ", d.InFlight))
		return make([]error, len(batch))
	}
	s.send("a", "b", "c")
	for range 2 {
		s.receive("jobs")
		s.Clock.Advance(visibility)
	}
	s.send("x", "y")
	e := s.receive("jobs")
	if len(e.Records) != 5 {
		t.Fatalf("%d jobs", len(e.Records))
	}
	if failed, _ := s.invoke(e); len(failed) > 0 {
		t.Errorf("failed are %v", failed)
	}
	// Of the last one the Lambda service is told that it is done.
	if got := fmt.Sprint(order); got != "[xy 5 a 3 b 2 c 1]" {
		t.Errorf("handled with so many in flight: %v", got)
	}
	// In an even round the other way round.
	s.send("d", "e")
	for range 3 {
		s.receive("jobs")
		s.Clock.Advance(visibility)
	}
	order = nil
	s.invoke(s.receive("jobs"))
	if got := fmt.Sprint(order); got != "[e 3 d 2 c 1]" && got != "[e 2 d 1]" {
		t.Errorf("handled %v", got)
	}
}

func TestALoneSuspectCostsNoCall(t *testing.T) {
	s := newService(t)
	s.send("a")
	for range 3 {
		s.receive("jobs")
		s.Clock.Advance(visibility)
	}
	s.round("jobs")
	if s.calls.Total("") != 0 || fmt.Sprint(s.done) != "[a]" {
		t.Errorf("called %v, done %v", s.calls.Calls(), s.done)
	}
}

func TestAForeignMessageIsShownAsADeadLetter(t *testing.T) {
	s := newService(t)
	foreign := events.SQSMessage{MessageId: "f", Body: "hello!", ReceiptHandle: "1.1", EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:godwit-jobs"}
	s.send("a", "b")
	e := s.receive("jobs")
	e.Records = append(e.Records, foreign)
	if failed, _ := s.invoke(e); fmt.Sprint(failed) != "[f]" || fmt.Sprint(s.done) != "[a b]" {
		t.Errorf("failed %v, done %v", failed, s.done)
	}
	foreign.EventSourceARN += "-dead"
	if failed, _ := s.invoke(events.SQSEvent{Records: []events.SQSMessage{foreign}}); len(failed) > 0 || fmt.Sprint(s.dead) != "[hello!]" {
		t.Errorf("failed %v, dead %v", failed, s.dead)
	}
}

func TestEachJobHasItsLineInTheLog(t *testing.T) {
	s := newService(t)
	s.send("secret", "fail secret")
	e := s.receive("jobs")
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r-1"})
	_, err := s.jobs.Event(ctx, e)
	ok(t, err)
	if strings.Contains(s.log.String(), "secret") {
		t.Errorf("a body is in the log: %s", s.log)
	}
	got := map[string]map[string]any{}
	for lines := bufio.NewScanner(s.log); lines.Scan(); {
		var line map[string]any
		ok(t, json.Unmarshal(lines.Bytes(), &line))
		if line["msg"] == "job" {
			got[line["job"].(string)] = line
		}
	}
	for i, outcome := range []string{"done", "again"} {
		line := got[e.Records[i].MessageId]
		_, timed := line["ms"].(float64)
		if line["outcome"] != outcome || line["queue"] != "jobs" || line["received"] != 1.0 || line["request"] != "r-1" || !timed || (line["error"] != nil) != (i == 1) {
			t.Errorf("the line is %v", line)
		}
	}
}

// stub is a queue that takes anything while there is time.
type stub struct {
	queue.Driver
	extended, deleted []string
}

func (q *stub) Extend(ctx context.Context, _, receipt string, _ time.Duration) error {
	q.extended = append(q.extended, receipt)
	return kinds.Wrap(kinds.Unavailable, ctx.Err(), "")
}

func (q *stub) Delete(ctx context.Context, _, receipt string) error {
	q.deleted = append(q.deleted, receipt)
	return kinds.Wrap(kinds.Unavailable, ctx.Err(), "")
}

func TestAStepIsToldToEndBeforeItsFunctionIsStopped(t *testing.T) {
	for _, c := range []struct{ has, may time.Duration }{{time.Minute, 58 * time.Second}, {10 * time.Second, 9 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s, began, q := &service{}, time.Now(), &stub{}
			j := lambdaio.Jobs{Queue: q, Name: "jobs", Log: newLog(), Decode: decodeAll,
				Handle: func(ctx context.Context, batch []queue.Received) []error {
					s.done = append(s.done, string(batch[0].Body))
					<-ctx.Done()
					return slices.Repeat([]error{ctx.Err()}, len(batch))
				}}
			ctx, cancel := context.WithTimeout(t.Context(), c.has)
			defer cancel()
			var e events.SQSEvent
			for i, count := range []int{1, 3, 3} { // the last two don't get their turn
				e.Records = append(e.Records, record("jobs", queue.Received{ID: fmt.Sprint(i), Body: []byte{'a' + byte(i)}, Receipt: fmt.Sprint(i), Count: count, Sent: began}))
			}
			out, err := j.Event(ctx, e)
			if err != nil || len(out.BatchItemFailures) != 3 || time.Since(began) != c.may || fmt.Sprint(s.done) != "[a]" || ctx.Err() != nil {
				t.Errorf("after %v of %v: %v, %v; begun %v", time.Since(began), c.has, out, err, s.done)
			}
		})
	}
}

// FuzzEvent: whatever comes, the answer names only jobs of the event, and each that was
// not done.
func FuzzEvent(f *testing.F) {
	seed := func(count int) string {
		b, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{record("jobs", queue.Received{ID: "1", Body: []byte("a"), Receipt: "r", Count: count, Sent: time.Unix(1_700_000_000, 0)}),
			record("jobs", queue.Received{ID: "2", Body: []byte("fail"), Receipt: "r2", Count: count})}})
		if err != nil {
			f.Fatal(err)
		}
		return string(b)
	}
	for _, s := range []string{seed(1), seed(3), strings.ReplaceAll(seed(6), "godwit-jobs", "godwit-jobs-dead"), `{"Records":[{"messageId":"x","body":"*"}]}`, `{}`, `null`, `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		given := map[string]bool{}
		j := lambdaio.Jobs{Queue: &lockedStub{}, Name: "jobs", Log: newLog(), Decode: decodeAll}
		j.Handle = func(_ context.Context, batch []queue.Received) []error {
			errs := make([]error, len(batch))
			for i, m := range batch {
				given[m.ID] = true
				if strings.HasPrefix(string(m.Body), "fail") {
					errs[i] = fmt.Errorf("it failed")
				}
			}
			return errs
		}
		j.HandleDead = j.Handle
		b, err := lambda.NewHandler(j.Event).Invoke(t.Context(), payload)
		if err != nil {
			return // no event
		}
		var e events.SQSEvent
		var out events.SQSEventResponse
		ok(t, json.NewDecoder(bytes.NewReader(payload)).Decode(&e))
		ok(t, json.Unmarshal(b, &out))
		for _, m := range e.Records {
			failed := slices.ContainsFunc(out.BatchItemFailures, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == m.MessageId })
			if !given[m.MessageId] && !failed {
				t.Errorf("job %q was neither handled nor said to be undone", m.MessageId)
			}
		}
		if len(out.BatchItemFailures) > len(e.Records) {
			t.Errorf("%d of %d jobs failed", len(out.BatchItemFailures), len(e.Records))
		}
	})
}
