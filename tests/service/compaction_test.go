//go:build !localstack

package service_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/tests/world"
)

// The service makes snapshots by itself, and reads the account from them after a restart.
func TestAnAccountIsCompactedWhileItIsUsed(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	w := world.Start(t, world.Config{Data: data})
	c := loginIMAP(t, w, world.Alice)
	const mails = 70
	for n := range mails {
		text := fmt.Sprintf("Subject: mail %d\r\n\r\nbody %d\r\n", n, n)
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
	}
	until(t, "the account is compacted", func() bool { return strings.Contains(w.Log.String(), "msg=compacted") })
	if list, err := w.Ports.Blobs.List(t.Context(), "s/", "", blob.MaxPage); err != nil || len(list) != 1 {
		t.Errorf("snapshots %v, %v", list, err)
	}
	w.Stop()
	w = world.Start(t, world.Config{Data: data})
	got := mailbox(t, w, world.Alice)
	if len(got) != mails {
		t.Fatalf("%d messages", len(got))
	}
	for n, text := range got {
		if want := fmt.Sprintf("Subject: mail %d\r\n\r\nbody %d\r\n", n, n); text != want {
			t.Errorf("message %d is %q", n, text)
		}
	}
}
