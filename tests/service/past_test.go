//go:build !localstack

package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/tests/world"
)

// A user moves mail around and deletes it; an administrator brings it back, and the user's
// client, which is still connected, sees it come.
func TestDeletedMailIsRestored(t *testing.T) {
	w := world.Start(t, world.Config{})
	c := loginIMAP(t, w, world.Alice)
	for n := range 5 {
		text := fmt.Sprintf("Subject: mail %d\r\n\r\nbody %d\r\n", n, n)
		put := c.Append("INBOX", int64(len(text)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
		if _, err := put.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := put.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := put.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	want := mailbox(t, w, world.Alice)
	at := moment(t)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.UIDSetNum(1, 2), "Archive").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Store(imap.UIDSetNum(3, 4, 5), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expunge().Collect(); err != nil {
		t.Fatal(err)
	}
	if got := mailbox(t, w, world.Alice); len(got) != 0 {
		t.Fatalf("%d messages are left", len(got))
	}

	told := w.Godwit("account", "history", world.Alice, "--subjects", "--since", at)
	for _, line := range []string{"moved", "Archive", "mail 0, mail 1", `\Deleted`, "expunged", "imap"} {
		if !strings.Contains(told, line) {
			t.Errorf("the history does not tell %q:\n%s", line, told)
		}
	}
	if told := w.Godwit("account", "history", world.Alice, "--since", at); strings.Contains(told, "mail 0") {
		t.Error("the history tells subjects that were not asked for")
	}

	plan := w.Godwit("account", "restore", world.Alice, "--at", at, "--exact", "--dry-run")
	if got := w.Godwit("account", "restore", world.Alice, "--at", at, "--exact"); got != plan {
		t.Errorf("said\n%sand did\n%s", plan, got)
	}
	got := mailbox(t, w, world.Alice)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("restored %q, want %q", got, want)
	}
	if err := c.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	if n := c.Mailbox().NumMessages; n != 5 {
		t.Errorf("who is connected sees %d messages", n)
	}
	status, err := c.Status("Archive", &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil || *status.NumMessages != 0 {
		t.Errorf("Archive: %+v, %v", status, err)
	}
	w.Godwit("account", "restore", world.Alice, "--at", at, "--mailbox", "INBOX", "--into", "Rescued")
	status, err = c.Status("Rescued", &imap.StatusOptions{NumMessages: true, NumUnseen: true}).Wait()
	if err != nil || *status.NumMessages != 5 || *status.NumUnseen != 0 {
		t.Errorf("Rescued: %+v, %v", status, err)
	}
}

// moment gives a time between what was done and what will be.
func moment(t *testing.T) string {
	at := time.Now()
	until(t, "time goes on", func() bool { return time.Since(at) > 20*time.Millisecond })
	return at.Add(10 * time.Millisecond).UTC().Format(time.RFC3339Nano)
}

// An account that was deleted comes back with its mail and its password.
func TestADeletedAccountIsUndeleted(t *testing.T) {
	w := world.Start(t, world.Config{})
	c := loginIMAP(t, w, world.Alice)
	text := "Subject: kept\r\n\r\nbody\r\n"
	put := c.Append("INBOX", int64(len(text)), nil)
	if _, err := put.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := put.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := put.Wait(); err != nil {
		t.Fatal(err)
	}
	w.Godwit("account", "delete", world.Alice)
	_, domain, _ := strings.Cut(world.Alice, "@")
	if list := w.Godwit("account", "deleted", domain); !strings.Contains(list, world.Alice) {
		t.Errorf("deleted accounts:\n%s", list)
	}
	w.Godwit("account", "undelete", world.Alice)
	if got := mailbox(t, w, world.Alice); len(got) != 1 || got[0] != text {
		t.Errorf("it has %q", got)
	}
	if list := w.Godwit("account", "deleted", domain); strings.Contains(list, world.Alice) {
		t.Errorf("deleted accounts:\n%s", list)
	}
}
