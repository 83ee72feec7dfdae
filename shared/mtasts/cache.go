package mtasts

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sync/singleflight"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	space   = "mta-sts"
	version = 1
	// lookEvery is when a domain is looked at again, also one whose policy could not be had.
	//
	// RFC 8461, section 3.3: further attempts are limited to a period of five minutes or longer
	lookEvery = 5 * time.Minute
	// freshFor is when a policy is fetched again that goes on under the same id.
	//
	// RFC 8461, section 10.2: a sender refreshes a policy before it expires, so that nobody can wait for that.
	freshFor = 24 * time.Hour
	maxKept  = 10_000
)

// Resolver looks records up; *resolver.Resolver.
type Resolver interface {
	TXT(ctx context.Context, name string) (texts []string, authentic bool, err error)
}

// Cache finds policies and keeps them, in records, so that all processes know them. Safe
// for concurrent use.
type Cache struct {
	Records  records.Driver
	Resolver Resolver
	Fetch    func(ctx context.Context, domain string) ([]byte, error) // as of Fetcher
	Now      func() time.Time

	mu      sync.Mutex
	kept    map[string]kept
	flights singleflight.Group
}

type kept struct {
	found Found
	until time.Time
}

// Found is what is known of a domain.
type Found struct {
	Policy *Policy // nil: none that is valid
	// Trouble is why there is no policy although one is announced, or none that is newer:
	// kinds.Invalid, kinds.Denied (the certificate of its host) or kinds.Unavailable; nil.
	Trouble error
}

// stored is the record of a policy.
type stored struct {
	Version   uint8  `cbor:"1,keyasint"`
	ID        string `cbor:"2,keyasint"` // that was announced when it was fetched
	Text      []byte `cbor:"3,keyasint"`
	FetchedMS int64  `cbor:"4,keyasint"`
}

// Find gives a domain's policy. An error is only given when the records can't be read: then
// nobody knows, and mail must wait.
func (c *Cache) Find(ctx context.Context, domain string) (Found, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	c.mu.Lock()
	known, ok := c.kept[domain]
	c.mu.Unlock()
	if ok && c.Now().Before(known.until) {
		return known.found, nil
	}
	res, err, _ := c.flights.Do(domain, func() (any, error) {
		found, err := c.look(context.WithoutCancel(ctx), domain)
		if err == nil {
			c.keep(domain, found)
		}
		return found, err
	})
	return res.(Found), err
}

func (c *Cache) keep(domain string, found Found) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[string]kept{}
	}
	for old := range c.kept { // whose turn it is to go is left to chance
		if len(c.kept) < maxKept {
			break
		}
		delete(c.kept, old)
	}
	c.kept[domain] = kept{found, c.Now().Add(lookEvery)}
}

// look asks the DNS whether there is a policy, and gives the one that is kept, or a newer
// one. That the DNS announces none, or can't be asked, takes nothing away from the one that
// is kept (RFC 8461, section 5.1).
func (c *Cache) look(ctx context.Context, domain string) (Found, error) {
	texts, _, err := c.Resolver.TXT(ctx, "_mta-sts."+domain)
	id := ""
	if err == nil {
		id = ParseRecord(texts)
	}
	have, policy, at, err := c.read(ctx, domain)
	if err != nil || id == "" {
		return Found{Policy: policy}, err
	}
	if policy != nil {
		age := c.Now().Sub(time.UnixMilli(have.FetchedMS))
		if have.ID == id && age < min(freshFor, policy.MaxAge/2) {
			return Found{Policy: policy}, nil
		}
	}
	text, err := c.Fetch(ctx, domain)
	var newer *Policy
	if err == nil {
		newer, err = Parse(text)
	}
	if err != nil {
		// RFC 8461, section 5.1: the policy that is kept applies until it expires.
		return Found{Policy: policy, Trouble: err}, nil
	}
	c.write(ctx, domain, stored{version, id, text, c.Now().UnixMilli()}, newer.MaxAge, at)
	return Found{Policy: newer}, nil
}

// read gives the policy that is kept, nil if there is none.
func (c *Cache) read(ctx context.Context, domain string) (s stored, p *Policy, at uint64, err error) {
	found, err := c.Records.Get(ctx, records.Key{Space: space, ID: domain})
	if err != nil || len(found) == 0 {
		return s, nil, 0, err
	}
	if err := cbor.Unmarshal(found[0].Value, &s); err != nil || s.Version != version {
		return s, nil, 0, kinds.Errorf(kinds.Corrupt, "mtasts: the policy of %s can't be read: %v", domain, err)
	}
	p, err = Parse(s.Text)
	if err != nil || !c.Now().Before(time.UnixMilli(s.FetchedMS).Add(p.MaxAge)) {
		return s, nil, found[0].Version, nil
	}
	return s, p, found[0].Version, nil
}

// write keeps a policy. Should that fail, it is fetched again; when another was quicker, his
// is as good.
func (c *Cache) write(ctx context.Context, domain string, s stored, age time.Duration, at uint64) {
	value, err := cbor.Marshal(s)
	if err != nil {
		return
	}
	_, _ = c.Records.Put(ctx, records.Record{Key: records.Key{Space: space, ID: domain}, Value: value, Expires: c.Now().Add(age)}, at)
}
