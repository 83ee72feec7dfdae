//go:build localstack

package deploy_test

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/infra"
	"github.com/godwit-mail/godwit/shared/deploy"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// functions makes zips that can be deployed; nobody calls them.
func functions(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range []string{"deliver-amd64.zip", "api-amd64.zip", "compact-amd64.zip", "sweep-amd64.zip", "outbound-amd64.zip"} {
		f, err := os.Create(filepath.Join(folder, name))
		ok(t, err)
		z := zip.NewWriter(f)
		w, err := z.Create("bootstrap")
		ok(t, err)
		_, err = w.Write([]byte("#!/bin/sh\n"))
		ok(t, err)
		ok(t, z.Close())
		ok(t, f.Close())
	}
	return folder
}

func TestADeploymentComesAndGoes(t *testing.T) {
	t.Parallel()
	region := awstest.Config(t).Region // says when there is no LocalStack
	name := awstest.Name("mail")
	started := map[string]bool{}
	folder := filepath.Join(t.TempDir(), name)
	d, err := deploy.New(deploy.Config{
		Files: infra.Files, Folder: folder, Env: os.Environ(),
		Vars: map[string]string{
			"name": name, "region": region, "endpoint": os.Getenv("AWS_ENDPOINT_URL"), "functions": functions(t),
		},
		VarFiles: []string{filepath.Join("..", "..", "infra", "localstack.tfvars")},
		Tell:     func(e deploy.Event) { started[e.What] = true },
	})
	ok(t, err)
	ctx := t.Context()
	ok(t, d.Prepare(ctx))
	plan, err := d.Plan(ctx, false)
	ok(t, err)
	if create, update, remove := plan.Count(); plan.Empty || create < 30 || update+remove > 0 {
		t.Errorf("the first plan makes %d, changes %d, removes %d", create, update, remove)
	}
	ok(t, d.Apply(ctx))
	out, err := d.Outputs(ctx)
	ok(t, err)
	if out["journal_table"] != name+"-journal" || !strings.HasPrefix(out["api_url"], os.Getenv("AWS_ENDPOINT_URL")) || !slices.Equal(out.Environment()[6:], []string{"GODWIT_HOSTNAME=localhost"}) {
		t.Errorf("outputs %v", out)
	}
	if !started[deploy.Started] || !started[deploy.Done] || !started[deploy.Waiting] {
		t.Errorf("told of %v only", started)
	}
	tagged(t, filepath.Join(folder, "terraform.tfstate"), name)

	if plan, err = d.Plan(ctx, false); err != nil || !plan.Empty {
		t.Errorf("what is there is to be changed: %+v, %v", plan, err)
	}
	plan, err = d.Plan(ctx, true)
	ok(t, err)
	if _, _, remove := plan.Count(); remove < 30 {
		t.Errorf("it removes %d", remove)
	}
	ok(t, d.Apply(ctx))
	if _, err := d.Outputs(ctx); !kinds.Is(err, kinds.NotFound) {
		t.Errorf("outputs after the end: %v", err)
	}
}

// tagged checks that costs can be told apart: each resource that can have tags has the
// service's.
func tagged(t *testing.T, state, name string) {
	t.Helper()
	b, err := os.ReadFile(state)
	ok(t, err)
	var s struct {
		Resources []struct {
			Mode, Type string
			Instances  []struct{ Attributes map[string]any }
		}
	}
	ok(t, json.Unmarshal(b, &s))
	var with []string
	for _, r := range s.Resources {
		for _, i := range r.Instances {
			tags, can := i.Attributes["tags_all"].(map[string]any)
			if !can || r.Mode != "managed" {
				continue
			}
			with = append(with, r.Type)
			if tags["godwit:service"] != name {
				t.Errorf("%s has the tags %v", r.Type, tags)
			}
		}
	}
	for _, kind := range []string{"aws_s3_bucket", "aws_dynamodb_table", "aws_sqs_queue", "aws_lambda_function", "aws_kms_key", "aws_api_gateway_stage"} {
		if !slices.Contains(with, kind) {
			t.Errorf("no %s has tags", kind)
		}
	}
}
