package outbound

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// eventsFor is how long it is known of a mail that SES took who sent it.
const eventsFor = 14 * 24 * time.Hour

// HandleSES takes events of SES, as SNS puts them into a queue: of what bounced the sender is
// told, and addresses at which there is nobody, or whose owner has complained, are sent to no
// more. An event may come again.
func (s *Step) HandleSES(ctx context.Context, batch []queue.Received) []error {
	errs := make([]error, len(batch))
	for i := range batch {
		errs[i] = s.event(ctx, batch[i].Body)
	}
	return errs
}

func (s *Step) event(ctx context.Context, body []byte) error {
	e, err := parseSESEvent(body)
	if err != nil {
		s.Log.Error("an event of SES that can't be read", "error", err)
		return nil // it would be no better the next time
	}
	if e.kind == "" {
		return nil
	}
	tenant, _, ours := strings.Cut(e.mail, "/")
	if !ours {
		s.Log.Warn("an event of SES about mail that is not from here", "event", e.kind)
		return nil
	}
	m, err := s.Spool.Sent(ctx, e.mail)
	if kinds.Is(err, kinds.NotFound) {
		m, err = nil, nil // it is so late that nobody is told any more
	}
	if err != nil {
		return err
	}
	if e.kind == "complaint" || e.kind == "bounce" && e.permanent {
		for _, r := range e.of {
			reason := map[bool]string{true: spool.Complained, false: spool.Bounced}[e.kind == "complaint"]
			if err := s.Spool.Suppress(ctx, spool.Suppressed{Tenant: tenant, Address: r.address, Reason: reason, Said: r.said, AtMS: s.Now().UnixMilli()}); err != nil {
				return err
			}
		}
	}
	correlation := ""
	if m != nil {
		correlation = m.Correlation
	}
	s.Log.Info("mail came back from SES", "event", e.kind, "permanent", e.permanent, "tenant", tenant, "message", correlation, "recipients", len(e.of))
	if m == nil || e.kind == "complaint" {
		return nil
	}
	return s.bounce(ctx, m, e)
}

// bounce tells the sender, as of any mail that fails: what is told of is made a mail of its
// own, whose recipients have all failed.
func (s *Step) bounce(ctx context.Context, m *spool.Mail, e sesEvent) error {
	said := map[string]sesRecipient{}
	for _, r := range e.of {
		said[strings.ToLower(r.address)] = r
	}
	var failed []spool.Recipient
	for _, r := range m.To {
		if f, ok := said[strings.ToLower(r.Address)]; ok {
			failed = append(failed, spool.Recipient{Address: r.Address, Notify: r.Notify, Origin: r.Origin, State: spool.Failed, Tries: 1, Status: f.status, Host: e.host, Said: f.said})
		}
	}
	if len(failed) == 0 {
		return nil
	}
	sum := sha256.Sum256([]byte(e.kind + "\x00" + e.id + "\x00" + m.ID))
	m.To, m.LeasedMS, m.Holder, m.Rounds, m.Warned = failed, 0, "", 0, true
	return s.Spool.Send(ctx, "ses"+hex.EncodeToString(sum[:13]), m)
}
