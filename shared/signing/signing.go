// Package signing keeps the keys by which domains sign their mail (DKIM), and signs. A key
// is used from when it is seen in the DNS, so that nobody has to say that it is there, and
// a new one takes the place of an old one without a gap.
package signing

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	space   = "dkim"
	version = 1
	rsaBits = 2048
	// maxPairs is how many pairs of keys a domain has: the one in use, and one before and after.
	maxPairs = 3
	keep     = 5 * time.Minute // for which keys that were read are used again
	maxKept  = 10_000
)

// Resolver looks keys up; *resolver.Resolver.
type Resolver interface {
	TXT(ctx context.Context, name string) (texts []string, authentic bool, err error)
}

// Keys is safe for concurrent use.
type Keys struct {
	Records  records.Driver
	Resolver Resolver
	Now      func() time.Time

	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	pairs []pair
	until time.Time
}

// stored is a domain's record.
type stored struct {
	Version uint8  `cbor:"1,keyasint"`
	Pairs   []pair `cbor:"2,keyasint"` // the newest first
}

// pair is an RSA and an Ed25519 key, which sign together.
//
// RFC 8463, section 3: a signer that signs with Ed25519 signs with RSA too, for those who don't know it.
type pair struct {
	Name    string `cbor:"1,keyasint"` // begins both selectors
	RSA     []byte `cbor:"2,keyasint"` // PKCS #8
	Ed25519 []byte `cbor:"3,keyasint"` // its seed
	MadeMS  int64  `cbor:"4,keyasint"`
}

// Record is what a key's owner puts into the DNS.
type Record struct {
	Name  string // SELECTOR._domainkey.DOMAIN
	Value string
	Made  time.Time
	Live  bool // it is there
}

// List gives the records of a domain's keys, the newest first; a domain that has none gets
// its first.
func (k *Keys) List(ctx context.Context, domain string) ([]Record, error) {
	s, at, err := k.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	if len(s.Pairs) == 0 {
		if s, err = k.add(ctx, domain, s, at); err != nil {
			return nil, err
		}
	}
	var list []Record
	for i := range s.Pairs {
		signers, err := s.Pairs[i].signers(domain)
		if err != nil {
			return nil, err
		}
		for _, signer := range signers {
			value, err := signer.Record()
			if err != nil {
				return nil, err
			}
			live, _ := k.live(ctx, signer)
			list = append(list, Record{signer.Selector + "._domainkey." + domain, value, time.UnixMilli(s.Pairs[i].MadeMS).UTC(), live})
		}
	}
	return list, nil
}

// Rotate makes new keys for a domain. Those in use go on signing until the new ones are seen
// in the DNS. Of more than three pairs the oldest is forgotten.
func (k *Keys) Rotate(ctx context.Context, domain string) error {
	s, at, err := k.read(ctx, domain)
	if err != nil {
		return err
	}
	_, err = k.add(ctx, domain, s, at)
	return err
}

// Drop forgets a domain's keys, when its owner gives it up.
func (k *Keys) Drop(ctx context.Context, domain string) error {
	k.forget(domain)
	return k.Records.Delete(ctx, records.Key{Space: space, ID: domain}, 0)
}

// Sign gives the DKIM-Signature fields for a message, with the newest keys that are in the
// DNS; "" if there are none. kinds.Unavailable when nobody can say.
func (k *Keys) Sign(ctx context.Context, domain string, h *dkim.Header, bodyHash []byte) (string, error) {
	signers, err := k.inUse(ctx, domain)
	if err != nil {
		return "", err
	}
	fields := ""
	for _, s := range signers {
		field, err := s.Sign(h, bodyHash, k.Now())
		if err != nil {
			return "", err
		}
		fields += field
	}
	return fields, nil
}

// Seal gives the ARC set of a message that the domain forwards, as dkim.Signer.SealARC does;
// "" if the domain has no RSA key in the DNS: few know others there.
func (k *Keys) Seal(ctx context.Context, domain string, h *dkim.Header, bodyHash []byte, chain dkim.Chain, results string) (string, error) {
	signers, err := k.inUse(ctx, domain)
	if err != nil {
		return "", err
	}
	for _, s := range signers {
		if _, is := s.Key.(*rsa.PrivateKey); is {
			return s.SealARC(h, bodyHash, chain, results, k.Now())
		}
	}
	return "", nil
}

// inUse gives the newest keys of a domain that are in the DNS.
func (k *Keys) inUse(ctx context.Context, domain string) (list []*dkim.Signer, err error) {
	pairs, err := k.pairs(ctx, domain)
	if err != nil {
		return nil, err
	}
	for i := range pairs {
		signers, err := pairs[i].signers(domain)
		if err != nil {
			return nil, err
		}
		for _, s := range signers {
			live, err := k.live(ctx, s)
			if err != nil {
				return nil, err
			}
			if live {
				list = append(list, s)
			}
		}
		if len(list) > 0 {
			break
		}
	}
	return list, nil
}

// live tells whether a key is in the DNS as it is here.
func (k *Keys) live(ctx context.Context, s *dkim.Signer) (bool, error) {
	texts, _, err := k.Resolver.TXT(ctx, s.Selector+"._domainkey."+s.Domain)
	if kinds.Is(err, kinds.Unavailable) {
		return false, err
	}
	if err != nil || len(texts) != 1 {
		return false, nil
	}
	found, err := dkim.ParseKey(texts[0])
	if err != nil {
		return false, nil // something else is there
	}
	public, is := s.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return is && public.Equal(found.Public), nil
}

// pairs gives a domain's keys, which may be a few minutes old.
func (k *Keys) pairs(ctx context.Context, domain string) ([]pair, error) {
	k.mu.Lock()
	known, ok := k.kept[domain]
	k.mu.Unlock()
	if ok && k.Now().Before(known.until) {
		return known.pairs, nil
	}
	s, _, err := k.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= maxKept {
		k.kept = map[string]kept{}
	}
	k.kept[domain] = kept{s.Pairs, k.Now().Add(keep)}
	return s.Pairs, nil
}

func (k *Keys) forget(domain string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.kept, domain)
}

func (k *Keys) read(ctx context.Context, domain string) (s stored, at uint64, err error) {
	found, err := k.Records.Get(ctx, records.Key{Space: space, ID: domain})
	if err != nil || len(found) == 0 {
		return s, 0, err
	}
	if err := cbor.Unmarshal(found[0].Value, &s); err != nil {
		return s, 0, kinds.Errorf(kinds.Corrupt, "signing: the keys of %s: %w", domain, err)
	}
	if s.Version != version {
		return s, 0, kinds.Errorf(kinds.TooNew, "signing: the keys of %s are of version %d", domain, s.Version)
	}
	return s, found[0].Version, nil
}

// add makes a pair. kinds.Conflict when somebody else has just made one.
func (k *Keys) add(ctx context.Context, domain string, s stored, at uint64) (stored, error) {
	p, err := newPair(k.Now())
	if err != nil {
		return s, err
	}
	s.Version, s.Pairs = version, slices.Insert(s.Pairs, 0, p)
	s.Pairs = s.Pairs[:min(len(s.Pairs), maxPairs)]
	value, err := cbor.Marshal(s)
	if err != nil {
		return s, kinds.Wrap(kinds.Internal, err, "signing: encode")
	}
	_, err = k.Records.Put(ctx, records.Record{Key: records.Key{Space: space, ID: domain}, Value: value}, at)
	k.forget(domain)
	return s, err
}

func newPair(now time.Time) (p pair, err error) {
	big, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return p, kinds.Wrap(kinds.Internal, err, "signing: make a key")
	}
	if p.RSA, err = x509.MarshalPKCS8PrivateKey(big); err != nil {
		return p, kinds.Wrap(kinds.Internal, err, "signing: make a key")
	}
	p.Ed25519 = make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(p.Ed25519) // never fails
	p.Name = fmt.Sprintf("gw%s%s", now.UTC().Format("200601"), strings.ToLower(rand.Text()[:4]))
	p.MadeMS = now.UnixMilli()
	return p, nil
}

// signers gives the pair's keys, ready to sign.
func (p *pair) signers(domain string) ([]*dkim.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(p.RSA)
	big, is := key.(*rsa.PrivateKey)
	if err != nil || !is || len(p.Ed25519) != ed25519.SeedSize {
		return nil, kinds.Errorf(kinds.Corrupt, "signing: a key of %s can't be read", domain)
	}
	return []*dkim.Signer{{Domain: domain, Selector: p.Name + "r", Key: big}, {Domain: domain, Selector: p.Name + "e", Key: ed25519.NewKeyFromSeed(p.Ed25519)}}, nil
}
