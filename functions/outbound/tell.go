package outbound

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dsn"
	"github.com/godwit-mail/godwit/shared/spool"
)

// fate is what the sender is told of a recipient.
type fate struct {
	*spool.Recipient
	action dsn.Action
}

// tell notifies the sender of those of whom it was noted that they failed, or went where
// nobody tells more of them, and once of those that are delayed. What is told is what the
// record says, so that when this dies before it has noted that it told, the notification is
// the same, and comes once.
func (s *Step) tell(ctx context.Context, m *spool.Mail) error {
	var due, delayed []fate // delayed are told once
	late := !m.Warned && s.Now().Sub(time.UnixMilli(m.AcceptedMS)) >= spool.WarnAfter
	for i := range m.To {
		switch r := &m.To[i]; {
		case r.Untold() && r.State == spool.Failed:
			due = append(due, fate{r, dsn.Failed})
		case r.Untold():
			// RFC 3461, section 5.2.2: a "relayed" DSN is issued where the next host has no DSN.
			due = append(due, fate{r, dsn.Relayed})
		case late && (r.State == spool.Open && r.Tries > 0 || r.State == spool.Held):
			delayed = append(delayed, fate{r, dsn.Delayed})
		}
	}
	if len(due)+len(delayed) == 0 {
		return nil
	}
	if of := wanted(m, slices.Concat(due, delayed)); m.From != "" && len(of) > 0 { // no notification of a notification: RFC 5321, section 6.1
		if err := s.notify(ctx, m, of); err != nil {
			return err
		}
	}
	failed := 0
	for _, f := range due {
		f.Told = true
		if f.action == dsn.Failed {
			failed++
		}
	}
	if m.Kind == spool.Submission && failed > 0 {
		if err := handover.CountFailed(ctx, s.Spool.Records, m.Tenant, string(m.Sender.ID), s.Now(), failed); err != nil {
			s.Log.Warn("cannot count who did not get an account's mail", "account", m.Sender.ID, "error", err)
		}
	}
	m.Warned = m.Warned || len(delayed) > 0
	return s.Spool.Note(ctx, m)
}

// wanted leaves out what the sender does not want to know. One elsewhere, who has sent it to an
// address of ours, hears of a delay only if he asked for it.
func wanted(m *spool.Mail, of []fate) []fate {
	words := map[dsn.Action]string{dsn.Failed: dsn.Failure, dsn.Relayed: dsn.Success, dsn.Delayed: dsn.Delay}
	return slices.DeleteFunc(of, func(f fate) bool {
		return !dsn.Wants(f.Notify, words[f.action]) || f.action == dsn.Delayed && m.Sender.ID == "" && f.Notify == ""
	})
}

// notify puts a notification on its way to the sender: to his account, if he is one of ours,
// else to his host.
func (s *Step) notify(ctx context.Context, m *spool.Mail, of []fate) error {
	name := notification(m, of)
	report := dsn.Report{Host: s.Host, To: m.From, ID: name, Now: s.Now(), Arrived: time.UnixMilli(m.AcceptedMS), EnvID: m.EnvID, UTF8: m.UTF8}
	for _, f := range of {
		r := f.about()
		switch f.action {
		case dsn.Failed:
			r.Status = permanent(f.Status)
			// RFC 3461, section 4.3: FULL asks for the message where delivery failed; else it is the header.
			// RFC 8689, section 5: of what had to stay encrypted, only the header is returned
			report.Full = m.Return == dsn.ReturnFull && !m.RequireTLS && m.HeaderLen > 0 && m.Blob.Size <= dsn.MaxFull
		case dsn.Delayed:
			r.Until = time.UnixMilli(m.ExpiresMS)
		}
		report.Of = append(report.Of, r)
	}
	var err error
	if report.Header, err = s.returned(ctx, m, &report.Full); err != nil {
		return err
	}
	if m.Sender.ID != "" {
		return s.deliver(ctx, m, name, report.Compose())
	}
	if why := silence(m, report.Header); why != "" {
		s.Log.Warn("of mail to another host the sender is not told", "message", m.Correlation, "tenant", m.Tenant, "kind", m.Kind, "why", why)
		return nil
	}
	return s.send(ctx, m, name, since(m, of), report.Compose())
}

// about is what is reported of a recipient. Of a forward it is what its sender knows: the
// address to which he wrote. Where that leads is its owner's business.
//
// RFC 3464, section 4.2: a message recipient can be autoforwarding messages but does not wish to divulge the address to which the messages are autoforwarded
func (f *fate) about() dsn.Recipient {
	r := dsn.Recipient{Address: f.Address, Origin: f.Origin, Action: f.action, Status: f.Status, Host: f.Host, Said: f.Said}
	if f.Alias != "" {
		r.Address, r.Host, r.Said = f.Alias, "", hide(f.Said, f.Address, f.Alias)
	}
	return r
}

// hide puts another address into a text wherever one stands, whatever its case.
func hide(text, addr, instead string) string {
	var b strings.Builder
	for len(text) >= len(addr) {
		if strings.EqualFold(text[:len(addr)], addr) {
			b.WriteString(instead)
			text = text[len(addr):]
			continue
		}
		b.WriteByte(text[0])
		text = text[1:]
	}
	return b.String() + text
}

// since is when there was first something to tell, which is the same whenever it is told.
func since(m *spool.Mail, of []fate) time.Time {
	at := m.AcceptedMS
	for _, f := range of {
		if f.action != dsn.Delayed {
			at = max(at, f.DueMS)
		}
	}
	return time.UnixMilli(at)
}

// permanent is the status of what was tried until its time was over.
func permanent(status string) string {
	if rest, ok := strings.CutPrefix(status, "4."); ok {
		return "5." + rest
	}
	return status
}

// returned gives what is returned of the message: its header section, or all of it.
func (s *Step) returned(ctx context.Context, m *spool.Mail, full *bool) ([]byte, error) {
	if m.HeaderLen == 0 {
		return m.Head, nil
	}
	n := min(m.HeaderLen, dsn.MaxReturned)
	if *full {
		n = m.Blob.Size
	}
	b, err := s.section(ctx, m, n)
	if kinds.Is(err, kinds.NotFound) { // the message is gone, its fate can still be told
		*full = false
		return m.Head, nil
	}
	if err != nil {
		return nil, err
	}
	if !*full {
		b = bytes.TrimSuffix(b, []byte("\r\n\r\n"))
	}
	return append(m.Head[:len(m.Head):len(m.Head)], b...), nil
}

// notification names a notification by the mail and of whom it tells.
func notification(m *spool.Mail, of []fate) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00", m.ID)
	delayed := false
	for _, f := range of {
		if f.action == dsn.Delayed { // who is may be others, when it is told again
			delayed = true
			continue
		}
		fmt.Fprintf(h, "%s %s\x00", f.action, f.Address)
	}
	fmt.Fprintf(h, "%t", delayed)
	return hex.EncodeToString(h.Sum(nil)[:13])
}

// deliver hands a notification to the delivery of the sender's account.
func (s *Step) deliver(ctx context.Context, m *spool.Mail, name string, text []byte) error {
	n := handover.Notice{Name: name, Correlation: m.Correlation, Account: m.Sender, Address: m.From, Seen: m.Seen, Text: text, Host: s.Host, Protocol: "outbound", At: s.Now()}
	return n.Send(ctx, s.Blobs, s.Queue)
}
