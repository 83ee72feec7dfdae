//go:build !localstack

package service_test

import (
	"bytes"
	"context"
	"fmt"
	"net/smtp"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/cli"
	"github.com/godwit-mail/godwit/tests/world"
)

// command runs a command that needs no API.
func command(t *testing.T, want int, words ...string) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code := cli.Main(cli.Process{Args: words, Env: []string{"GOMAXPROCS=2"}, In: strings.NewReader(""), Out: &o, Err: &e,
		Stop: func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }})
	if code != want {
		t.Fatalf("godwit %s: exit code %d, want %d: %s", strings.Join(words, " "), code, want, &e)
	}
	return o.String(), e.String()
}

// sendPlain sends a message without TLS.
func sendPlain(address, from, to, body string) error {
	c, err := smtp.Dial(address)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Mail(from)
	if err == nil {
		err = c.Rcpt(to)
	}
	if err != nil {
		return err
	}
	data, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write([]byte(body)); err != nil {
		return err
	}
	if err := data.Close(); err != nil {
		return err
	}
	return c.Quit()
}

func TestABackupBesideARunningServiceIsRestoredElsewhere(t *testing.T) {
	w := world.Start(t, world.Config{})
	w.Godwit("import", world.Alice, writeArchive(t, archive.Maildir, moved()))
	at := filepath.Join(t.TempDir(), "backup")
	ended := make(chan error, 1)
	stop := make(chan struct{})
	begun := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			body := fmt.Sprintf("Subject: mail %d\r\n\r\nwhile a backup runs\r\n", n)
			if err := sendPlain(w.Address("smtp"), "a@example.org", world.Bob, body); err != nil {
				ended <- err
				return
			}
			if n == 2 {
				close(begun)
			}
		}
	}()
	select {
	case <-begun:
	case err := <-ended:
		t.Fatal(err)
	}
	for range 3 {
		command(t, 0, "backup", at, "--data", w.Data)
		if out, _ := command(t, 0, "backup", "verify", at); !strings.Contains(out, "all is right") {
			t.Errorf("verify says %q", out)
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	_, errs := command(t, 1, "restore-from", at, "--data", w.Data)
	if !strings.Contains(errs, "is in use by") {
		t.Errorf("a restore into a folder that is served says %q", errs)
	}
	alice := mailboxes(t, w, world.Alice)
	w.Stop()
	command(t, 0, "backup", at, "--data", w.Data)
	if out, _ := command(t, 0, "backup", "list", at); strings.Count(out, "\n") != 5 {
		t.Errorf("list says %q", out)
	}
	elsewhere := filepath.Join(t.TempDir(), "data")
	if out, _ := command(t, 0, "restore-from", at, "--data", elsewhere, "--dry-run"); !strings.Contains(out, "2 accounts would be restored") {
		t.Errorf("the dry run says %q", out)
	}
	if out, _ := command(t, 0, "restore-from", at, "--data", elsewhere); !strings.Contains(out, "2 accounts restored") {
		t.Errorf("the restore says %q", out)
	}
	command(t, 0, "restore-from", at, "--data", elsewhere, "--account", world.Alice, "--as", "old.alice@demo.test")
	command(t, 1, "restore-from", at, "--data", elsewhere, "--account", world.Alice)
	restored := world.Start(t, world.Config{Data: elsewhere})
	for _, user := range []string{world.Alice, "old.alice@demo.test"} {
		if d := cmp.Diff(alice, mailboxes(t, restored, user)); d != "" {
			t.Errorf("%s differs (-want +got):\n%.2000s", user, d)
		}
	}
	bob := mailboxes(t, restored, world.Bob)["INBOX"]
	for i := range 3 {
		if !strings.Contains(strings.Join(bob, ""), fmt.Sprintf(`Subject: mail %d\r`, i)) {
			t.Errorf("mail %d is missing", i)
		}
	}
}

func TestMistakesWithBackups(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"backup", 2, "takes DEST"},
		{"backup " + none + " --data " + none, 1, "there is no service in data folder"},
		{"backup list " + none, 1, "there is no backup in folder"},
		{"backup verify ftp://somewhere", 1, "neither a folder nor s3://"},
		{"backup verify s3://bucket/UPPER", 1, "a prefix is of a-z"},
		{"restore-from " + none + " --account a@x.test --domain x.test", 2, "not both"},
		{"restore-from " + none + " --as a@x.test", 2, "not both"},
	} {
		if _, errs := command(t, c.code, strings.Fields(c.args)...); !strings.Contains(errs, c.want) {
			t.Errorf("godwit %s: %q, want %q", c.args, errs, c.want)
		}
	}
}
