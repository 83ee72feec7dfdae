package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// watchers are kept in memory: those whom they name live in this process and end with
// it, so a registration on disk would only ever outlive its watcher.
type watchers struct {
	mu     sync.Mutex
	until  map[journal.Partition]map[string]time.Time
	purged time.Time
}

const purgeEvery = 10 * time.Minute

// Watch registers a watcher until ttl has passed.
func (j *Journal) Watch(ctx context.Context, p journal.Partition, watcher string, ttl time.Duration) error {
	if p == "" || watcher == "" || ttl <= 0 {
		return kinds.Errorf(kinds.Invalid, "journal: a watch needs a partition, a watcher and a time")
	}
	now, w := j.now(), &j.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.purged) > purgeEvery {
		for p := range w.until {
			w.expire(p, now)
		}
		w.purged = now
	}
	if w.until[p] == nil {
		w.until[p] = map[string]time.Time{}
	}
	w.until[p][watcher] = now.Add(ttl)
	return nil
}

// Unwatch removes a registration.
func (j *Journal) Unwatch(ctx context.Context, p journal.Partition, watcher string) error {
	w := &j.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.until[p], watcher)
	if len(w.until[p]) == 0 {
		delete(w.until, p)
	}
	return nil
}

// Watchers lists who watches the partition, in byte order.
func (j *Journal) Watchers(ctx context.Context, p journal.Partition) ([]string, error) {
	w := &j.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.until[p]) == 0 {
		return nil, nil
	}
	w.expire(p, j.now())
	names := make([]string, 0, len(w.until[p]))
	for name := range w.until[p] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (w *watchers) expire(p journal.Partition, now time.Time) {
	for name, until := range w.until[p] {
		if !until.After(now) {
			delete(w.until[p], name)
		}
	}
	if len(w.until[p]) == 0 {
		delete(w.until, p)
	}
}
