package smtp

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
)

// accept stores the message, hands its jobs to the queue, and only then says 250: from
// then on it is ours to deliver. A crash or error before leaves a blob that nobody
// knows of.
func (s *session) accept() {
	t, began := s.mail, time.Now()
	defer s.reset()
	s.work = 0
	sum, err := t.in.Finish()
	if err != nil {
		s.refuseMessage(forMessage(err), err)
		return
	}
	judged := s.judge(t, &sum)
	if judged.Do == dmarc.Reject {
		s.refuseMessage(againstPolicy(judged.From), nil)
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, commitTime)
	defer cancel()
	owners := make([]string, len(t.accounts), len(t.accounts)+1)
	for i, r := range t.accounts {
		owners[i] = string(r.Account.ID)
	}
	if len(t.remote) > 0 {
		owners = append(owners, string(s.user.Account.ID))
	}
	ref, err := t.in.Put(ctx, s.cfg.Blobs, t.tenant, owners)
	if err == nil {
		err = s.enqueue(ctx, t, ref, &sum, judged)
	}
	if err == nil && len(t.remote) > 0 {
		err = s.sendOn(ctx, t, ref, &sum)
	}
	if err != nil {
		s.log.Error("message not stored", "message", t.id, "error", err)
		s.reset()
		s.refuse(forMessage(kinds.Wrap(kinds.Unavailable, err, "")))
		return
	}
	for _, r := range t.accounts {
		s.cfg.Quota.Grow(t.tenant, r.domain, 1, ref.Size)
	}
	s.metrics.took(s.flavour(), ref.Size, time.Since(began))
	s.log.Info("message accepted", "message", t.id, "tenant", t.tenant, "size", ref.Size, "accounts", len(t.accounts), "elsewhere", len(t.remote))
	s.reply(reply{250, "2.0.0", "OK " + t.id})
}

const (
	maxSends  = 4                      // of one job
	sendAgain = 100 * time.Millisecond // and twice, three times that
)

// enqueue sends one job for each hundred accounts.
func (s *session) enqueue(ctx context.Context, t *transaction, ref blob.Ref, sum *message.Summary, v verdict) error {
	now := s.cfg.Now()
	job := delivery.Job{
		Transaction: t.id, Correlation: t.id, Tenant: t.tenant, From: t.from.String(), Received: now.UnixMilli(),
		Trace: append([]byte(v.results), s.received(t, now)...), Junk: v.Do == dmarc.Quarantine, Headless: sum.HeaderLen == 0, Blob: ref, Summary: sum.Encode(),
		Thread: threadRoots(sum.Thread), Protocol: s.flavour(),
	}
	for all := t.accounts; len(all) > 0; {
		job.Recipients = job.Recipients[:0]
		for _, r := range all[:min(len(all), delivery.MaxRecipients)] {
			job.Recipients = append(job.Recipients, r.Recipient)
		}
		all = all[len(job.Recipients):]
		body, err := job.Encode()
		if err != nil {
			return err
		}
		if err := s.send(ctx, queue.Message{Group: t.tenant, Body: body}); err != nil {
			return err
		}
	}
	return nil
}

// send hands over one job. A send of which nobody knows whether it took place is made
// again: the job's deliveries have their names, so that two jobs deliver once, while a
// peer that is told 451 comes back with a message that has another name.
func (s *session) send(ctx context.Context, m queue.Message) error {
	for try := 1; ; try++ {
		err := s.cfg.Queue.Send(ctx, queue.Deliver, m)
		if err == nil || !kinds.Of(err).Temporary() || try == maxSends {
			return err
		}
		select {
		case <-time.After(time.Duration(try) * sendAgain):
		case <-ctx.Done():
			return err
		}
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
