package directory

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"time"
)

// A password that was right is known to be for provenTime: a mail program logs in again and
// again, and must not cost an evaluation of the hash each time.
const (
	provenTime = 10 * time.Minute
	maxProven  = 20_000
)

// proven remembers right passwords, each by a key of this process, of the hash that it fits:
// one that was changed, and so has another hash, is not known. Safe for concurrent use.
type proven struct {
	key []byte
	now func() time.Time

	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time
}

func newProven(now func() time.Time) *proven {
	return &proven{key: random(sha256.Size), now: now, until: map[[sha256.Size]byte]time.Time{}}
}

func (p *proven) name(hash, password string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(hash + "\x00" + password))
	h.Sum(sum[:0])
	return sum
}

// has tells whether the password was right a little while ago.
func (p *proven) has(hash, password string) bool {
	name := p.name(hash, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.until[name]
	if ok && !p.now().Before(until) {
		delete(p.until, name)
		ok = false
	}
	return ok
}

// add notes that the password is right.
func (p *proven) add(hash, password string) {
	name := p.name(hash, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	for old := range p.until {
		if len(p.until) < maxProven {
			break
		}
		delete(p.until, old)
	}
	p.until[name] = p.now().Add(provenTime)
}
