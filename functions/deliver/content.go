package deliver

import (
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/delivery"
)

// split gives the job's parts, one for each account.
func split(w *work) []*part {
	parts := make([]*part, len(w.job.Recipients))
	name := account.DeliveryName(w.job.Transaction)
	for i := range parts {
		to := &w.job.Recipients[i]
		parts[i] = &part{job: w, to: to, add: account.Add{
			Mailbox: account.Inbox,
			Content: account.Content{Head: head(w.job, to.Address), Blob: w.job.Blob, Summary: w.job.Summary},
			Date:    w.job.Received,
			EmailID: account.EmailID(),
			Thread:  threadID(to.Account, w.job.Thread),
			Name:    name,
		}}
		if w.job.Sent {
			parts[i].add.Use, parts[i].add.Flags, parts[i].add.Content.Head = `\Sent`, account.Seen, own(w.job)
		}
		if w.job.Junk {
			parts[i].add.Use, parts[i].add.Words = `\Junk`, []string{"$Junk"}
		}
	}
	return parts
}

// head is what stands before the blob in one account.
//
// RFC 5321, section 4.4: When the delivery SMTP server makes the "final delivery" of a message, it inserts a return-path line at the beginning of the mail data.
func head(j *delivery.Job, rcpt string) []byte {
	const returnPath, deliveredTo = "Return-Path: <", "Delivered-To: "
	b := make([]byte, 0, len(returnPath)+len(j.From)+len(deliveredTo)+len(rcpt)+len(j.Trace)+8)
	b = append(append(append(b, returnPath...), j.From...), ">\r\n"...)
	b = append(append(append(b, deliveredTo...), rcpt...), "\r\n"...)
	b = append(b, j.Trace...)
	if j.Headless {
		b = append(b, "\r\n"...)
	}
	return b
}

// own is what stands before the blob in the sender's own copy.
func own(j *delivery.Job) []byte {
	if j.Headless {
		return append(j.Trace[:len(j.Trace):len(j.Trace)], "\r\n"...)
	}
	return j.Trace
}

func threadID(ref account.Ref, roots []string) string {
	var messageID, inReplyTo string
	if len(roots) > 0 {
		messageID = roots[0]
	}
	if len(roots) > 1 {
		inReplyTo = roots[1]
	}
	return account.ThreadID(ref, messageID, inReplyTo, roots[min(2, len(roots)):])
}
