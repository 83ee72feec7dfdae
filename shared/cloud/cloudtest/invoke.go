package cloudtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// Invoke calls a function that somebody has deployed, and reads its answer.
func Invoke(t testing.TB, name string, answer any) {
	t.Helper()
	out, err := lambda.NewFromConfig(awstest.Config(t)).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte("{}")})
	porttest.OK(t, err)
	if out.FunctionError != nil {
		t.Fatalf("%s: %s: %s", name, aws.ToString(out.FunctionError), out.Payload)
	}
	porttest.OK(t, json.Unmarshal(out.Payload, answer))
}

// EachMinute has what a rule of EventBridge calls be called each minute, until the test ends.
func EachMinute(t testing.TB, rule string) {
	t.Helper()
	cfg, often := awstest.Config(t), awstest.Name("often")
	type targets struct {
		Rule    string
		Targets []struct{ Id, Arn string }
	}
	var called targets
	porttest.OK(t, events(t.Context(), cfg, "ListTargetsByRule", map[string]string{"Rule": rule}, &called))
	porttest.OK(t, events(t.Context(), cfg, "PutRule", map[string]string{"Name": often, "ScheduleExpression": "rate(1 minute)"}, nil))
	awstest.Cleanup(t, func(ctx context.Context) error {
		for _, to := range called.Targets {
			if err := events(ctx, cfg, "RemoveTargets", map[string]any{"Rule": often, "Ids": []string{to.Id}}, nil); err != nil {
				return err
			}
		}
		return events(ctx, cfg, "DeleteRule", map[string]string{"Name": often}, nil)
	})
	called.Rule = often
	porttest.OK(t, events(t.Context(), cfg, "PutTargets", called, nil))
}

// events asks EventBridge, for which some calls are not worth its SDK; LocalStack looks at no signature.
func events(ctx context.Context, cfg aws.Config, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, aws.ToString(cfg.BaseEndpoint), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSEvents."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20300101/"+cfg.Region+"/events/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	told, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s %w", operation, answer.Status, told, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(told, out)
}

var modified = regexp.MustCompile(`<LastModified>([^<]+)</LastModified>`)

// Aged gives a client for which all objects of S3 are older than they are: nobody can write
// old ones.
func Aged(t testing.TB, by time.Duration) cloud.Client {
	return func(cfg aws.Config) aws.Config {
		target, err := url.Parse(aws.ToString(cfg.BaseEndpoint))
		porttest.OK(t, err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ModifyResponse = func(r *http.Response) error {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			r.Body.Close()
			if r.Request.Method == http.MethodGet {
				b = modified.ReplaceAllFunc(b, func(m []byte) []byte {
					at, err := time.Parse(time.RFC3339, string(modified.FindSubmatch(m)[1]))
					if err != nil {
						return m
					}
					return fmt.Appendf(nil, "<LastModified>%s</LastModified>", at.Add(-by).Format("2006-01-02T15:04:05.000Z"))
				})
			}
			r.Body = io.NopCloser(bytes.NewReader(b))
			if r.Request.Method != http.MethodHead {
				r.ContentLength = int64(len(b))
				r.Header.Set("Content-Length", strconv.Itoa(len(b)))
			}
			return nil
		}
		server := httptest.NewServer(proxy)
		t.Cleanup(server.Close)
		cfg = cfg.Copy()
		cfg.BaseEndpoint = aws.String(server.URL)
		return cfg
	}
}
