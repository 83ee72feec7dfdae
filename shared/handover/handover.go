// Package handover gives a message that was taken in to those who go on with it: jobs for
// who delivers it here, records for who sends it to other hosts. When Take returns, it is
// theirs.
package handover

import (
	"context"
	"fmt"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Outbound takes mail for other hosts; *spool.Spool does.
type Outbound interface {
	Send(ctx context.Context, name string, m *spool.Mail) error
}

// Accounts is what is asked about the sender's account; *account.Store answers.
type Accounts interface {
	Known(ref account.Ref) (account.Head, bool)
	Head(ctx context.Context, ref account.Ref) (account.Head, error)
}

// Desk is safe for concurrent use.
type Desk struct {
	Accounts Accounts
	Queue    queue.Driver
	Outbound Outbound      // nil: nothing goes to other hosts
	Paths    Paths         // of what is forwarded; needed where anything is
	Expire   time.Duration // of what does
}

// Message is a message whose blob is stored.
type Message struct {
	ID       string // names it in logs, and in each account's journal
	Tenant   string // of all its recipients
	From     string // reverse-path, "" is the null sender
	Protocol string // by which it came
	At       time.Time
	Results  []byte // the Authentication-Results field, of what came from elsewhere
	Received []byte // the Received field
	Junk     bool
	Blob     blob.Ref
	Summary  *message.Summary

	Here      []delivery.Recipient // accounts, each once
	Elsewhere []spool.Recipient
	Return    string           // RET
	EnvID     string           // ENVID
	Notify    *delivery.Notify // who is told of deliveries Here; nil: nobody
	Forwards  []Forward
	Proven    bool        // From is who sent it, as far as could be found out
	ARC       string      // what came of its chain, where what is forwarded is sealed
	Sender    account.Ref // who sent it, of our users; needed for Elsewhere
	UTF8      bool        // SMTPUTF8 was asked for
	EightBit  bool        // so was BODY=8BITMIME
	// RequireTLS and TLSOptional are what the author asks of TLS (RFC 8689).
	RequireTLS, TLSOptional bool
	// Hold is why the copies for Elsewhere are held; "": they aren't.
	Hold string
	// Copy says that the sender's account gets a copy in its mailbox for sent mail, with Bcc,
	// the field that nobody else gets to see.
	Copy     bool
	Bcc      []byte
	BodyHash []byte // by which it is signed, or sealed, when it goes elsewhere
}

const (
	maxSends  = 4                      // of one job
	sendAgain = 100 * time.Millisecond // and twice, three times that
)

// Take hands the message over: one job for each hundred accounts, one record for each
// hundred recipients elsewhere.
func (d *Desk) Take(ctx context.Context, m *Message) error {
	if err := d.deliver(ctx, m); err != nil {
		return err
	}
	if m.Copy {
		if err := d.keep(ctx, m); err != nil {
			return err
		}
	}
	if len(m.Elsewhere)+len(m.Forwards) == 0 {
		return nil
	}
	seen, err := d.seen(ctx, m)
	if err != nil {
		return err
	}
	if err := d.sendOn(ctx, m, seen); err != nil {
		return err
	}
	return d.forward(ctx, m, seen)
}

func (d *Desk) deliver(ctx context.Context, m *Message) error {
	job := delivery.Job{
		Transaction: m.ID, Correlation: m.ID, Tenant: m.Tenant, From: m.From, Received: m.At.UnixMilli(),
		Trace: append(m.Results[:len(m.Results):len(m.Results)], m.Received...), Junk: m.Junk, Headless: m.Summary.HeaderLen == 0, Blob: m.Blob, Summary: m.Summary.Encode(),
		Thread: threadRoots(m.Summary.Thread), Protocol: m.Protocol, Notify: m.Notify,
	}
	for all := m.Here; len(all) > 0; {
		job.Recipients = all[:fit(all)]
		all = all[len(job.Recipients):]
		body, err := job.Encode()
		if err != nil {
			return err
		}
		if err := d.send(ctx, queue.Message{Group: m.Tenant, Body: body}); err != nil {
			return err
		}
	}
	return nil
}

// keep puts the sender's own copy on its way. Its header has Bcc, and so has its summary.
func (d *Desk) keep(ctx context.Context, m *Message) error {
	sum := *m.Summary
	sum.Fields = string(m.Bcc) + sum.Fields
	job := delivery.Job{Transaction: m.ID + "-sent", Correlation: m.ID, Tenant: m.Sender.Tenant, From: m.From, Received: m.At.UnixMilli(), Trace: m.Bcc, Sent: true,
		Headless: m.Summary.HeaderLen == 0, Blob: m.Blob, Summary: sum.Encode(), Thread: threadRoots(m.Summary.Thread), Protocol: m.Protocol}
	seen := uint64(0)
	if head, ok := d.Accounts.Known(m.Sender); ok {
		seen = head.Seq
	}
	job.Recipients = []delivery.Recipient{{Account: m.Sender, Seen: seen}}
	body, err := job.Encode()
	if err != nil {
		return err
	}
	return d.send(ctx, queue.Message{Group: job.Tenant, Body: body})
}

// fit is how many of the recipients one job takes.
func fit(all []delivery.Recipient) int {
	n, size := 0, 0
	for n < len(all) && n < delivery.MaxRecipients {
		for _, t := range all[n].Tell {
			size += len(t.Address) + len(t.Origin) + 16
		}
		if n > 0 && size > delivery.MaxTell {
			break
		}
		n++
	}
	return n
}

// send hands over one job. A send of which nobody knows whether it took place is made
// again: the job's deliveries have their names, so that two jobs deliver once, while a
// peer that is told 451 comes back with a message that has another name.
func (d *Desk) send(ctx context.Context, m queue.Message) error {
	for try := 1; ; try++ {
		err := d.Queue.Send(ctx, queue.Deliver, m)
		if err == nil || !again(ctx, err, try) {
			return err
		}
	}
}

// again waits for the next try, if there is to be one.
func again(ctx context.Context, err error, try int) bool {
	if !kinds.Of(err).Temporary() || try == maxSends {
		return false
	}
	select {
	case <-time.After(time.Duration(try) * sendAgain):
		return true
	case <-ctx.Done():
		return false
	}
}

// threadRoots is what THREADID is made of: the message's own id, what it answers, and
// the root of its thread.
func threadRoots(t message.Thread) []string {
	roots := []string{t.MessageID, "", t.Root}
	if len(t.InReplyTo) > 0 {
		roots[1] = t.InReplyTo[0]
	}
	return roots
}

// seen gives the last entry known of the sender, if he is one of ours.
func (d *Desk) seen(ctx context.Context, m *Message) (uint64, error) {
	if m.Sender.ID == "" {
		return 0, nil
	}
	head, ok := d.Accounts.Known(m.Sender)
	if !ok {
		var err error
		if head, err = d.Accounts.Head(ctx, m.Sender); err != nil {
			return 0, err
		}
	}
	return head.Seq, nil
}

// sendOn hands the message to who sends it to other hosts.
func (d *Desk) sendOn(ctx context.Context, m *Message, seen uint64) error {
	if m.Hold != "" {
		for i := range m.Elsewhere {
			m.Elsewhere[i].Hold(m.At, m.Hold)
		}
	}
	for i := 0; i < len(m.Elsewhere); i += spool.MaxOutgoing {
		mail := d.mail(m, seen, m.Received)
		mail.Kind, mail.To = spool.Submission, m.Elsewhere[i:min(i+spool.MaxOutgoing, len(m.Elsewhere))]
		if err := d.post(ctx, fmt.Sprintf("%s-%d", m.ID, i/spool.MaxOutgoing), mail); err != nil {
			return err
		}
	}
	return nil
}

// mail is the message with all that is the same for whoever gets it elsewhere.
func (d *Desk) mail(m *Message, seen uint64, head []byte) *spool.Mail {
	mail := &spool.Mail{Tenant: m.Tenant, Correlation: m.ID, From: m.From, Sender: m.Sender, Seen: seen,
		Head: head[:len(head):len(head)], Blob: m.Blob, HeaderLen: m.Summary.HeaderLen, UTF8: m.UTF8, EightBit: m.EightBit || eightBit(&m.Summary.Body),
		RequireTLS: m.RequireTLS, TLSOptional: m.TLSOptional, Return: m.Return, EnvID: m.EnvID,
		BodyHash: m.BodyHash, AcceptedMS: m.At.UnixMilli(), ExpiresMS: m.At.Add(d.Expire).UnixMilli()}
	if m.Summary.HeaderLen == 0 {
		mail.Head = append(mail.Head, "\r\n"...)
	}
	return mail
}

// post hands over one record, as send does a job: it has its name, so that it is there once.
func (d *Desk) post(ctx context.Context, name string, mail *spool.Mail) error {
	for try := 1; ; try++ {
		err := d.Outbound.Send(ctx, name, mail)
		if err == nil || !again(ctx, err, try) {
			return err
		}
	}
}

// eightBit tells whether a part says that it has octets above 127.
func eightBit(p *message.Part) bool {
	if p.Encoding == "8bit" || p.Encoding == "binary" {
		return true
	}
	for _, part := range p.Parts {
		if eightBit(part) {
			return true
		}
	}
	return false
}
