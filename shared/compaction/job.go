// Package compaction is the job that asks functions/compact for a snapshot of an account.
// One that is lost does no harm: the account's journal is only read for longer.
package compaction

import (
	"context"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

const version = 1

// Job names an account.
type Job struct {
	Version uint8       `cbor:"1,keyasint"`
	Account account.Ref `cbor:"2,keyasint"`
	Whole   bool        `cbor:"3,keyasint,omitempty"` // after a look at all of the last snapshot
}

// Asker gives what account.Config.Compact wants: it sends a job to the queue.
func Asker(q queue.Driver) func(ctx context.Context, ref account.Ref, whole bool) error {
	return func(ctx context.Context, ref account.Ref, whole bool) error {
		body, err := cbor.Marshal(Job{Version: version, Account: ref, Whole: whole})
		if err != nil {
			return kinds.Wrap(kinds.Internal, err, "compaction: encode job")
		}
		return q.Send(ctx, queue.Compact, queue.Message{Group: ref.Tenant, Body: body})
	}
}

// Decode reads a job: kinds.TooNew for a version that it does not know, kinds.Corrupt for
// what is no job.
func Decode(body []byte) (Job, error) {
	var j Job
	if err := cbor.Unmarshal(body, &j); err != nil {
		return j, kinds.Errorf(kinds.Corrupt, "compaction: decode job: %w", err)
	}
	if j.Version != version {
		return j, kinds.Errorf(kinds.TooNew, "compaction: a job of version %d", j.Version)
	}
	return j, nil
}
