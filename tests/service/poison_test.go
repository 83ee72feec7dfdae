package service_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

// parkedJob is what 'godwit queue' tells of a job.
type parkedJob struct {
	ID, Tenant, Reason string
	Recipients         []string
}

// parked gives what 'godwit queue list' lists.
func parked(t *testing.T, w *world.World) []parkedJob {
	t.Helper()
	jobs, err := tryParked(w)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func tryParked(w *world.World) (jobs []parkedJob, err error) {
	out, err := w.TryGodwit("queue", "list", "--output=json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &jobs)
	}
	return jobs, err
}

// shows fails unless 'godwit queue show' tells what is wrong.
func shows(t *testing.T, w *world.World, j parkedJob, want ...string) {
	t.Helper()
	text := w.Godwit("queue", "show", j.ID)
	for _, word := range want {
		if !strings.Contains(text, word) {
			t.Errorf("'queue show' lacks %q:\n%s", word, text)
		}
	}
}

// has waits until so many mails are in the mailbox.
func has(t *testing.T, w *world.World, who string, mails int) {
	t.Helper()
	d := w.Dialog()
	d.Vars["who"], d.Vars["mails"] = who, fmt.Sprint(mails)
	const script = `
eventually
c: tls_connect pop3s
c<... +OK
c-> USER ${who}
c<... +OK
c-> PASS ${password}
c<... +OK ${mails} messages
end
`
	if err := dialog.Play("has", script, d); err != nil {
		t.Errorf("%s: %v", who, err)
	}
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	within(t, time.Minute, what, is)
}

func within(t *testing.T, d time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !is(); <-time.After(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", d, what)
		}
	}
}

// What is no job, and a job for an account that is not there, is parked and shown; a retry
// delivers once the account is there again. The job that came with them is done.
func TestAPoisonJobIsParkedAndTriedAgain(t *testing.T) {
	w := world.New(t)
	accounts := account.New(account.Config{Journal: w.Ports.Journal, Notify: w.Ports.Notify, Blobs: blob.Store{Driver: w.Ports.Blobs}, Now: time.Now})
	lost := account.NewRef("demo") // its journal is, as after a restore that is not complete
	id, _ := w.Admin("GET", "/v1/accounts/"+world.Alice, "")["id"].(string)
	alice := account.Ref{ID: account.ID(id), Epoch: 1, Tenant: "demo"}
	message := func(body []byte) queue.Message { return queue.Message{Group: "demo", Body: body} }
	if err := w.Ports.Queue.Send(t.Context(), queue.Deliver, message([]byte("junk")), message(job(t, "lost", lost)), message(job(t, "alice", alice))); err != nil {
		t.Fatal(err)
	}
	has(t, w, world.Alice, 1)
	var jobs []parkedJob
	until(t, "two jobs are parked", func() bool { jobs = parked(t, w); return len(jobs) == 2 })
	junk, poison := jobs[0], jobs[1]
	if len(junk.Recipients) > 0 {
		junk, poison = poison, junk
	}
	shows(t, w, junk, "demo", "corrupt")
	shows(t, w, poison, "demo", "not-found", "lost@demo.test", "a@example.net")

	w.Godwit("queue", "drop", junk.ID)
	w.Godwit("queue", "retry", poison.ID)
	until(t, "it is parked again", func() bool { jobs = parked(t, w); return len(jobs) == 1 })
	if err := accounts.Create(t.Context(), lost, account.By{Actor: "restore"}); err != nil {
		t.Fatal(err)
	}
	w.Godwit("queue", "retry", jobs[0].ID)
	until(t, "the mail is delivered", func() bool {
		fresh := account.New(account.Config{Journal: w.Ports.Journal, Notify: w.Ports.Notify, Now: time.Now})
		head, err := fresh.Head(t.Context(), lost)
		if err != nil {
			t.Fatal(err)
		}
		return head.Standing.Totals.Messages == 1
	})
	has(t, w, world.Alice, 1)
	if jobs = parked(t, w); len(jobs) > 0 {
		t.Errorf("parked is %v", jobs)
	}
}

// job is a mail for accounts, as a gateway hands it over.
func job(t *testing.T, name string, accounts ...account.Ref) []byte {
	t.Helper()
	j := delivery.Job{Transaction: name, Correlation: name, Tenant: "demo", From: "a@example.net", Received: time.Now().UnixMilli(),
		Blob: blob.Ref{Name: "m/demo/x/" + name, Size: 10}, Summary: (&message.Summary{}).Encode(), Protocol: "smtp"}
	for _, a := range accounts {
		j.Recipients = append(j.Recipients, delivery.Recipient{Account: a, Address: name + "@demo.test"})
	}
	b, err := j.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A job that kills its function again and again ends among the dead letters, and they in
// the spool, where it is shown; a retry delivers once the cause is gone. Jobs that came
// with it are done.
func TestAJobThatKillsItsFunctionIsParkedAndTriedAgain(t *testing.T) {
	const killer = "killer@demo.test"
	w := world.NewFragile(t)
	w.Account(killer)
	id, _ := w.Admin("GET", "/v1/accounts/"+killer, "")["id"].(string)
	w.Kill(id)
	w.Hold()
	for _, to := range [][]string{{world.Alice}, {killer}, {world.Bob, world.Alice}} {
		mailTo(t, w.World, to...)
	}
	w.Release()
	w.Until("the job is parked", func() (bool, error) {
		jobs, err := tryParked(w.World)
		return len(jobs) > 0, err
	})
	w.Until("nothing is under way", w.Idle)
	jobs := parked(t, w.World)
	if len(jobs) != 1 || strings.Join(jobs[0].Recipients, " ") != killer {
		t.Fatalf("parked is %v", jobs)
	}
	shows(t, w.World, jobs[0], killer, "handed out too often")
	has(t, w.World, world.Alice, 2)
	has(t, w.World, world.Bob, 1)
	has(t, w.World, killer, 0)

	w.Mend()
	w.Godwit("queue", "retry", jobs[0].ID)
	has(t, w.World, killer, 1)
	if jobs = parked(t, w.World); len(jobs) > 0 {
		t.Errorf("parked is %v", jobs)
	}
}

// mailTo sends one mail in one transaction.
func mailTo(t *testing.T, w *world.World, to ...string) {
	t.Helper()
	say := []string{"220", "EHLO client.test", "250 ", "MAIL FROM:<a@example.net>", "250"}
	for _, who := range to {
		say = append(say, "RCPT TO:<"+who+">", "250")
	}
	open(t, w, "smtp", append(say, "DATA", "354", "Subject: poison\r\n\r\ntext\r\n.", "250", "QUIT", "221")...)
}
