// Package awstest gives tests of the AWS twins an emulated cloud, in which each test
// makes what it needs under random names.
package awstest

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// Config gives the configuration of the LocalStack at AWS_ENDPOINT_URL, and ends the
// test when none answers there.
func Config(t testing.TB) aws.Config {
	t.Helper()
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		t.Fatal("AWS_ENDPOINT_URL is not set: start LocalStack with localstack/up.sh and set what it prints")
	}
	client := http.Client{Timeout: 5 * time.Second}
	r, err := client.Get(endpoint + "/_localstack/health")
	if err != nil {
		t.Fatalf("no LocalStack answers at %s: %v", endpoint, err)
	}
	r.Body.Close()
	cfg, err := awsclient.Load(t.Context())
	porttest.OK(t, err)
	return cfg
}

// Name is a fresh name for a table, a bucket or a queue.
func Name(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:16]) }

// Cleanup runs remove when the test has ended, whose own context is over then.
func Cleanup(t testing.TB, remove func(ctx context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := remove(ctx); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
}

// Pass lets real time pass, for what the emulated cloud alone keeps the time of.
func Pass(d time.Duration) { <-time.After(d) }
