// Package awsclient is what the ports' AWS twins share: the SDK's configuration, how
// calls are tried again, and which kind an error of AWS has.
package awsclient

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	// silence is how long a reply may stall before its attempt is given up, so that an
	// operation with a deadline has time for another.
	silence = 10 * time.Second
	// attempts bounds an operation without a deadline: about seven seconds of waiting.
	attempts  = 12
	idleConns = 256 // a gateway has many calls at once, and TLS handshakes are dear
)

// Load reads region, credentials and endpoint from where the SDK looks for them: the
// environment (AWS_REGION, AWS_ENDPOINT_URL, ...), the shared files, the task's role.
func Load(ctx context.Context) (aws.Config, error) { return LoadIn(ctx, "") }

// LoadIn is Load for a region; "" is the environment's.
func LoadIn(ctx context.Context, region string) (aws.Config, error) {
	var cfg aws.Config
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region),
		config.WithHTTPClient(HTTPClient(silence)),
		config.WithLogger(logging.Nop{}), // what it would tell, each failed call's error tells
		config.WithRetryer(func() aws.Retryer { return newRetryer(func() aws.CredentialsProvider { return cfg.Credentials }) }),
	)
	if err != nil {
		return cfg, kinds.Wrap(kinds.Invalid, err, "aws: configuration")
	}
	if cfg.Region == "" {
		return cfg, kinds.Errorf(kinds.Invalid, "aws: no region is set (AWS_REGION)")
	}
	return cfg, nil
}

// HTTPClient makes a client that gives a connection up when it is silent for so long
// while a reply is awaited. A long poll needs one of its own.
func HTTPClient(silence time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithReadTimeout(silence).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, idleConns
	})
}

// newRetryer tries again what may pass, in the operation's deadline. Without the SDK's
// quota of retries: whoever waits would be refused at once for the trouble of others,
// and the jitter's cap and the deadline bound what retries add.
func newRetryer(credentials func() aws.CredentialsProvider) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) { return jitter(attempt), nil })
		o.RateLimiter = ratelimit.None
		o.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if expired(err) {
				// A new attempt is signed anew, but with the same credentials until
				// the cache is told that they are of no use any more.
				if c, ok := credentials().(*aws.CredentialsCache); ok {
					c.Invalidate()
				}
				return aws.TrueTernary
			}
			return aws.BoolTernary(temporary(err))
		})}
	})
}
