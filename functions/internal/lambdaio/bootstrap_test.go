package lambdaio_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio/lambdatest"
	"github.com/godwit-mail/godwit/shared/queue"
)

// text is what a process has logged so far.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *text) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start builds a function's program and runs it before an AWS that fails at everything.
func start(t *testing.T, name string) (*lambdatest.Function, *text) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/godwit-mail/godwit/functions/"+name+"/bootstrap")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	log := new(text)
	if _, err := lambdatest.Start(t.Context(), program, []string{"AWS_REGION=us-east-1"}, log); err == nil || !strings.Contains(log.String(), "GODWIT_AWS_BUCKET") {
		t.Errorf("without its settings: %v, logged %s", err, log)
	}
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(aws.Close)
	f, err := lambdatest.Start(t.Context(), program, lambdatest.Environment(aws.URL), log)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(f.Stop)
	return f, log
}

// invoke gives the answer to an event, which must not be an error.
func invoke[T any](t *testing.T, f *lambdatest.Function, id string, e any) (answer T) {
	t.Helper()
	payload, err := json.Marshal(e)
	ok(t, err)
	b, failed, err := f.Invoke(id, payload, 500*time.Millisecond)
	if err != nil || failed {
		t.Fatalf("%s: %v, answered %s", id, err, b)
	}
	ok(t, json.Unmarshal(b, &answer))
	return answer
}

func TestTheProgramThatDeliversAnswersEvenWithoutAWS(t *testing.T) {
	f, log := start(t, "deliver")
	if out := invoke[events.SQSEventResponse](t, f, "r-1", events.SQSEvent{}); len(out.BatchItemFailures) > 0 {
		t.Errorf("answered %+v", out)
	}
	e := events.SQSEvent{Records: []events.SQSMessage{record(queue.Deliver, queue.Received{ID: "7", Receipt: "r", Count: 1, Body: []byte("no job")})}}
	for _, id := range []string{"r-2", "r-3"} { // it lives on
		if out := invoke[events.SQSEventResponse](t, f, id, e); len(out.BatchItemFailures) != 1 || out.BatchItemFailures[0].ItemIdentifier != "7" {
			t.Errorf("answered %+v", out)
		}
		if want := `"job":"7","queue":"deliver","received":1,"outcome":"again"`; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), `"request":"`+id+`"`) {
			t.Errorf("logged %s", log)
		}
	}
	if b, failed, err := f.Invoke("r-4", []byte(`{"Records":7}`), time.Second); err != nil || !failed || !strings.Contains(string(b), "errorMessage") {
		t.Errorf("no event is answered %s, %v", b, err)
	}
}

func TestTheProgramOfTheAPIAnswersEvenWithoutAWS(t *testing.T) {
	f, log := start(t, "api")
	key := "gw1.-." + strings.Repeat("a", 16) + "." + strings.Repeat("a", 32) // looks like one
	for path, want := range map[string]int{"/healthz": 200, "/openapi.json": 200, "/v1/accounts": 503} {
		out := invoke[events.APIGatewayProxyResponse](t, f, "r", events.APIGatewayProxyRequest{Resource: "/{proxy+}", Path: path, HTTPMethod: "GET",
			PathParameters: map[string]string{"proxy": path[1:]}, Headers: map[string]string{"Authorization": "Bearer " + key}})
		if out.StatusCode != want {
			t.Errorf("%s: %d: %s\n%s", path, out.StatusCode, out.Body, log)
		}
	}
}
