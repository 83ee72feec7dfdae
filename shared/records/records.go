// Package records is the port for small versioned records: directory, spool, throttles,
// idempotency keys. Its contract suite is shared/records/recordstest; twins:
// shared/records/sqlite and, in AWS, DynamoDB.
package records

import (
	"context"
	"fmt"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits that both twins enforce alike.
const (
	MaxValue = 350 << 10 // bytes of Value; larger is kinds.Limit
	MaxKey   = 1024      // bytes of Space and of ID, each; neither may be empty
	MaxGet   = 100       // keys in one Get
	MaxPage  = 1000      // records in one List or Due
)

// Key names a record: ID is unique in its Space and sorts by bytes there.
type Key struct{ Space, ID string }

// Record is a versioned value.
type Record struct {
	Key
	Version uint64 // 1 for the first write, then one more with each
	Value   []byte
	Due     time.Time // zero: not listed by Due; millisecond precision
	Expires time.Time // zero: never; an expired record is never returned; second precision
}

// Changed is the error of a conditional write that met another version.
type Changed struct {
	Key     Key
	Current *Record // nil: it is not there
}

func (c *Changed) Error() string {
	if c.Current == nil {
		return fmt.Sprintf("records: %s is not there", c.Key.Space)
	}
	return fmt.Sprintf("records: a record of %s is at version %d", c.Key.Space, c.Current.Version)
}

// Kind is kinds.Conflict.
func (c *Changed) Kind() kinds.Kind { return kinds.Conflict }

// Driver is what a twin provides. All methods are safe for concurrent use; reads are
// consistent but for Due.
type Driver interface {
	// Get returns the records that are there, in the order of keys (1..MaxGet, all
	// different); those that are not there are left out.
	Get(ctx context.Context, keys ...Key) ([]Record, error)
	// Put writes r if the stored version is ifVersion (0: it is not there, or expired)
	// and returns the new version, ifVersion+1. When the stored record is ifVersion+1
	// with the same Value, Due and Expires, it is this very write whose reply was lost:
	// success. Else *Changed. r.Version is ignored.
	Put(ctx context.Context, r Record, ifVersion uint64) (uint64, error)
	// Delete removes the record if it is at ifVersion (0: whatever it is at). Deleting
	// what is not there is success; another version is *Changed.
	Delete(ctx context.Context, k Key, ifVersion uint64) error
	// List returns records of space whose ID begins with prefix and is greater than
	// after, in byte order, at most limit (1..MaxPage); fewer than limit means the end.
	List(ctx context.Context, space, prefix, after string, limit int) ([]Record, error)
	// Due returns records of space whose Due is set and not after before, the earliest
	// first, at most limit. It may lag behind writes (an index).
	Due(ctx context.Context, space string, before time.Time, limit int) ([]Record, error)
	// Add adds n to the counter k (absent or expired: 0) and returns the new value. A
	// counter that did not exist expires ttl from now (0: never); adding does not
	// prolong it. A retried Add may count twice. Counters and records share no keys.
	Add(ctx context.Context, k Key, n int64, ttl time.Duration) (int64, error)
}
