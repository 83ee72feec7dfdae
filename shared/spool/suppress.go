package spool

import (
	"context"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

const suppressed = "suppressed"

// Why an address is suppressed.
const (
	Bounced    = "bounce"    // there is nobody
	Complained = "complaint" // whoever it is called our mail spam
)

// Suppressed is an address to which mail of a tenant is not sent any more.
type Suppressed struct {
	Tenant  string `cbor:"1,keyasint"`
	Address string `cbor:"2,keyasint"`
	Reason  string `cbor:"3,keyasint"` // Bounced or Complained
	Said    string `cbor:"4,keyasint,omitempty"`
	AtMS    int64  `cbor:"5,keyasint"`
	ID      string `cbor:"-"`
}

// suppressedID names an address, whatever its case: who has complained of joe@ does not want
// Joe@ either.
func suppressedID(tenant, address string) string { return tenant + ":" + strings.ToLower(address) }

// Suppress notes that an address is not sent to any more. What was noted before stays.
func (s *Spool) Suppress(ctx context.Context, a Suppressed) error {
	value, err := cbor.Marshal(a)
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "spool: encode")
	}
	_, err = s.Records.Put(ctx, records.Record{Key: records.Key{Space: suppressed, ID: suppressedID(a.Tenant, a.Address)}, Value: value}, 0)
	if kinds.Is(err, kinds.Conflict) {
		return nil
	}
	return err
}

// SuppressedOf gives those of the addresses (1..MaxOutgoing) that are suppressed, by the
// address as it was given.
func (s *Spool) SuppressedOf(ctx context.Context, tenant string, addresses []string) (map[string]Suppressed, error) {
	var keys []records.Key
	given := map[string][]string{}
	for _, a := range addresses {
		id := suppressedID(tenant, a)
		if given[id] == nil {
			keys = append(keys, records.Key{Space: suppressed, ID: id})
		}
		given[id] = append(given[id], a)
	}
	found, err := s.Records.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	of := map[string]Suppressed{}
	for _, r := range found {
		v, err := decodeSuppressed(r)
		if err != nil {
			return nil, err
		}
		for _, a := range given[r.ID] {
			of[a] = v
		}
	}
	return of, nil
}

// ListSuppressed gives addresses that are suppressed for a tenant (for all, if tenant is ""),
// after the ID given. Fewer than limit (1..records.MaxPage) means the end.
func (s *Spool) ListSuppressed(ctx context.Context, tenant, after string, limit int) ([]Suppressed, error) {
	if limit < 1 || limit > records.MaxPage {
		return nil, kinds.Errorf(kinds.Invalid, "spool: a page of %d", limit)
	}
	prefix := ""
	if tenant != "" {
		prefix = tenant + ":"
	}
	found, err := s.Records.List(ctx, suppressed, prefix, after, limit)
	list := make([]Suppressed, len(found))
	for i, r := range found {
		if err == nil {
			list[i], err = decodeSuppressed(r)
		}
	}
	return list, err
}

// Unsuppress lets an address be sent to again; kinds.NotFound.
func (s *Spool) Unsuppress(ctx context.Context, id string) error {
	if id == "" || len(id) > records.MaxKey {
		return kinds.Errorf(kinds.NotFound, "spool: no such address")
	}
	key := records.Key{Space: suppressed, ID: id}
	found, err := s.Records.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return kinds.Errorf(kinds.NotFound, "spool: no such address")
	}
	return s.Records.Delete(ctx, key, 0)
}

func decodeSuppressed(r records.Record) (v Suppressed, err error) {
	if err := cbor.Unmarshal(r.Value, &v); err != nil {
		return v, kinds.Errorf(kinds.Corrupt, "spool: a suppressed address: %w", err)
	}
	v.ID = r.ID
	return v, nil
}
