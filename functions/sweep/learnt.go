package sweep

import (
	"context"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	// keepLearnt is how long what turns have learnt is good for: less than the spool remembers jobs
	// that were tried again, as these may bring old blobs to accounts that were asked before.
	keepLearnt = everyDays * 24 * time.Hour
	// How much goes into one record: 9 bytes a blob and 28 an account.
	maxLearntHeld  = 30_000
	maxLearntAsked = 10_000
	learntPage     = 10 // records read at once
)

// learnt is a part of what a turn that ended before a tenant was done has come to know of it, for
// the next turn of the round, which asks the accounts that are left.
//
// It may be some days old then. An account that has been asked can get an old blob only from where
// it was held since the same time, so from an account that tells of it when it is asked, or by a
// job, which the spool still tells of.
type learnt struct {
	Since int64    `cbor:"1,keyasint"` // what was asked for, in milliseconds
	Until int64    `cbor:"2,keyasint"` // when all parts are forgotten, in seconds
	Held  []uint64 `cbor:"3,keyasint,omitempty"`
	Asked []string `cbor:"4,keyasint,omitempty"`
}

// recall takes over what earlier turns of a round have learnt of the tenant.
func (w *round) recall(ctx context.Context, n *notes) error {
	w.until = w.Now().Add(keepLearnt).Unix()
	if n.store == nil {
		return nil
	}
	w.notes = n
	prefix := fmt.Sprintf("learnt/%s/%d/", w.tenant, n.at.Round)
	for after := ""; ; {
		found, err := n.store.List(ctx, space, prefix, after, learntPage)
		if err != nil {
			return err
		}
		for _, r := range found {
			after = r.ID
			var part learnt
			if err := cbor.Unmarshal(r.Value, &part); err != nil {
				return kinds.Wrap(kinds.Corrupt, err, "sweep: what was learnt of a tenant")
			}
			w.since, w.until = time.UnixMilli(part.Since), part.Until
			for _, blob := range part.Held {
				w.held[blob] = struct{}{}
			}
			for _, id := range part.Asked {
				w.asked[id] = true
			}
			w.parts++
		}
		if len(found) < learntPage {
			n.left = w
			return nil
		}
	}
}

// keep notes what this turn has learnt and tells whether that is anything. Who has been asked comes
// after what they hold: a turn that dies meanwhile has them asked again.
func (w *round) keep(ctx context.Context) (bool, error) {
	for held := w.news.Held; len(w.news.Asked) > 0 && len(held) > 0; held = held[min(len(held), maxLearntHeld):] {
		if err := w.keepPart(ctx, learnt{Held: held[:min(len(held), maxLearntHeld)]}); err != nil {
			return false, err
		}
	}
	for asked := w.news.Asked; len(asked) > 0; asked = asked[min(len(asked), maxLearntAsked):] {
		if err := w.keepPart(ctx, learnt{Asked: asked[:min(len(asked), maxLearntAsked)]}); err != nil {
			return false, err
		}
	}
	return len(w.news.Asked) > 0 || w.done.Blobs > 0, nil
}

func (w *round) keepPart(ctx context.Context, part learnt) error {
	part.Since, part.Until = w.since.UnixMilli(), w.until
	value, err := cbor.Marshal(part)
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "sweep: encode what was learnt of a tenant")
	}
	id := fmt.Sprintf("learnt/%s/%d/%06d", w.tenant, w.notes.at.Round, w.parts)
	_, err = w.notes.store.Put(ctx, records.Record{Key: records.Key{Space: space, ID: id}, Value: value, Expires: time.Unix(w.until, 0)}, 0)
	w.parts++
	return err
}
