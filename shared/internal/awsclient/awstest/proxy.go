package awstest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Fault is what happens to a call on its way.
type Fault string

// The faults. All but Lost and Truncated keep the call from being carried out.
const (
	None      Fault = ""
	Error     Fault = "internal error" // 500
	Busy      Fault = "unavailable"    // 503, without a word of AWS in it
	Throttle  Fault = "throttled"
	Expired   Fault = "expired credentials"
	Dropped   Fault = "dropped"   // the connection ends
	Lost      Fault = "lost"      // carried out, and the connection ends
	Truncated Fault = "truncated" // carried out, and half of the reply comes
	Conflict  Fault = "conflict"  // 409 of a conditional write of S3; not among Faults
)

// Faults are all that may happen.
func Faults() []Fault {
	return []Fault{Error, Busy, Throttle, Expired, Dropped, Lost, Truncated}
}

// Call is a call as the proxy sees it.
type Call struct {
	Operation string // "DynamoDB_20120810.PutItem", "AmazonSQS.SendMessage", or the method of an S3 request
	Path      string // with the query; of S3
	Body      string // of DynamoDB and SQS
}

// Proxy stands before the endpoint of cfg and gives a configuration that goes through it.
// decide is asked for each call, by one at a time.
func Proxy(t testing.TB, cfg aws.Config, decide func(Call) Fault) aws.Config {
	t.Helper()
	var mu sync.Mutex
	target, client := strings.TrimSuffix(aws.ToString(cfg.BaseEndpoint), "/"), &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		call := Call{Operation: r.Header.Get("X-Amz-Target"), Path: r.URL.RequestURI()}
		if call.Operation == "" {
			call.Operation = r.Method
		} else {
			call.Body = string(body)
		}
		mu.Lock()
		fault := decide(call)
		mu.Unlock()
		if refuse(w, r, fault) {
			return
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, target+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		out.Header = r.Header.Clone()
		in, err := client.Do(out)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer in.Body.Close()
		reply, err := io.ReadAll(in.Body)
		if err != nil || fault == Lost || fault == Truncated && len(reply) == 0 {
			panic(http.ErrAbortHandler)
		}
		for k, v := range in.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(in.StatusCode)
		if fault == Truncated {
			_, _ = w.Write(reply[:len(reply)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(reply)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		client.CloseIdleConnections()
	})
	cfg = cfg.Copy()
	cfg.BaseEndpoint = aws.String(server.URL)
	return cfg
}

// refuse answers with the fault, as the service that is called would.
func refuse(w http.ResponseWriter, r *http.Request, fault Fault) bool {
	status, code := 0, ""
	switch fault {
	case Error:
		status, code = http.StatusInternalServerError, "InternalError"
	case Busy:
		http.Error(w, "<html>upstream is down</html>", http.StatusServiceUnavailable)
		return true
	case Throttle:
		status, code = http.StatusBadRequest, "ThrottlingException"
		if r.Header.Get("X-Amz-Target") == "" {
			status, code = http.StatusServiceUnavailable, "SlowDown"
		}
	case Expired:
		status, code = http.StatusBadRequest, "ExpiredToken"
	case Conflict:
		status, code = http.StatusConflict, "ConditionalRequestConflict"
	case Dropped:
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	if r.Header.Get("X-Amz-Target") != "" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws#`+code+`","message":"on purpose"}`)
		return true
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>on purpose</Message></Error>")
	}
	return true
}

// OneIn gives a fault, any of those given, to one call in n, in an order that the seed
// decides.
func OneIn(n int, seed uint64, faults ...Fault) func(Call) Fault {
	rnd := rand.New(rand.NewPCG(seed, 0))
	return func(Call) Fault {
		if rnd.IntN(n) > 0 {
			return None
		}
		return faults[rnd.IntN(len(faults))]
	}
}

// Seed gives the seed of what a test does at random, and tells of it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	return seed
}
