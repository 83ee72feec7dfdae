// Package journal is the port through which an account's entries are kept: one
// totally ordered, append-only sequence per partition, numbered from 1 without holes.
// It knows nothing of what entries mean (shared/account does). Its contract suite is
// shared/journal/journaltest; twins: shared/journal/sqlite and, in AWS, DynamoDB.
package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits that both twins enforce alike: DynamoDB's limits of an item (400 KB, of which
// 2 KB are left for the names of its attributes and the key) and of a page.
const (
	MaxEntry = 398 << 10 // bytes of Data and Op in one entry; larger is kinds.Limit
	MaxPage  = 1 << 20   // bytes of Data one Read returns at most (but always one entry)
)

// Partition names one journal: an account in one epoch. Formed by shared/account only.
type Partition string

// Entry is one item of a journal.
type Entry struct {
	Seq  uint64 // 1, 2, 3, ... within the partition
	Op   string // operation id: the same over every retry and rebase of one command
	Data []byte
}

// Taken is the error of Append when Seq is there already with another operation id.
type Taken struct{ Existing Entry }

func (t *Taken) Error() string {
	return fmt.Sprintf("journal: entry %d is taken by operation %s", t.Existing.Seq, t.Existing.Op)
}

// Kind is kinds.Conflict.
func (t *Taken) Kind() kinds.Kind { return kinds.Conflict }

// Driver is what a twin provides. All methods are safe for concurrent use. Errors carry
// a kind; Unavailable and Throttled leave open whether a write took place.
type Driver interface {
	// Append stores e durably if no entry e.Seq is there. When one is there with the
	// same Op, it is this very write whose reply was lost: success. With another Op:
	// *Taken. It does not check that e.Seq-1 exists (shared/account does). After an
	// error of kind Unavailable the entry may be there, not be there, or show later.
	Append(ctx context.Context, p Partition, e Entry) error

	// Read returns entries with Seq > after in order, at most limit (1..1000) and
	// MaxPage bytes, and whether more may follow. It sees every Append that returned
	// nil before it was called (a consistent read). Trimmed or missing entries are left
	// out: the caller must check density.
	Read(ctx context.Context, p Partition, after uint64, limit int) (entries []Entry, more bool, err error)

	// Last returns the entry with the highest Seq, consistently; NotFound when the
	// partition is empty.
	Last(ctx context.Context, p Partition) (Entry, error)

	// Tail returns the entries with the highest Seq in order, consistently: at most limit
	// (1..1000) and MaxPage bytes, but always one; NotFound when the partition is empty.
	Tail(ctx context.Context, p Partition, limit int) ([]Entry, error)

	// Trim deletes entries with Seq <= through, oldest first, and may stop half-way
	// with an error; what is left is then still a dense suffix. It never deletes the
	// last entry. Deleting what is not there is success.
	Trim(ctx context.Context, p Partition, through uint64) error

	// Watch registers watcher (a name given by notify) for the partition until ttl has
	// passed; registering again renews. A Watch that returned nil is seen by every
	// later Watchers call.
	Watch(ctx context.Context, p Partition, watcher string, ttl time.Duration) error
	// Unwatch removes the registration; removing what is not there is success.
	Unwatch(ctx context.Context, p Partition, watcher string) error
	// Watchers lists the names registered and not expired, consistently.
	Watchers(ctx context.Context, p Partition) ([]string, error)
}
