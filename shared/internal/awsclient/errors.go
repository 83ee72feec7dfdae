package awsclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Err gives an error of AWS its kind and says what was being done. Whatever may pass is
// Unavailable or Throttled; the rest (a table that isn't there, no permission, a request
// that is wrong) is a defect or a wrong deployment, thus Internal. A twin looks for the
// codes that mean something to its port before.
func Err(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case throttled(err):
		return kinds.Wrap(kinds.Throttled, err, doing)
	case expired(err), temporary(err), cancelled(err):
		return kinds.Wrap(kinds.Unavailable, err, doing)
	}
	return kinds.Wrap(kinds.Internal, err, doing)
}

// Code is the code that AWS gave the error ("NoSuchKey"), "" when AWS gave none.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Status is the HTTP status of the reply that err tells of, 0 when there was none.
func Status(err error) int {
	var r *smithyhttp.ResponseError
	if errors.As(err, &r) && r.Response != nil {
		return r.HTTPStatusCode()
	}
	return 0
}

func throttled(err error) bool {
	_, known := retry.DefaultThrottleErrorCodes[Code(err)]
	return known || Status(err) == http.StatusTooManyRequests
}

// expired tells whether new credentials would help. The reply to HEAD has no body, and
// so no code; "BadRequest" is what the SDK makes of S3's 400, and expired credentials are
// what a well-formed HEAD gets it for.
func expired(err error) bool {
	return slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "BadRequest"}, Code(err))
}

func cancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// temporary tells whether the same call may pass when it is made again. All calls of the
// twins may be repeated: each either finds itself or may happen twice by its contract.
func temporary(err error) bool {
	var gone *aws.RequestCanceledError
	if errors.As(err, &gone) {
		return false
	}
	if throttled(err) {
		return true
	}
	var cut *smithy.DeserializationError
	switch s := Status(err); {
	case s >= 500, s == http.StatusRequestTimeout, Code(err) == "RequestTimeout", Code(err) == "RequestTimeTooSkewed":
		return true
	case s >= 200 && s < 300, errors.As(err, &cut), errors.Is(err, io.ErrUnexpectedEOF):
		return true // a reply, be it an error, that was cut short or whose checksum is wrong
	case s == 0:
		// No reply: the network, or a source of credentials that can't be reached. A
		// request that the SDK itself refuses to send is no better the next time.
		var invalid smithy.InvalidParamsError
		var serialization *smithy.SerializationError
		return !errors.As(err, &invalid) && !errors.As(err, &serialization) && !cancelled(err)
	}
	return false
}
