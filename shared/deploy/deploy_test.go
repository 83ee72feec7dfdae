package deploy_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/deploy"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	planned  = `{"type":"planned_change","change":{"resource":{"addr":"module.queues.aws_sqs_queue.deliver"},"action":"create"}}`
	replaced = `{"type":"planned_change","change":{"resource":{"addr":"aws_iam_policy.gateways"},"action":"replace"}}`
	read     = `{"type":"planned_change","change":{"resource":{"addr":"data.aws_region.current"},"action":"read"}}`
	refused  = `{"type":"diagnostic","diagnostic":{"severity":"error","summary":"creating SQS Queue","detail":"no\n  permission","address":"module.queues.aws_sqs_queue.deliver"}}`
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPlanTellsWhatIsToBeDone(t *testing.T) {
	vars := filepath.Join(t.TempDir(), "some.tfvars")
	ok(t, os.WriteFile(vars, nil, 0o600))
	w := newWorld(t, deploy.Config{Vars: map[string]string{"region": "eu-west-1", "name": "mail"}, VarFiles: []string{vars}})
	ok(t, w.Prepare(t.Context()))
	w.says(t, "plan", 2, planned, replaced, read, "no JSON")
	p, err := w.Plan(t.Context(), false)
	ok(t, err)
	create, update, remove := p.Count()
	if p.Empty || len(p.Changes) != 2 || create != 2 || update != 0 || remove != 1 {
		t.Errorf("plan: %+v", p)
	}
	told := w.told(t, "plan")
	if len(told) != 1 || !strings.Contains(told[0], "-var-file="+vars) || !strings.Contains(told[0], "-var name=mail -var region=eu-west-1") ||
		strings.Contains(told[0], "-destroy") || !strings.Contains(told[0], "-input=false") {
		t.Errorf("told %q", told)
	}
	w.says(t, "plan", 0)
	if p, err = w.Plan(t.Context(), true); err != nil || !p.Empty {
		t.Errorf("plan: %+v, %v", p, err)
	}
	if told := w.told(t, "plan"); len(told) != 2 || !strings.Contains(told[1], "-destroy") {
		t.Errorf("told %q", told)
	}
}

func TestWhatTerraformRefusesIsTheError(t *testing.T) {
	w := newWorld(t, deploy.Config{})
	ok(t, w.Prepare(t.Context()))
	w.says(t, "apply", 1,
		`{"type":"apply_start","hook":{"resource":{"addr":"module.queues.aws_sqs_queue.deliver"},"action":"create"}}`,
		`{"type":"apply_errored","hook":{"resource":{"addr":"module.queues.aws_sqs_queue.deliver"},"action":"create","elapsed_seconds":2}}`, refused)
	err := w.Apply(t.Context())
	if !kinds.Is(err, kinds.Unavailable) || !strings.Contains(err.Error(), "module.queues.aws_sqs_queue.deliver: creating SQS Queue: no permission") {
		t.Errorf("error: %v", err)
	}
	want := []deploy.Event{
		{What: deploy.Started, Resource: "module.queues.aws_sqs_queue.deliver", Action: "create"},
		{What: deploy.Failed, Resource: "module.queues.aws_sqs_queue.deliver", Action: "create", Took: 2 * time.Second},
	}
	if !slices.Equal(w.events, want) {
		t.Errorf("events %+v", w.events)
	}
	w.says(t, "plan", 1)
	if _, err := w.Plan(t.Context(), false); err == nil || !strings.Contains(err.Error(), "Error: on its own") || strings.Contains(err.Error(), "│") {
		t.Errorf("error: %v", err)
	}
}

func TestTerraformIsMadeReadyOnceForTheSameFiles(t *testing.T) {
	w := newWorld(t, deploy.Config{})
	inits := func(want int, after string) {
		t.Helper()
		ok(t, w.Prepare(t.Context()))
		if n := len(w.told(t, "init")); n != want {
			t.Errorf("%s: init ran %d times, want %d", after, n, want)
		}
	}
	inits(1, "at first")
	inits(1, "again")
	ok(t, os.WriteFile(filepath.Join(w.folder, "backend.tf"), []byte("# elsewhere"), 0o600))
	inits(2, "with a backend")
	w.says(t, "plan", 1)
	if _, err := w.Plan(t.Context(), false); err == nil {
		t.Error("the plan has passed")
	}
	inits(3, "after a plan that failed")
}

func TestAStopLetsTerraformEnd(t *testing.T) {
	w := newWorld(t, deploy.Config{})
	ok(t, w.Prepare(t.Context()))
	ok(t, os.WriteFile(filepath.Join(w.folder, "apply.says"), []byte("wait\n"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Apply(ctx) }()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for running := false; !running; {
		select {
		case <-tick.C:
			_, err := os.Stat(filepath.Join(w.folder, "waiting"))
			running = err == nil
		case <-late:
			t.Fatal("Terraform has not begun")
		}
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("error: %v", err)
	}
}

func TestOutputsAreReadFromTheState(t *testing.T) {
	w := newWorld(t, deploy.Config{})
	if _, err := w.Outputs(t.Context()); !kinds.Is(err, kinds.NotFound) {
		t.Errorf("before a deployment: %v", err)
	}
	ok(t, w.Prepare(t.Context()))
	w.says(t, "output", 0, `{}`)
	if _, err := w.Outputs(t.Context()); !kinds.Is(err, kinds.NotFound) {
		t.Errorf("after it was destroyed: %v", err)
	}
	w.says(t, "output", 0, `{"name":{"value":"mail"},"bucket":{"value":"blobs"},"key":{"value":"arn:k"},"region":{"value":"eu-west-1"},"endpoint":{"value":""},"days":{"value":7}}`)
	out, err := w.Outputs(t.Context())
	ok(t, err)
	if !slices.Equal(out.Names(), []string{"bucket", "days", "endpoint", "key", "name", "region"}) || out["days"] != "7" {
		t.Errorf("outputs %v", out)
	}
	if env := out.Environment(); !slices.Equal(env, []string{"GODWIT_AWS_NAME=mail", "GODWIT_AWS_BUCKET=blobs", "GODWIT_AWS_KEY=arn:k", "AWS_REGION=eu-west-1"}) {
		t.Errorf("environment %q", env)
	}
}

func TestWhatIsMissingIsSaidBeforeAnythingIsDone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "mail")
	w := newWorld(t, deploy.Config{})
	if _, err := deploy.New(deploy.Config{Folder: folder, VarFiles: []string{"absent.tfvars"}}); !kinds.Is(err, kinds.Invalid) || !strings.Contains(err.Error(), "absent.tfvars") {
		t.Errorf("without its variables: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := deploy.New(deploy.Config{Folder: folder}); !kinds.Is(err, kinds.Invalid) || !strings.Contains(err.Error(), "install") {
		t.Errorf("without Terraform: %v", err)
	}
	for _, f := range []string{folder, w.folder} {
		if _, err := os.Stat(f); err == nil {
			t.Errorf("%s is there", f)
		}
	}
}
