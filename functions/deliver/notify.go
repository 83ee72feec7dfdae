package deliver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dsn"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/spool"
)

// keepTelling is how long a sender elsewhere is told, whose host can't be reached.
const keepTelling = 5 * 24 * time.Hour

// notify tells senders of the deliveries of which they want to know. What could not be told
// is delivered again, which is found to have taken place, and then told.
func (s *Step) notify(ctx context.Context, jobs []*work) {
	for _, w := range jobs {
		if w.job == nil || w.job.Notify == nil {
			continue
		}
		for _, p := range w.parts {
			if p.err == nil && len(p.to.Tell) > 0 {
				p.err = s.tell(ctx, w.job, p.to)
			}
		}
	}
}

// tell sends one notification for one account, under a name of its own.
//
// RFC 3461, section 5.2.3: a "delivered" DSN is issued when the message is in the recipient's mailbox.
func (s *Step) tell(ctx context.Context, j *delivery.Job, to *delivery.Recipient) error {
	n := j.Notify
	header, err := s.header(ctx, j)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("delivered " + j.Transaction + " " + string(to.Account.ID)))
	name := hex.EncodeToString(sum[:13])
	report := dsn.Report{Host: n.Host, To: j.From, ID: name, Now: j.ReceivedAt(), Arrived: j.ReceivedAt(), EnvID: n.EnvID, Header: header, UTF8: n.UTF8}
	for _, t := range to.Tell {
		action := dsn.Delivered
		if t.Expanded {
			action = dsn.Expanded
		}
		report.Of = append(report.Of, dsn.Recipient{Address: t.Address, Origin: t.Origin, Action: action, Status: "2.0.0"})
	}
	if n.Account.ID == "" {
		return s.tellElsewhere(ctx, j, to, name, report.Compose())
	}
	notice := handover.Notice{Name: name, Correlation: j.Correlation, Account: n.Account, Address: j.From, Seen: n.Seen, Text: report.Compose(), Host: n.Host, Protocol: "deliver", At: s.Now()}
	return notice.Send(ctx, s.Blobs, s.Queue)
}

// tellElsewhere has a notification sent to a sender of another host.
func (s *Step) tellElsewhere(ctx context.Context, j *delivery.Job, to *delivery.Recipient, name string, text []byte) error {
	scanner := message.NewScanner()
	_, _ = scanner.Write(text)
	sum := scanner.Finish()
	ref, err := s.Blobs.Put(ctx, blob.NewName(j.Tenant, s.Now()), blob.Header{Owners: []string{string(to.Account.ID)}}, bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	return s.Spool.Send(ctx, name, &spool.Mail{Tenant: j.Tenant, Correlation: j.Correlation, Kind: spool.Notification, Blob: ref, HeaderLen: sum.HeaderLen,
		UTF8: j.Notify.UTF8, EightBit: true, AcceptedMS: j.Received, ExpiresMS: s.Now().Add(keepTelling).UnixMilli(), To: []spool.Recipient{{Address: j.From, Notify: dsn.Never}}})
}

// header gives the header section of the message as far as it is returned.
func (s *Step) header(ctx context.Context, j *delivery.Job) ([]byte, error) {
	sum, err := message.Decode(j.Summary)
	if err != nil || sum.HeaderLen == 0 {
		return j.Trace, err
	}
	r, err := s.Blobs.Open(ctx, j.Blob, 0, min(sum.HeaderLen, dsn.MaxReturned))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return append(j.Trace[:len(j.Trace):len(j.Trace)], bytes.TrimSuffix(b, []byte("\r\n\r\n"))...), kinds.Wrap(kinds.Unavailable, err, "deliver: the message's header")
}
