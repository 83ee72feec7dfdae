//go:build localstack

package service_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cli"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/tests/world"
)

// cloudCommand runs a command that works on the service in the cloud itself.
func cloudCommand(t *testing.T, w *world.World, want int, words ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(cli.Process{Args: words, Env: w.Env(), In: strings.NewReader(""), Out: &out, Err: &errs,
		Stop: func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }})
	if code != want {
		t.Fatalf("godwit %s: exit code %d, want %d: %s%s", strings.Join(words, " "), code, want, &out, &errs)
	}
	return out.String() + errs.String()
}

// says fails the test unless a command's words are among what it printed.
func says(t *testing.T, printed, words string) {
	t.Helper()
	if !strings.Contains(printed, words) {
		t.Errorf("it says %q, not %q", printed, words)
	}
}

// The service is backed up to S3 while it runs, again with what is new, and comes back from
// there under another name, and in a folder of another machine.
func TestABackupInS3IsRestoredInTheCloudAndElsewhere(t *testing.T) {
	w := world.New(t)
	w.Godwit("import", world.Alice, writeArchive(t, archive.Maildir, moved()))
	at := "s3://" + cloudtest.Bucket(t) + "/mail/demo"
	says(t, cloudCommand(t, w, 0, "backup", at), "run 1: 2 accounts")
	w.Godwit("import", world.Bob, writeArchive(t, archive.Maildir, moved()))
	says(t, cloudCommand(t, w, 0, "backup", at), "run 2: 1 accounts")
	says(t, cloudCommand(t, w, 0, "backup", at), "0 new entries and 0 new blobs")
	says(t, cloudCommand(t, w, 0, "backup", "verify", at), "all is right, up to run 3")
	if list := cloudCommand(t, w, 0, "backup", "list", at); strings.Count(list, "\n") != 4 {
		t.Errorf("list says %q", list)
	}
	alice := mailboxes(t, w, world.Alice)
	says(t, cloudCommand(t, w, 1, "restore-from", at, "--account", world.Alice), world.Alice)
	says(t, cloudCommand(t, w, 0, "restore-from", at, "--account", world.Alice, "--as", "again@demo.test"), "1 accounts restored")
	if diff := cmp.Diff(alice, mailboxes(t, w, "again@demo.test")); diff != "" {
		t.Errorf("in the cloud: %s", diff)
	}
	bob := mailboxes(t, w, world.Bob)
	elsewhere := filepath.Join(t.TempDir(), "data")
	says(t, cloudCommand(t, w, 0, "restore-from", at, "--data", elsewhere), "2 accounts restored")
	here := world.Start(t, world.Config{Data: elsewhere})
	for user, want := range map[string]map[string][]string{world.Alice: alice, world.Bob: bob} {
		if diff := cmp.Diff(want, mailboxes(t, here, user)); diff != "" {
			t.Errorf("%s on another machine: %s", user, diff)
		}
	}
}

// check --aws finds a snapshot and a blob that are gone, and has the snapshot made anew.
func TestTheServiceInTheCloudIsCheckedWhileItRuns(t *testing.T) {
	w := world.New(t)
	w.Godwit("import", world.Alice, writeArchive(t, archive.Maildir, moved()))
	id, _ := w.Admin("GET", "/v1/accounts/"+world.Alice, "")["id"].(string)
	alice := account.Ref{ID: account.ID(id), Epoch: 1, Tenant: "demo"}
	_, err := account.New(account.Config{Journal: w.Ports.Journal, Blobs: blob.Store{Driver: w.Ports.Blobs}}).Compact(t.Context(), alice, true)
	ok(t, err)
	before := mailboxes(t, w, world.Alice)
	says(t, cloudCommand(t, w, 0, "check", "--aws", "--deep"), "accounts:")
	snapshots, err := w.Ports.Blobs.List(t.Context(), "s/demo/"+id, "", blob.MaxPage)
	if err != nil || len(snapshots) != 1 {
		t.Fatalf("snapshots %v, %v", snapshots, err)
	}
	ok(t, w.Ports.Blobs.Delete(t.Context(), snapshots[0].Name))
	says(t, cloudCommand(t, w, 1, "check", world.Alice, "--aws"), snapshots[0].Name)
	says(t, cloudCommand(t, w, 0, "check", world.Alice, "--aws", "--repair"), "repaired accounts:  1")
	says(t, cloudCommand(t, w, 0, "check", "--aws", "--deep"), "accounts:")
	if diff := cmp.Diff(before, mailboxes(t, w, world.Alice)); diff != "" {
		t.Errorf("after the repair: %s", diff)
	}
	blobs, err := w.Ports.Blobs.List(t.Context(), blob.Messages+"demo/", "", blob.MaxPage)
	ok(t, err)
	var lost string
	for _, b := range blobs { // those of other tests belong to accounts that are no more
		h, err := blob.Store{Driver: w.Ports.Blobs}.ReadHeader(t.Context(), b.Name)
		ok(t, err)
		if len(h.Owners) > 0 && h.Owners[0] == id {
			lost = b.Name
		}
	}
	ok(t, w.Ports.Blobs.Delete(t.Context(), lost))
	says(t, cloudCommand(t, w, 1, "check", world.Alice, "--aws"), lost)
}
