package resolver

import (
	"sync"
	"time"
)

// maxTTL is how long an answer is kept at most, whatever it says.
const maxTTL = time.Hour

// cache keeps answers, also that there is none, for as long as they say. The zero value
// keeps nothing. Safe for concurrent use.
type cache struct {
	max  int
	mu   sync.Mutex
	kept map[question]kept
}

type kept struct {
	part
	err   error
	until time.Time
}

func (c *cache) get(q question, now time.Time) (part, error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[q]
	if !ok || !now.Before(k.until) {
		return part{}, nil, false
	}
	return k.part, k.err, true
}

func (c *cache) put(q question, p part, err error, now time.Time) {
	if c.max <= 0 || p.ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[question]kept{}
	}
	// Whose turn it is to go is left to chance, which a flood of names can't steer.
	if _, there := c.kept[q]; !there && len(c.kept) >= c.max {
		for old := range c.kept {
			delete(c.kept, old)
			break
		}
	}
	c.kept[q] = kept{p, err, now.Add(min(p.ttl, maxTTL))}
}
