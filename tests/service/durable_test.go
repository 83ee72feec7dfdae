//go:build !localstack

package service_test

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/godwit-mail/godwit/shared/blob/files/filestest"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/tests/world"
)

// When a client reads 250, the file of its mail and each folder above it are synced, and
// the job is in the database for whoever opens it.
func TestFileFolderAndJobAreDurableBefore250(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	recorder := filestest.New(data)
	w := world.Start(t, world.Config{Data: data, Options: serve.Options{Files: recorder, Decorators: ports.Decorators{
		Queue: func(q queue.Driver) queue.Driver { return held{q} }, // jobs stay, to be counted
	}}})
	const mails = 12
	for n := range mails {
		body := strings.Repeat("a line of the mail\r\n", 1+n*n*500) // up to 1.2 MB: through memory, and over disk
		open(t, w, "smtp", "220", "EHLO client.test", "250 ", "MAIL FROM:<a@example.net>", "250", "RCPT TO:<"+world.Alice+">", "250",
			"RCPT TO:<"+world.Carol+">", "550", "DATA", "354", "Subject: durable\r\n\r\n"+body+".", "250")
		if files := durableFiles(t, recorder, filepath.Join(data, "blobs", "objects")); files != n+1 {
			t.Errorf("after %d mails there are %d files", n+1, files)
		}
		if jobs := jobsOnDisk(t, filepath.Join(data, "queue.db")); jobs != n+1 {
			t.Errorf("after %d mails there are %d jobs", n+1, jobs)
		}
	}
}

// durableFiles counts the files below dir, and fails the test for each that a power cut
// now would not leave as it is.
func durableFiles(t *testing.T, r *filestest.Recorder, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		return r.Durable(path)
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// jobsOnDisk counts jobs over a connection of its own.
func jobsOnDisk(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM queue_message WHERE queue = ?`, queue.Deliver).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
