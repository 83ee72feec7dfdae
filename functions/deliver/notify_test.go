package deliver_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	mail "github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// shelves keep blobs.
type shelves struct {
	blob.Driver
	mu   sync.Mutex
	kept map[string][]byte
	fail error
}

func (s *shelves) Put(_ context.Context, name string, body io.ReaderAt, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	b := make([]byte, size)
	_, err := body.ReadAt(b, 0)
	s.kept[name] = b
	return err
}

func (s *shelves) Open(_ context.Context, name string, off, n int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return io.NopCloser(strings.NewReader(string(s.kept[name][off : off+n]))), nil
}

// noted is a job of which the sender wants to know when ann has it at two addresses, and the
// group of which bob is the first.
func noted(t *testing.T, blobs blob.Store, sender account.Ref) *delivery.Job {
	t.Helper()
	const text = "Subject: hi\r\n\r\nhello\r\n"
	ref, err := blobs.Put(t.Context(), "m/t/1", blob.Header{}, strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	scanner := mail.NewScanner()
	_, _ = scanner.Write([]byte(text))
	sum := scanner.Finish()
	j := newJob("tx", "ann", "bob", "carol")
	j.From, j.Blob, j.Summary, j.Trace = "joe@acme.test", ref, sum.Encode(), []byte("Received: x\r\n")
	j.Notify = &delivery.Notify{Host: "us.test", Account: sender, Seen: 7, EnvID: "id"}
	j.Recipients[0].Tell = []delivery.Tell{{Address: "ann@acme.test"}, {Address: "sales@acme.test", Origin: "rfc822;old@acme.test"}}
	j.Recipients[1].Tell = []delivery.Tell{{Address: "team@acme.test", Expanded: true}}
	return j
}

func TestWhoAsksIsToldOfDeliveriesOnce(t *testing.T) {
	w := newWorld()
	disk := &shelves{kept: map[string][]byte{}}
	w.Blobs = blob.Store{Driver: disk}
	joe := account.Ref{ID: "joe", Epoch: 1, Tenant: "t"}
	msg := first(t, noted(t, w.Blobs, joe))
	// Of what is not delivered, and what can't be told, nothing is told; it comes again.
	w.boxes.fail = func(id account.ID, _ []account.Add) error {
		if id == "bob" {
			return kinds.Errorf(kinds.Conflict, "busy")
		}
		return nil
	}
	disk.fail = kinds.Errorf(kinds.Unavailable, "no disk")
	if errs := w.Handle(t.Context(), []queue.Received{msg}); errs[0] != nil || len(w.boxes.got["ann"]) != 1 {
		t.Fatal(errs)
	}
	w.boxes.fail, disk.fail = nil, nil
	again := w.lines.sent
	w.lines.sent = nil
	for i := range again {
		// Each job that is left comes twice.
		for range 2 {
			if errs := w.Handle(t.Context(), []queue.Received{{ID: "again", Group: "demo", Body: again[i].Body}}); errs[0] != nil {
				t.Fatal(errs)
			}
		}
	}
	told := map[string]string{}
	for _, m := range w.lines.sent {
		j, err := delivery.Decode(m.Body)
		if err != nil {
			t.Fatal(err)
		}
		if j.From != "" || len(j.Recipients) != 1 || j.Recipients[0].Account != joe || j.Recipients[0].Seen != 7 || j.Recipients[0].Address != "joe@acme.test" {
			t.Errorf("a notification of %q for %+v", j.From, j.Recipients)
		}
		told[j.Transaction] = read(t, w.Blobs, j.Blob)
	}
	all := ""
	for _, text := range told {
		all += text
	}
	if len(told) != 2 || len(w.lines.sent) != 4 {
		t.Errorf("%d notifications of %d names", len(w.lines.sent), len(told))
	}
	for _, want := range []string{"Final-Recipient: rfc822; ann@acme.test\r\nAction: delivered\r\n", "Original-Recipient: rfc822;old@acme.test\r\nFinal-Recipient: rfc822; sales@acme.test\r\nAction: delivered\r\n",
		"Final-Recipient: rfc822; team@acme.test\r\nAction: expanded\r\n", "Original-Envelope-Id: id\r\n", "\r\nReceived: x\r\nSubject: hi\r\n"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "carol") || strings.Contains(all, "hello") {
		t.Errorf("told of more than was asked for:\n%s", all)
	}
}

func TestASenderElsewhereIsToldByMail(t *testing.T) {
	w := newWorld()
	w.Blobs = blob.Store{Driver: &shelves{kept: map[string][]byte{}}}
	j := noted(t, w.Blobs, account.Ref{})
	j.From, j.Recipients = "joe@far.test", j.Recipients[:1]
	for range 2 {
		if errs := w.Handle(t.Context(), []queue.Received{first(t, j)}); errs[0] != nil {
			t.Fatal(errs)
		}
	}
	if len(w.shelf.kept) != 1 {
		t.Fatalf("%d mails", len(w.shelf.kept))
	}
	for _, r := range w.shelf.kept {
		var m spool.Mail
		if err := cbor.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		if m.Kind != spool.Notification || m.From != "" || m.To[0].Address != "joe@far.test" || m.To[0].Notify != "NEVER" || !strings.Contains(read(t, w.Blobs, m.Blob), "ann@acme.test\r\nAction: delivered") {
			t.Errorf("%+v", m)
		}
	}
}

// first is a job as it comes for the first time.
func first(t *testing.T, j *delivery.Job) queue.Received { return message(t, "m1", j) }

func read(t *testing.T, blobs blob.Store, ref blob.Ref) string {
	t.Helper()
	r, err := blobs.Open(t.Context(), ref, 0, ref.Size)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheSendersOwnCopyIsReadAndHasBcc(t *testing.T) {
	w := newWorld()
	j := newJob("tx-sent", "ann")
	j.Sent, j.Trace = true, []byte("Bcc: secret@far.test\r\n")
	for range 2 {
		if errs := w.Handle(t.Context(), []queue.Received{first(t, j)}); errs[0] != nil {
			t.Fatal(errs)
		}
	}
	got := w.boxes.got["ann"]
	if len(got) != 1 || got[0].Use != `\Sent` || got[0].Flags != account.Seen || string(got[0].Content.Head) != "Bcc: secret@far.test\r\n" {
		t.Errorf("%+v", got)
	}
}
