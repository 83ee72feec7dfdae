package cloudtest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/queue"
)

// Function is a Lambda function that takes the jobs of the service's queue of deliveries.
type Function struct {
	Name string

	t      testing.TB
	client *lambda.Client
}

// FunctionConfig says what a function is like.
type FunctionConfig struct {
	Package string        // its main
	Timeout time.Duration // of an invocation
	Batch   int           // jobs in an event, at most; 0: 10
	Client  cloud.Client  // of its calls; nil: as it is
}

// MakeFunction makes a function of the service, for as long as the test lasts.
func MakeFunction(t testing.TB, c cloud.Config, f FunctionConfig) *Function {
	t.Helper()
	if f.Batch == 0 {
		f.Batch = queue.MaxBatch
	}
	cfg := awstest.Config(t)
	client := lambda.NewFromConfig(cfg)
	env := map[string]string{"GODWIT_AWS_NAME": c.Name, "GODWIT_AWS_BUCKET": c.Bucket, "GODWIT_AWS_KEY": c.Key}
	if f.Client != nil {
		env["AWS_ENDPOINT_URL"] = aws.ToString(f.Client(cfg).BaseEndpoint)
	}
	architecture := types.ArchitectureX8664
	if runtime.GOARCH == "arm64" {
		architecture = types.ArchitectureArm64
	}
	fn := &Function{Name: awstest.Name("godwit"), t: t, client: client}
	_, err := client.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &fn.Name, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Architectures: []types.Architecture{architecture},
		Role: aws.String("arn:aws:iam::000000000000:role/" + fn.Name), Code: &types.FunctionCode{ZipFile: zipped(t, f.Package)},
		Timeout: aws.Int32(int32(f.Timeout.Seconds())), MemorySize: aws.Int32(256), Environment: &types.Environment{Variables: env},
	})
	// The name is nobody else's: when it is there, a try before whose answer did not come made it.
	if made := (*types.ResourceConflictException)(nil); !errors.As(err, &made) {
		porttest.OK(t, err)
	}
	awstest.Cleanup(t, func(ctx context.Context) error {
		_, err := client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &fn.Name})
		return err
	})
	porttest.OK(t, lambda.NewFunctionActiveV2Waiter(client, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	}).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &fn.Name}, time.Minute))
	deliver := c.Name + "-" + queue.Deliver
	for _, name := range []string{deliver, queue.Dead(deliver)} {
		source, err := client.CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{
			FunctionName: &fn.Name, EventSourceArn: aws.String(queueARN(cfg, name)), BatchSize: aws.Int32(int32(f.Batch)),
			FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures},
		})
		porttest.OK(t, err)
		awstest.Cleanup(t, func(ctx context.Context) error {
			_, err := client.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: source.UUID})
			return err
		})
	}
	return fn
}

// zipped builds a main as a function's package.
func zipped(t testing.TB, main string) []byte {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-ldflags=-s -w", "-o", binary, main)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", main, err, out)
	}
	b, err := os.ReadFile(binary)
	porttest.OK(t, err)
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	in, err := w.CreateHeader(header)
	porttest.OK(t, err)
	_, err = io.Copy(in, bytes.NewReader(b))
	porttest.OK(t, err)
	porttest.OK(t, w.Close())
	return z.Bytes()
}

// PIDs are those of the function's processes on this machine.
func (f *Function) PIDs() (pids []int) {
	f.t.Helper()
	all, err := os.ReadDir("/proc")
	porttest.OK(f.t, err)
	for _, p := range all {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", p.Name(), "environ"))
		if err == nil && strings.Contains("\x00"+string(env)+"\x00", "\x00AWS_LAMBDA_FUNCTION_NAME="+f.Name+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}
