package sweep

import (
	"context"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	// reserve is the part of a turn's time that is kept for its last note: a tenth, but no more.
	reserve = 30 * time.Second
	// The record that the progress is kept in.
	space, noteID = "sweep", "progress"
)

// Progress is how far the rounds have come.
type Progress struct {
	Round   uint64     `cbor:"1,keyasint"`           // there is one a day: days since 1970
	Page    string     `cbor:"2,keyasint,omitempty"` // of the directory's accounts
	Account account.ID `cbor:"3,keyasint,omitempty"` // the last one on it that was begun with
	Swept   bool       `cbor:"4,keyasint,omitempty"` // all accounts are
	Tenant  string     `cbor:"5,keyasint,omitempty"` // the last one whose blobs were begun with
	Done    bool       `cbor:"6,keyasint,omitempty"`
}

func day(t time.Time) uint64 { return uint64(t.Unix() / (24 * 60 * 60)) }

// Turn is for a function that has little time and is called again and again: it goes on with
// the day's round from where the turn before has ended, and does nothing once the round is
// done. A round that takes longer than its day is ended all the same, and those that were
// missed meanwhile follow, up to a week of them, so that each tenant has its turn.
//
// Whatever takes down the turn that is at it is left out by the next, until the next round. So is
// an account that takes more than a turn; a tenant may take several.
func (s *Step) Turn(ctx context.Context) (r Result, err error) {
	n := &notes{store: s.Notes}
	if err := n.load(ctx); err != nil {
		return r, err
	}
	switch today := day(s.Now()); {
	case n.at.Round == 0:
		n.at.Round = today
	case n.at.Done && n.at.Round >= today:
		return r, nil
	case n.at.Done:
		n.at = Progress{Round: max(n.at.Round+1, today-everyDays+1)}
	}
	work, cancel := before(ctx)
	defer cancel()
	if r, err = s.round(work, n); err == nil {
		n.at.Done = true
		err = n.save(ctx)
	} else if work.Err() != nil && ctx.Err() == nil {
		err = n.interrupted(ctx)
	}
	if kinds.Is(err, kinds.Conflict) {
		s.Log.Warn("another turn of the sweep runs beside this one, and goes on with it", "error", err)
		err = nil
	}
	s.Log.Info("swept", "round", n.at.Round, "done", n.at.Done, "accounts", r.Accounts, "failed", r.Failed, "trimmed", r.Trimmed,
		"objects", r.Objects, "bytes", r.Bytes, "blobs", r.Blobs, "released", r.BlobBytes)
	return r, err
}

// before gives a context that ends a reserve before ctx.
func before(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/10)))
}

// notes are the progress of a round, and keep it if they have a store.
type notes struct {
	store   records.Driver
	version uint64 // of the record
	at      Progress
	last    Progress // before what was begun with last
	begun   int      // things that this turn has begun with
	left    *round   // the tenant that this turn is at, if it has begun to ask its accounts
}

func (n *notes) load(ctx context.Context) error {
	found, err := n.store.Get(ctx, records.Key{Space: space, ID: noteID})
	if err != nil || len(found) == 0 {
		return err
	}
	n.version = found[0].Version
	if cbor.Unmarshal(found[0].Value, &n.at) != nil {
		n.at = Progress{} // it only saves work
	}
	return nil
}

// begin notes what is begun with now, before anything of it is done.
func (n *notes) begin(ctx context.Context, at Progress) error {
	n.last, n.at = n.at, at
	n.begun++
	return n.save(ctx)
}

// interrupted has the next turn begin with what this one has not ended, unless it had nothing
// else to do and has come no further: what takes a whole turn is not waited for by all others, but
// a tenant is gone on with as long as each turn learns something of its accounts.
func (n *notes) interrupted(ctx context.Context) error {
	further := n.begun > 1
	if n.left != nil {
		kept, err := n.left.keep(ctx)
		if err != nil {
			return err
		}
		further = further || kept
	}
	if !further {
		return nil
	}
	n.at = n.last
	return n.save(ctx)
}

func (n *notes) save(ctx context.Context) error {
	if n.store == nil {
		return nil
	}
	value, err := cbor.Marshal(n.at)
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "sweep: encode the note of its progress")
	}
	version, err := n.store.Put(ctx, records.Record{Key: records.Key{Space: space, ID: noteID}, Value: value}, n.version)
	if err == nil {
		n.version = version
	}
	return err
}
