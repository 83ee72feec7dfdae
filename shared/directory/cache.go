package directory

import (
	"sync"
	"time"
)

// How many answers are kept.
const (
	maxResolved = 50_000
	maxScopes   = 10_000
)

// cache keeps answers for CacheFor. Of addresses and scopes it is never given a "no such thing".
type cache[V any] struct {
	now func() time.Time
	max int

	mu         sync.Mutex
	generation uint64 // of clear
	kept       map[string]kept[V]
}

type kept[V any] struct {
	v    V
	read time.Time // when the oldest record of the answer was read
}

func newCache[V any](now func() time.Time, limit int) *cache[V] {
	return &cache[V]{now: now, max: limit, kept: make(map[string]kept[V])}
}

// get gives an answer that is young enough, and when it was read.
func (c *cache[V]) get(key string) (v V, read time.Time, ok bool) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[key]
	if !ok {
		return v, read, false
	}
	if now.Sub(k.read) >= CacheFor {
		delete(c.kept, key)
		return v, read, false
	}
	return k.v, k.read, true
}

// begin is called before what is to be kept is read; put needs its result.
func (c *cache[V]) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation
}

// put keeps an answer, unless the cache was cleared while it was being found.
func (c *cache[V]) put(begun uint64, key string, v V, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if begun != c.generation {
		return
	}
	if len(c.kept) >= c.max {
		c.shrink()
	}
	c.kept[key] = kept[V]{v, read}
}

// shrink drops what is too old, and then whatever comes first until a tenth is free: an
// entry that was dropped too early costs one read.
func (c *cache[V]) shrink() {
	now := c.now()
	for key, k := range c.kept {
		if now.Sub(k.read) >= CacheFor {
			delete(c.kept, key)
		}
	}
	for key := range c.kept {
		if len(c.kept) <= c.max-c.max/10-1 {
			return
		}
		delete(c.kept, key)
	}
}

// clear forgets everything: this process has changed something.
func (c *cache[V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	clear(c.kept)
}
