package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// An epoch begins when the end of a journal was lost: a table was put back to an earlier time.
// Clients may then know UIDs and MODSEQs that are given once more to other messages, processes
// may have the lost entries in memory, and a writer who does may write on after them.
//
// So each epoch has a partition of its own, and whatever is remembered by partition is of no
// use in it. Nothing is copied: the numbers go on, and whoever needs entries from before the
// epoch's first one reads them from the partition before. That is closed twice, each time for
// a reason that leads to the next epoch: at lastEntry, where everybody looks who asks for the
// last entry or for what came after one that was lost, then by the entry after the last valid
// one, behind which nothing counts. The epoch's first entry gives all mailboxes new
// UIDVALIDITYs. The directory is told at last, for references of earlier epochs are followed.

// lastEntry is the number of the entry that ends a partition for good: no other is as high, and
// there is DontSearch above it.
const lastEntry = maxSeq - 1

// renewed is why an account's journal goes on in another partition.
type renewed struct {
	epoch uint32
	was   string // Close.Reason before
}

// Error and Kind tell those who have the account open, and are not led on.
func (r *renewed) Error() string { return fmt.Sprintf("account: it goes on in epoch %d", r.epoch) }

// Kind is kinds.Unavailable: whoever opens the account anew is led on.
func (r *renewed) Kind() kinds.Kind { return kinds.Unavailable }

// reason is Close.Reason.
func (r *renewed) reason() string {
	return strings.TrimSpace(fmt.Sprintf("epoch %d %s", r.epoch, r.was))
}

// renewal reads what reason wrote.
func renewal(reason string) (r renewed, ok bool) {
	text, ok := strings.CutPrefix(reason, "epoch ")
	if !ok {
		return r, false
	}
	text, r.was, _ = strings.Cut(text, " ")
	epoch, err := strconv.ParseUint(text, 10, 32)
	r.epoch = uint32(epoch)
	return r, err == nil && epoch > 1
}

// Renewed tells whether the account is closed because its mailboxes have got new numbers:
// opened again, it is there.
func (s *Standing) Renewed() bool {
	_, ok := renewal(s.Closed)
	return ok
}

// beginsEpoch tells whether the entry is the first of a later epoch.
func (e *Entry) beginsEpoch() bool { return len(e.Ops) == 1 && e.Ops[0].Epoch != nil }

// errBeginning is of an account whose next epoch has not begun, though the last one is over:
// whoever asks for it again completes it.
func errBeginning(ref Ref) error {
	return kinds.Errorf(kinds.Conflict, "account %s: the epoch has not begun yet", ref.Partition())
}

// follow calls fn with the account's reference and, as long as that is of an epoch that is
// over, with that of the next.
func follow(ref Ref, fn func(Ref) error) error {
	for led := false; ; led = true {
		err := fn(ref)
		if led && kinds.Is(err, kinds.NotFound) {
			return errBeginning(ref)
		}
		next := (*renewed)(nil)
		if !errors.As(err, &next) {
			return err
		}
		if next.epoch <= ref.Epoch {
			return kinds.Errorf(kinds.Corrupt, "account %s: epoch %d comes after it", ref.Partition(), next.epoch)
		}
		ref = ref.in(next.epoch)
	}
}

// current gives the account in its current epoch, and its last entry.
func (s *Store) current(ctx context.Context, ref Ref) (at Ref, head Head, err error) {
	err = follow(ref, func(ref Ref) error {
		at = ref
		if head, err = s.readHead(ctx, ref.Partition()); err != nil {
			return err
		}
		return head.over()
	})
	return at, head, err
}

// Current gives the reference of the account in its current epoch, and its last entry. It
// reads.
func (s *Store) Current(ctx context.Context, ref Ref) (Ref, Head, error) {
	if err := ref.check(); err != nil {
		return ref, Head{}, err
	}
	return s.current(ctx, ref)
}

// over is the error that leads to the next epoch, nil if this is the current one.
func (h *Head) over() error {
	if r, ok := renewal(h.Standing.Closed); ok {
		return &r
	}
	return nil
}

// Entries gives the account's entries after one, as journal.Driver.Read does, in whichever
// epoch they are. ref is of the current one.
func (s *Store) Entries(ctx context.Context, ref Ref, after uint64, limit int) ([]journal.Entry, bool, error) {
	return s.read(ctx, ref, after, limit)
}

func (s *Store) read(ctx context.Context, ref Ref, after uint64, limit int) (items []journal.Entry, more bool, err error) {
	items, more, err = s.cfg.Journal.Read(ctx, ref.Partition(), after, limit)
	if err != nil || ref.Epoch == 1 || len(items) == 0 || items[0].Seq == after+1 {
		return items, more, err
	}
	first := items[0].Seq
	before, err := s.before(ref, items[0])
	if err != nil || before == (Ref{}) {
		return items, more, err
	}
	older, _, err := s.read(ctx, before, after, int(min(uint64(limit), first-1-after)))
	if err != nil && !kinds.Is(err, kinds.NotFound) {
		return nil, false, err
	}
	// What lies behind was written by those who knew what was lost.
	older = slices.DeleteFunc(older, func(i journal.Entry) bool { return i.Seq >= first })
	if len(older) == 0 {
		return items, more, nil // they were trimmed
	}
	return older, true, nil
}

// before gives the epoch before, if an item is the first of one.
func (s *Store) before(ref Ref, item journal.Entry) (Ref, error) {
	e, err := decode(item)
	if err != nil || !e.beginsEpoch() {
		return Ref{}, err
	}
	from := e.Ops[0].Epoch.From
	if from == 0 || from >= ref.Epoch {
		return Ref{}, kinds.Errorf(kinds.Corrupt, "account %s: it follows epoch %d", ref.Partition(), from)
	}
	return ref.in(from), nil
}

// earlier gives the epoch before one, if that is still needed, and the last entry that counts
// there.
func (s *Store) earlier(ctx context.Context, ref Ref) (before Ref, last uint64, err error) {
	if ref.Epoch == 1 {
		return Ref{}, 0, nil
	}
	items, _, err := s.cfg.Journal.Read(ctx, ref.Partition(), 0, 1)
	if err != nil || len(items) == 0 {
		return Ref{}, 0, err
	}
	before, err = s.before(ref, items[0])
	return before, items[0].Seq - 1, err
}

// leave ends what is open here of an account whose epoch is over: sessions end, and come
// back in the next. The account's lock is held.
func (c *core) leave(over error) error {
	var r *renewed
	if old := c.state.Load(); errors.As(over, &r) && old != nil && old.standing.Closed != r.reason() {
		next := old.Clone()
		next.standing.Closed = r.reason()
		c.publish(next, c.read)
	}
	return over
}
