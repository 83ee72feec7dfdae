package account

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/journal/journaltest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// memory is a journal without a disk, so that histories by the thousand can be tried.
type memory struct {
	now func() time.Time

	mu       sync.Mutex
	entries  map[journal.Partition]map[uint64]journal.Entry
	seqs     map[journal.Partition][]uint64 // ascending
	watchers map[journal.Partition]map[string]time.Time
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, entries: map[journal.Partition]map[uint64]journal.Entry{}, seqs: map[journal.Partition][]uint64{},
		watchers: map[journal.Partition]map[string]time.Time{}}
}

func TestMemoryIsAJournal(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.World {
		clock := porttest.NewClock()
		return journaltest.World{Driver: newMemory(clock.Now), Advance: clock.Advance}
	})
}

func (m *memory) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch old, ok := m.entries[p][e.Seq]; {
	case ctx.Err() != nil:
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "memory")
	case p == "" || e.Seq == 0 || e.Seq > maxSeq || e.Op == "":
		return kinds.Errorf(kinds.Invalid, "memory: append")
	case len(e.Data)+len(e.Op) > journal.MaxEntry:
		return kinds.Errorf(kinds.Limit, "memory: append")
	case ok && old.Op == e.Op:
		return nil
	case ok:
		return &journal.Taken{Existing: old}
	}
	if m.entries[p] == nil {
		m.entries[p] = map[uint64]journal.Entry{}
	}
	e.Data = slices.Clone(e.Data)
	m.entries[p][e.Seq] = e
	at, _ := slices.BinarySearch(m.seqs[p], e.Seq)
	m.seqs[p] = slices.Insert(m.seqs[p], at, e.Seq)
	return nil
}

func (m *memory) Read(ctx context.Context, p journal.Partition, after uint64, limit int) (found []journal.Entry, more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return nil, false, kinds.Wrap(kinds.Unavailable, ctx.Err(), "memory")
	}
	if limit < 1 || limit > 1000 {
		return nil, false, kinds.Errorf(kinds.Invalid, "memory: read %d", limit)
	}
	size := 0
	from, _ := slices.BinarySearch(m.seqs[p], after+1)
	for _, seq := range m.seqs[p][from:] {
		e := m.entries[p][seq]
		size += len(e.Data)
		if len(found) == limit || len(found) > 0 && size > journal.MaxPage {
			return found, true, nil
		}
		found = append(found, e)
	}
	return found, false, nil
}

func (m *memory) Last(ctx context.Context, p journal.Partition) (journal.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return journal.Entry{}, kinds.Wrap(kinds.Unavailable, ctx.Err(), "memory")
	}
	if len(m.entries[p]) == 0 {
		return journal.Entry{}, kinds.Errorf(kinds.NotFound, "memory: empty")
	}
	return m.entries[p][m.seqs[p][len(m.seqs[p])-1]], nil
}

func (m *memory) Tail(ctx context.Context, p journal.Partition, limit int) (found []journal.Entry, err error) {
	if limit < 1 || limit > 1000 {
		return nil, kinds.Errorf(kinds.Invalid, "memory: tail of %d", limit)
	}
	if _, err := m.Last(ctx, p); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	size := 0
	for _, seq := range slices.Backward(m.seqs[p]) {
		e := m.entries[p][seq]
		size += len(e.Data)
		if len(found) == limit || len(found) > 0 && size > journal.MaxPage {
			break
		}
		found = append(found, e)
	}
	slices.Reverse(found)
	return found, nil
}

func (m *memory) Trim(_ context.Context, p journal.Partition, through uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.seqs[p]) > 1 && m.seqs[p][0] <= through {
		delete(m.entries[p], m.seqs[p][0])
		m.seqs[p] = m.seqs[p][1:]
	}
	return nil
}

func (m *memory) Watch(_ context.Context, p journal.Partition, watcher string, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p == "" || watcher == "" || ttl <= 0 {
		return kinds.Errorf(kinds.Invalid, "memory: watch")
	}
	if m.watchers[p] == nil {
		m.watchers[p] = map[string]time.Time{}
	}
	m.watchers[p][watcher] = m.now().Add(ttl)
	return nil
}

func (m *memory) Unwatch(_ context.Context, p journal.Partition, watcher string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watchers[p], watcher)
	return nil
}

func (m *memory) Watchers(_ context.Context, p journal.Partition) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.watchers[p], func(_ string, until time.Time) bool { return !until.After(m.now()) })
	return slices.Sorted(maps.Keys(m.watchers[p])), nil
}
