//go:build localstack

package world

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/ports"
)

// root is the repository, as seen from the folders of tests.
const root = "../.."

// Deployed is a service that was made in the emulated cloud.
type Deployed struct {
	Config cloud.Config
	API    string // URL
	folder string
	flags  []string // of all verbs of 'godwit deploy' that change something
}

// Deploy makes a service under a random name, as a user does it. A job whose function has
// died comes again soon, and at most two batches are delivered at once, the least that
// AWS knows.
func Deploy() (_ *Deployed, err error) {
	d := &Deployed{Config: cloud.Config{Name: "test-" + strings.ToLower(rand.Text()[:12])}}
	if d.folder, err = os.MkdirTemp("", "godwit-deploy-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(d.folder)
		}
	}()
	functions := filepath.Join(d.folder, "functions")
	build := exec.Command("go", "run", "./shared/deploy/functions", "-arch", runtime.GOARCH, "-out", functions)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building functions: %w\n%s", err, out)
	}
	d.flags = []string{"--auto-approve", "--name", d.Config.Name, "--folder", filepath.Join(d.folder, "state"), "--functions", functions,
		"--var-file", filepath.Join(root, "infra", "localstack.tfvars"), "--var", "architecture=" + runtime.GOARCH, "--var", "api_account_log_role=false",
		"--var", "deliver_concurrency=2", "--var", "deliver_timeout=4", "--var", "deliver_visibility=4"}
	if _, err := godwit(append([]string{"deploy", "apply"}, d.flags...)...); err != nil {
		return nil, err
	}
	text, err := godwit("deploy", "output", "--json", "--name", d.Config.Name, "--folder", filepath.Join(d.folder, "state"))
	if err != nil {
		return nil, err
	}
	var out map[string]string
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, err
	}
	d.Config.Bucket, d.Config.Key, d.API = out["bucket"], out["key"], out["api_url"]
	return d, nil
}

// Destroy removes the service.
func (d *Deployed) Destroy() error {
	if _, err := godwit(append([]string{"deploy", "destroy"}, d.flags...)...); err != nil {
		return err
	}
	return os.RemoveAll(d.folder)
}

// settings are those of gateways. A gateway uses the whole time that it has to drain,
// as a balancer needs some to let go of it.
func (d *Deployed) settings() map[string]string {
	return map[string]string{"drain": "100ms", "aws-name": d.Config.Name, "aws-bucket": d.Config.Bucket, "aws-key": d.Config.Key}
}

// Fresh empties the directory and makes the demo in it, with new accounts at the old
// addresses, and a key of the service.
func (d *Deployed) Fresh(t *testing.T) (set ports.Set, key string) {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	fail(cloudtest.Clear(ctx, d.Config))
	opened, err := cloud.Open(ctx, d.Config)
	fail(err)
	accounts := account.New(account.Config{Journal: opened.Journal, Notify: opened.Notify, Blobs: blob.Store{Driver: opened.Blobs}, Now: time.Now})
	dir := directory.New(directory.Config{Records: opened.Records, Accounts: directory.Journals(accounts), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	scope := directory.ServiceScope("system")
	_, key, err = dir.CreateMailKey(ctx, scope, "", "", "tests")
	fail(err)
	_, err = dir.CreateTenant(ctx, scope, "demo")
	fail(err)
	_, err = dir.CreateDomain(ctx, scope, "demo", "demo.test")
	fail(err)
	for _, address := range []string{Alice, Bob} {
		_, err = dir.CreateAccount(ctx, scope, directory.NewAccount{Address: address, Password: Password})
		fail(err)
	}
	return opened.Set, key
}
