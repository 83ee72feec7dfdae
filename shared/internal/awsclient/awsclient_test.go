package awsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// reply is an error as the SDK gives it for a reply of that status.
func reply(status int, code string) error {
	var err error = &smithy.GenericAPIError{Code: code}
	if code == "" {
		err = &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}
	}
	return &smithy.OperationError{Err: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err}}
}

func TestErrorsHaveKindsAndWhatMayPassIsTriedAgain(t *testing.T) {
	for _, test := range []struct {
		err   error
		kind  kinds.Kind
		again bool
	}{
		{reply(400, "ProvisionedThroughputExceededException"), kinds.Throttled, true},
		{reply(400, "ThrottlingException"), kinds.Throttled, true},
		{reply(503, "SlowDown"), kinds.Throttled, true},
		{reply(429, "TooMany"), kinds.Throttled, true},
		{reply(500, "InternalServerError"), kinds.Unavailable, true},
		{reply(501, "NotImplemented"), kinds.Unavailable, true},
		{reply(503, ""), kinds.Unavailable, true},
		{reply(408, "RequestTimeout"), kinds.Unavailable, true},
		{reply(200, ""), kinds.Unavailable, true}, // cut short
		{reply(412, ""), kinds.Unavailable, true},
		{reply(400, "BadRequest"), kinds.Unavailable, true}, // S3's reply to HEAD with expired credentials
		{reply(400, "ExpiredTokenException"), kinds.Unavailable, true},
		{reply(403, "ExpiredToken"), kinds.Unavailable, true},
		{reply(403, "AccessDenied"), kinds.Internal, false},
		{reply(400, "ResourceNotFoundException"), kinds.Internal, false},
		{reply(400, "ValidationException"), kinds.Internal, false},
		{&smithy.OperationError{Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, kinds.Unavailable, true},
		{&smithyhttp.RequestSendError{Err: io.EOF}, kinds.Unavailable, true},
		{&aws.RequestCanceledError{Err: context.DeadlineExceeded}, kinds.Unavailable, false},
		{fmt.Errorf("waiting: %w", context.Canceled), kinds.Unavailable, false},
		{&smithy.SerializationError{Err: errors.New("no such type")}, kinds.Internal, false},
	} {
		r := newRetryer(func() aws.CredentialsProvider { return nil })
		if got := kinds.Of(Err(test.err, "doing")); got != test.kind {
			t.Errorf("%v: kind %v, want %v", test.err, got, test.kind)
		}
		if got := r.IsErrorRetryable(test.err); got != test.again {
			t.Errorf("%v: tried again %v, want %v", test.err, got, test.again)
		}
	}
	if Err(nil, "doing") != nil {
		t.Error("no error has become one")
	}
}

func TestExpiredCredentialsAreFetchedAnew(t *testing.T) {
	fetched := 0
	cache := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		fetched++
		return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
	}))
	r := newRetryer(func() aws.CredentialsProvider { return cache })
	for _, err := range []error{reply(500, "InternalError"), reply(403, "ExpiredToken")} {
		if _, err := cache.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.IsErrorRetryable(err)
	}
	if _, err := cache.Retrieve(t.Context()); err != nil || fetched != 2 {
		t.Errorf("fetched %d times, want twice (%v)", fetched, err)
	}
}

func TestWaitsAreBoundedByTheirDeadline(t *testing.T) {
	for attempt := range 40 {
		if d := jitter(attempt); d < 0 || d > maxWait || attempt == 1 && d > firstWait {
			t.Errorf("attempt %d waits for %v", attempt, d)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for attempt := 1; ; attempt++ {
			if err := Wait(ctx, attempt); err != nil {
				if !kinds.Is(err, kinds.Unavailable) || ctx.Err() == nil {
					t.Errorf("the wait ended with %v", err)
				}
				return
			}
		}
	})
}
