package sqs

import (
	"context"
	"errors"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// SQS doesn't tell whether a receipt is stale: it may delete the message, or say that it
// did, while another works on it. So a receipt carries the time until which the message is
// hidden, and is of no use afterwards: "until.handle", in milliseconds. That of an event
// of a function has no time, and SQS's word is taken for it.

func stamp(handle string, until time.Time) string {
	return strconv.FormatInt(until.UnixMilli(), 10) + "." + handle
}

func split(receipt string) (handle string, until time.Time) {
	left, right, ok := strings.Cut(receipt, ".")
	ms, err := strconv.ParseInt(left, 10, 64)
	if !ok || err != nil {
		return receipt, time.Time{}
	}
	return right, time.UnixMilli(ms)
}

// Extend sets the time for which a message stays hidden.
func (q *Queue) Extend(ctx context.Context, name, receipt string, visibility time.Duration) error {
	if visibility < 0 || visibility > queue.MaxVisibility {
		return kinds.Errorf(kinds.Invalid, "queue: a visibility of %v", visibility)
	}
	handle, deleted, err := q.receipts.handle(receipt)
	if err != nil || deleted {
		return kinds.Errorf(kinds.Closed, "queue: the message is deleted or was handed out again")
	}
	address, err := q.url(ctx, name)
	if err != nil {
		return err
	}
	_, err = q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &address, ReceiptHandle: &handle, VisibilityTimeout: seconds(visibility)})
	var visible *types.MessageNotInflight
	switch {
	case visibility == 0 && errors.As(err, &visible):
		return nil // an attempt whose reply was lost has handed it out
	case errors.As(err, &visible), awsclient.Code(err) == "InvalidParameterValue":
		return kinds.Wrap(kinds.Closed, err, "queue: extend")
	case err != nil:
		return receiptError(err, "queue: extend")
	}
	q.receipts.extended(receipt, time.Now().Add(time.Duration(seconds(visibility))*time.Second))
	return nil
}

// Delete removes a message for good.
func (q *Queue) Delete(ctx context.Context, name, receipt string) error {
	handle, deleted, err := q.receipts.handle(receipt)
	if err != nil || deleted {
		return err
	}
	address, err := q.url(ctx, name)
	if err != nil {
		return err
	}
	if _, err = q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &address, ReceiptHandle: &handle}); err != nil {
		return receiptError(err, "queue: delete")
	}
	q.receipts.deleted(receipt)
	return nil
}

func receiptError(err error, doing string) error {
	var invalid *types.ReceiptHandleIsInvalid
	if errors.As(err, &invalid) {
		return kinds.Wrap(kinds.Invalid, err, doing)
	}
	return awsclient.Err(err, doing)
}

// receipts remembers what has become of receipts since they were given.
type receipts struct {
	mu    sync.Mutex
	seed  maphash.Seed
	young map[uint64]fate // of the last ones
	old   map[uint64]fate // of those before
}

type fate struct {
	until   time.Time // hidden until then, by an Extend
	deleted bool
}

const maxYoung = 10_000

// handle gives SQS's part of the receipt, and whether its message is deleted. Closed when
// the time of the receipt is over.
func (r *receipts) handle(receipt string) (handle string, deleted bool, err error) {
	handle, until := split(receipt)
	f := r.get(receipt)
	if f.deleted || until.IsZero() {
		return handle, f.deleted, nil
	}
	if !f.until.IsZero() {
		until = f.until
	}
	if !time.Now().Before(until) {
		return "", false, kinds.Errorf(kinds.Closed, "queue: the message is handed out again")
	}
	return handle, false, nil
}

func (r *receipts) get(receipt string) fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil {
		return fate{}
	}
	id := maphash.String(r.seed, receipt)
	if f, ok := r.young[id]; ok {
		return f
	}
	return r.old[id]
}

func (r *receipts) extended(receipt string, until time.Time) { r.set(receipt, fate{until: until}) }
func (r *receipts) deleted(receipt string)                   { r.set(receipt, fate{deleted: true}) }

func (r *receipts) set(receipt string, f fate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil {
		r.seed = maphash.MakeSeed()
	}
	if r.young == nil || len(r.young) >= maxYoung {
		r.young, r.old = map[uint64]fate{}, r.young
	}
	r.young[maphash.String(r.seed, receipt)] = f
}
