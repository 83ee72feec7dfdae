package handover

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
)

// Notice is a message that the service writes to one of its own accounts.
type Notice struct {
	Name        string // comes once, however often it is sent
	Correlation string // in logs: of the message that it is about
	Account     account.Ref
	Address     string
	Seen        uint64 // the account's last entry known before Name could be there; 0: none
	Text        []byte
	Host        string // that writes it
	Protocol    string // by which it comes, in the account's history
	At          time.Time
}

// Send puts a notice on its way.
func (n *Notice) Send(ctx context.Context, blobs blob.Store, q queue.Driver) error {
	scanner := message.NewScanner()
	_, _ = scanner.Write(n.Text)
	sum := scanner.Finish()
	ref, err := blobs.Put(ctx, blob.NewName(n.Account.Tenant, n.At), blob.Header{Owners: []string{string(n.Account.ID)}}, bytes.NewReader(n.Text), int64(len(n.Text)))
	if err != nil {
		return err
	}
	job := delivery.Job{Transaction: n.Name, Correlation: n.Correlation, Tenant: n.Account.Tenant, Received: n.At.UnixMilli(), Blob: ref, Summary: sum.Encode(),
		Trace:  []byte("Received: by " + n.Host + " id " + n.Name + ";\r\n\t" + n.At.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700") + "\r\n"),
		Thread: threadRoots(sum.Thread), Protocol: n.Protocol,
		Recipients: []delivery.Recipient{{Account: n.Account, Address: n.Address, Seen: n.Seen}}}
	body, err := job.Encode()
	if err != nil {
		return err
	}
	return q.Send(ctx, queue.Deliver, queue.Message{Group: job.Tenant, Body: body})
}

// nameOf names what is about one thing for one account.
func nameOf(about, account string) string {
	sum := sha256.Sum256([]byte(about + "\x00" + account))
	return hex.EncodeToString(sum[:13])
}
