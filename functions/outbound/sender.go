package outbound

import (
	"bytes"
	"context"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dsn"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/spool"
)

// silence says why a sender elsewhere is not told what became of his mail, "" if he is. Who did
// not send it, or is a program that sent it to many, has no use for a notification.
func silence(m *spool.Mail, head []byte) string {
	h := dkim.ParseHeader(head)
	switch {
	case m.Kind != spool.Forward:
		return "of this kind nobody is"
	case !m.Proven:
		return "it may be forged"
	case byProgram(m.From):
		return "the sender is a program"
	case len(h.All("List-Id")) > 0, bulk(h):
		return "it came from a list"
	case report(h):
		return "it is a notification itself"
	}
	return ""
}

// byProgram is RFC 3834, section 2: owner-*, *-request and MAILER-DAEMON are senders to whom nothing is sent automatically.
func byProgram(from string) bool {
	local := strings.ToLower(from[:max(0, strings.LastIndexByte(from, '@'))])
	return strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-owner") || strings.HasSuffix(local, "-request") || local == "mailer-daemon"
}

// bulk reads the field by which lists say what they are, which no RFC has defined.
func bulk(h *dkim.Header) bool {
	for _, f := range h.All("Precedence") {
		if slices.Contains([]string{"list", "bulk", "junk"}, strings.ToLower(strings.TrimSpace(f.Text()))) {
			return true
		}
	}
	return false
}

// report tells whether a message is a notification, of a host that gives it a sender.
func report(h *dkim.Header) bool {
	for _, f := range h.All("Content-Type") {
		kind, params, _ := mime.ParseMediaType(f.Text())
		if kind == "multipart/report" && strings.EqualFold(params["report-type"], "delivery-status") {
			return true
		}
	}
	return false
}

// noOwner owns what goes to other hosts only.
const noOwner = "-"

// send puts a notification on its way to the host of the sender of a mail. at is when there was
// something to tell, so that the same one is there once.
func (s *Step) send(ctx context.Context, m *spool.Mail, name string, at time.Time, text []byte) error {
	scanner := message.NewScanner()
	_, _ = scanner.Write(text)
	ref, err := s.Blobs.Put(ctx, blob.NewName(m.Tenant, s.Now()), blob.Header{Owners: []string{noOwner}}, bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	life := time.Duration(m.ExpiresMS-m.AcceptedMS) * time.Millisecond
	return s.Spool.Send(ctx, name, &spool.Mail{Tenant: m.Tenant, Correlation: m.Correlation, Kind: spool.Notification, Blob: ref, HeaderLen: scanner.Finish().HeaderLen,
		UTF8: !ascii(m.From), EightBit: !ascii(string(text)), AcceptedMS: at.UnixMilli(), ExpiresMS: s.Now().Add(life).UnixMilli(),
		To: []spool.Recipient{{Address: m.From, Notify: dsn.Never}}})
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
