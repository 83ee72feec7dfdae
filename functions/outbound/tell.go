package outbound

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dsn"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// tell notifies the sender of those of whom it was noted that they failed, and once of
// those that are delayed. What is told is what the record says, so that when this dies
// before it has noted that it told, the notification is the same, and comes once.
func (s *Step) tell(ctx context.Context, m *spool.Mail) error {
	var failed, delayed []*spool.Recipient
	for i := range m.To {
		switch r := &m.To[i]; {
		case r.State == spool.Failed && !r.Told:
			failed = append(failed, r)
		case r.State == spool.Open && r.Tries > 0, r.State == spool.Held:
			delayed = append(delayed, r)
		}
	}
	warn := len(delayed) > 0 && !m.Warned && s.Now().Sub(time.UnixMilli(m.AcceptedMS)) >= spool.WarnAfter
	if !warn {
		delayed = nil
	}
	if len(failed) == 0 && len(delayed) == 0 {
		return nil
	}
	if m.From != "" && m.Sender.ID != "" { // no notification of a notification: RFC 5321, section 6.1
		if err := s.notify(ctx, m, failed, delayed); err != nil {
			return err
		}
	}
	for _, r := range failed {
		r.Told = true
	}
	m.Warned = m.Warned || warn
	return s.Spool.Note(ctx, m)
}

// notify puts a notification on its way to the sender's account.
func (s *Step) notify(ctx context.Context, m *spool.Mail, failed, delayed []*spool.Recipient) error {
	head, err := s.header(ctx, m)
	if err != nil {
		return err
	}
	name := notification(m, failed, delayed)
	report := dsn.Report{Host: s.Host, To: m.From, ID: name, Now: s.Now(), Arrived: time.UnixMilli(m.AcceptedMS), EnvID: m.EnvID, Header: head, UTF8: m.UTF8}
	for _, r := range failed {
		report.Of = append(report.Of, dsn.Recipient{Address: r.Address, Origin: r.Origin, Action: dsn.Failed, Status: permanent(r.Status), Host: r.Host, Said: r.Said})
	}
	for _, r := range delayed {
		report.Of = append(report.Of, dsn.Recipient{Address: r.Address, Origin: r.Origin, Action: dsn.Delayed, Status: r.Status, Host: r.Host, Said: r.Said, Until: time.UnixMilli(m.ExpiresMS)})
	}
	return s.deliver(ctx, m, name, report.Compose())
}

// permanent is the status of what was tried until its time was over.
func permanent(status string) string {
	if rest, ok := strings.CutPrefix(status, "4."); ok {
		return "5." + rest
	}
	return status
}

// header gives the header section of the message, as far as it is returned.
func (s *Step) header(ctx context.Context, m *spool.Mail) ([]byte, error) {
	if m.HeaderLen == 0 {
		return m.Head, nil
	}
	b, err := s.section(ctx, m, min(m.HeaderLen, dsn.MaxReturned))
	if err != nil {
		if kinds.Is(err, kinds.NotFound) {
			return m.Head, nil // the message is gone, its fate can still be told
		}
		return nil, err
	}
	return append(m.Head[:len(m.Head):len(m.Head)], bytes.TrimSuffix(b, []byte("\r\n\r\n"))...), nil
}

// notification names a notification by the mail and of whom it tells.
func notification(m *spool.Mail, failed, delayed []*spool.Recipient) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%t\x00", m.ID, len(delayed) > 0)
	for _, r := range failed {
		fmt.Fprintf(h, "%s\x00", r.Address)
	}
	return hex.EncodeToString(h.Sum(nil)[:13])
}

// deliver hands a notification to the delivery of the sender's account.
func (s *Step) deliver(ctx context.Context, m *spool.Mail, name string, text []byte) error {
	scanner := message.NewScanner()
	_, _ = scanner.Write(text)
	sum := scanner.Finish()
	ref, err := s.Blobs.Put(ctx, blob.NewName(m.Tenant, s.Now()), blob.Header{Owners: []string{string(m.Sender.ID)}}, bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	job := delivery.Job{Transaction: name, Correlation: m.Correlation, Tenant: m.Tenant, Received: s.Now().UnixMilli(), Blob: ref, Summary: sum.Encode(),
		Trace:  []byte("Received: by " + s.Host + " id " + name + ";\r\n\t" + s.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700") + "\r\n"),
		Thread: []string{sum.Thread.MessageID, "", ""}, Protocol: "outbound",
		Recipients: []delivery.Recipient{{Account: m.Sender, Address: m.From, Seen: m.Seen}}}
	body, err := job.Encode()
	if err != nil {
		return err
	}
	return s.Queue.Send(ctx, queue.Deliver, queue.Message{Group: m.Tenant, Body: body})
}
