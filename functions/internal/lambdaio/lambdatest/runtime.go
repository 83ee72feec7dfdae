// Package lambdatest runs a function's binary as the Lambda service does: it serves it
// the Runtime API, version 2018-06-01.
package lambdatest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Function is a running function. Invoke it from one goroutine.
type Function struct {
	Started time.Duration // from the start of its process until it asked for its first event

	process *exec.Cmd
	server  *http.Server
	asks    chan chan event // it asks for an event
	answers chan answer
	ended   chan struct{} // the process has ended
	stop    sync.Once
}

type event struct {
	id       string
	deadline time.Time
	payload  []byte
}

type answer struct {
	id     string
	failed bool
	body   []byte
}

// Start runs a binary with env as its environment until it asks for its first event. What
// it logs goes to log.
func Start(ctx context.Context, binary string, env []string, log io.Writer) (*Function, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Function{asks: make(chan chan event), answers: make(chan answer), ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", f.answer)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", f.answer)
	f.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = f.server.Serve(l) }()

	f.process = exec.CommandContext(ctx, binary)
	f.process.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+l.Addr().String())
	f.process.Stdout, f.process.Stderr = log, log
	began := time.Now()
	if err := f.process.Start(); err != nil {
		f.server.Close()
		return nil, err
	}
	go func() {
		_ = f.process.Wait()
		close(f.ended)
	}()
	select {
	case ask := <-f.asks:
		f.Started = time.Since(began)
		go func() { // it goes on asking
			select {
			case f.asks <- ask:
			case <-f.ended:
			}
		}()
		return f, nil
	case <-f.ended:
		f.Stop()
		return nil, fmt.Errorf("the function ended: %v", f.process.ProcessState)
	}
}

// Environment is what the Lambda service and infra/ give a function, with an AWS
// behind endpoint.
func Environment(endpoint string) []string {
	return []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + endpoint,
		"AWS_EC2_METADATA_DISABLED=true", "GODWIT_AWS_BUCKET=mail", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
}

// Invoke gives the function an event and returns its response. failed: it is an error's.
// The process' end is an error.
func (f *Function) Invoke(id string, payload []byte, timeout time.Duration) (response []byte, failed bool, err error) {
	select {
	case ask := <-f.asks:
		ask <- event{id, time.Now().Add(timeout), payload}
	case <-f.ended:
		return nil, false, fmt.Errorf("the function ended: %v", f.process.ProcessState)
	}
	select {
	case a := <-f.answers:
		if a.id != id {
			return nil, false, fmt.Errorf("an answer to %q, want one to %q", a.id, id)
		}
		return a.body, a.failed, nil
	case <-f.ended:
		return nil, false, fmt.Errorf("the function ended: %v", f.process.ProcessState)
	}
}

// Stop kills the function.
func (f *Function) Stop() {
	f.stop.Do(func() {
		_ = f.process.Process.Kill()
		<-f.ended
		f.server.Close()
	})
}

func (f *Function) next(w http.ResponseWriter, r *http.Request) {
	ask := make(chan event, 1)
	select {
	case f.asks <- ask:
	case <-r.Context().Done():
		return
	}
	select {
	case e := <-ask:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", e.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(e.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:test")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(e.payload)
	case <-r.Context().Done():
	}
}

func (f *Function) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
	select {
	case f.answers <- answer{r.PathValue("id"), strings.HasSuffix(r.URL.Path, "/error"), body}:
	case <-f.ended:
	}
}
