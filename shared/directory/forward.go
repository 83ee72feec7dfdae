package directory

import (
	"context"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/srs"
	"github.com/godwit-mail/godwit/shared/records"
)

// The keys of reverse-paths.
const (
	srsRotate = 90 * 24 * time.Hour // after which there is a new key
	srsKeep   = 5 * time.Minute     // for which keys that were read are used again
	srsReady  = 3 * srsKeep         // after which a new key is used: everybody knows it by then
	// srsForget is when a key is forgotten, from when the next one was made: what it has made
	// is too old by then.
	srsForget = srs.MaxAge + 3*24*time.Hour
	srsSecret = 20 // octets
)

type srsKey struct {
	Secret []byte `cbor:"1,keyasint"`
	MadeMS int64  `cbor:"2,keyasint"`
}

// srsKeys are the keys as they were read, the newest first.
type srsKeys struct {
	keys []srsKey
	read time.Time
}

// ReversePath gives the reverse-path by which mail of from goes on when an address in domain,
// which is ours, leads it elsewhere: the next host finds (by SPF) that the domain may send it,
// and a notification finds back. A sender of ours stays who he is, and so does who can't be
// written in that way.
func (d *Directory) ReversePath(ctx context.Context, from address.Address, domain string) (address.Address, error) {
	if from.IsZero() || from.IsLiteral() {
		return from, nil
	}
	if _, _, _, err := d.fetch(ctx, from.Domain); !kinds.Is(err, kinds.Denied) {
		return from, err
	}
	scheme, err := d.scheme(ctx)
	if err != nil {
		return from, err
	}
	path, err := scheme.Rewrite(from, domain, d.now())
	if err != nil {
		return from, nil
	}
	return path, nil
}

// goesBack resolves a reverse-path that we have made.
func (d *Directory) goesBack(ctx context.Context, l *lookup, addr address.Address) (*Resolution, error) {
	scheme, err := d.scheme(ctx)
	if err != nil {
		return nil, err
	}
	to, err := scheme.Restore(addr.Local, d.now())
	if err != nil {
		return nil, errNoUser() // forged, or too old
	}
	return &Resolution{Tenant: l.domain.Tenant, Domain: addr.Domain, Remote: []string{to.String()}, Return: true}, nil
}

// scheme gives the keys of the service, of which there are always some, and a new one now and then.
func (d *Directory) scheme(ctx context.Context) (srs.Scheme, error) {
	if k := d.srs.Load(); k != nil && d.now().Sub(k.read) < srsKeep {
		return k.scheme(d.now()), nil
	}
	at := records.Key{Space: serviceKey().Space, ID: "srs"}
	now := d.now()
	for range retries {
		keys, version, ok, err := read[[]srsKey](ctx, d, at)
		if err != nil {
			return srs.Scheme{}, err
		}
		if !ok || len(keys) == 0 || now.Sub(Time(keys[0].MadeMS)) >= srsRotate {
			keys = append([]srsKey{{random(srsSecret), now.UnixMilli()}}, keys...)
			for i := range keys[1:] {
				if now.Sub(Time(keys[i].MadeMS)) >= srsForget {
					keys = slices.Clone(keys[:i+1])
					break
				}
			}
			if _, err := d.write(ctx, at, keys, version); isChanged(err) {
				continue // another process has made one
			} else if err != nil {
				return srs.Scheme{}, err
			}
		}
		k := &srsKeys{keys, now}
		d.srs.Store(k)
		return k.scheme(now), nil
	}
	return srs.Scheme{}, kinds.Errorf(kinds.Conflict, "directory: too many changes at once")
}

// scheme makes paths with the newest key that everybody knows.
func (k *srsKeys) scheme(now time.Time) srs.Scheme {
	use := len(k.keys) - 1
	for i, key := range k.keys {
		if now.Sub(Time(key.MadeMS)) >= srsReady {
			use = i
			break
		}
	}
	s := srs.Scheme{Keys: [][]byte{k.keys[use].Secret}}
	for i, key := range k.keys {
		if i != use {
			s.Keys = append(s.Keys, key.Secret)
		}
	}
	return s
}
