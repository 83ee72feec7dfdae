package oidc

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	fresh    = time.Hour        // for which keys are taken as they are
	stale    = 24 * time.Hour   // for which they are when the provider can't be reached
	between  = time.Minute      // two readings, whatever clients ask for
	patience = 10 * time.Second // for both documents
	maxKeys  = 100
	minRSA   = 2048 // bits
)

// issuer is a provider, and its keys as they were read last.
type issuer struct {
	url   string
	mu    sync.Mutex // held while they are read, so that many clients cause one reading
	keys  []jose.JSONWebKey
	read  time.Time
	tried time.Time
	err   error // of the last reading
}

// find gives the keys with the name, all if it is "", that may sign by the algorithm. What
// isn't known, or has been known for long, is read, at most once in a while: a key that has
// come meanwhile is found, and who makes up names of keys gets nowhere.
func (i *issuer) find(ctx context.Context, v *Verifier, name, algorithm string) ([]jose.JSONWebKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := v.now()
	found := i.named(name, algorithm)
	if (len(found) == 0 || now.Sub(i.read) >= fresh) && (i.tried.IsZero() || now.Sub(i.tried) >= between) {
		i.tried = now
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience) // others need them, too
		defer cancel()
		var keys []jose.JSONWebKey
		if keys, i.err = v.fetch(ctx, i.url); i.err == nil {
			i.keys, i.read = keys, now
			found = i.named(name, algorithm)
		}
	}
	if i.read.IsZero() || now.Sub(i.read) >= stale {
		return nil, kinds.Wrap(kinds.Unavailable, i.err, "oidc: no keys of the provider")
	}
	return found, nil
}

func (i *issuer) named(name, algorithm string) (found []jose.JSONWebKey) {
	for _, k := range i.keys {
		if (name == "" || k.KeyID == name) && (k.Algorithm == "" || k.Algorithm == algorithm) {
			found = append(found, k)
		}
	}
	return found
}

// fetch reads a provider's keys.
//
// OpenID Connect Discovery 1.0, section 4.3: the issuer in the document MUST be identical to the one that it was asked for.
func (v *Verifier) fetch(ctx context.Context, url string) ([]jose.JSONWebKey, error) {
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	client := newClient(v.private)
	if err := client.get(ctx, Configuration(url), &about); err != nil {
		return nil, err
	}
	if about.Issuer != url {
		return nil, kinds.Errorf(kinds.Invalid, "oidc: the provider at %s says that it is %.200q", url, about.Issuer)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := client.get(ctx, about.Keys, &set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && usable(k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// usable tells whether a key is for signatures, and good enough.
func usable(k jose.JSONWebKey) bool {
	if r, ok := k.Key.(*rsa.PublicKey); ok && r.N.BitLen() < minRSA {
		return false
	}
	return k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig")
}
