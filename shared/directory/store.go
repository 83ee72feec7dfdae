package directory

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// ErrStale is in the chain of the error when a change was to be made to a version that
// is no longer the newest. Its kind is Conflict.
var ErrStale = errors.New("directory: it was changed meanwhile")

// MaxPage is how many objects one page lists at most.
const MaxPage = 500

// retries bounds how often an unconditional change is made again after losing a race.
const retries = 10

func serviceKey() records.Key { return records.Key{Space: "dir/service", ID: "service"} }

func tenantKey(tenant string) records.Key { return records.Key{Space: "dir/tenants", ID: tenant} }

func domainKey(domain string) records.Key { return records.Key{Space: "dir/domains", ID: domain} }

// entryKey is the record of an address in key form; a space is a domain, so that load
// spreads.
func entryKey(address string) records.Key {
	i := strings.LastIndexByte(address, '@')
	return records.Key{Space: addressSpace(address[i+1:]), ID: address[:max(i, 0)]}
}

func addressSpace(domain string) string { return "dir/addresses/" + domain }

// claimKey names one of a tenant's own notes; what is "domain" or "account".
func claimKey(tenant, what, name string) records.Key {
	return records.Key{Space: "dir/tenant/" + tenant, ID: what + "/" + name}
}

// tag names a version. A thing that was deleted and made again has other tags.
func tag(created int64, version uint64) string {
	return strconv.FormatInt(created, 36) + "-" + strconv.FormatUint(version, 36)
}

// read gives one record; ok is false when it is not there.
func read[T any](ctx context.Context, d *Directory, k records.Key) (v T, version uint64, ok bool, err error) {
	found, err := d.records.Get(ctx, k)
	if err != nil || len(found) == 0 {
		return v, 0, false, err
	}
	v, err = decode[T](found[0])
	return v, found[0].Version, err == nil, err
}

func decode[T any](r records.Record) (v T, err error) {
	if err := cbor.Unmarshal(r.Value, &v); err != nil {
		return v, kinds.Errorf(kinds.Corrupt, "directory: a record of %s: %w", r.Space, err)
	}
	return v, nil
}

// write puts one record and makes this process forget what it knew.
func (d *Directory) write(ctx context.Context, k records.Key, v any, ifVersion uint64) (uint64, error) {
	value, err := cbor.Marshal(v)
	if err != nil {
		return 0, kinds.Wrap(kinds.Internal, err, "directory: encode a record")
	}
	defer d.forget()
	return d.records.Put(ctx, records.Record{Key: k, Value: value}, ifVersion)
}

func (d *Directory) remove(ctx context.Context, k records.Key, ifVersion uint64) error {
	defer d.forget()
	return d.records.Delete(ctx, k, ifVersion)
}

func (d *Directory) forget() {
	d.resolved.clear()
	d.scopes.clear()
	d.members.clear()
	d.senders.clear()
	d.routes.clear()
}

// change reads a record, changes and writes it. match, when it isn't empty, is the tag
// of the only version that may be changed; else a lost race is run again. created gives
// the time that tags carry; check may refuse what was read.
func change[T any](ctx context.Context, d *Directory, k records.Key, match string, created func(*T) int64, check, edit func(*T) error) (T, uint64, error) {
	var none T
	for range retries {
		v, version, ok, err := read[T](ctx, d, k)
		if err != nil {
			return none, 0, err
		}
		if !ok {
			return none, 0, errAbsent()
		}
		if err := check(&v); err != nil {
			return none, 0, err
		}
		if match != "" && match != tag(created(&v), version) {
			return none, 0, kinds.Wrap(kinds.Conflict, ErrStale, "")
		}
		before, err := cbor.Marshal(&v)
		if err != nil {
			return none, 0, kinds.Wrap(kinds.Internal, err, "directory: encode a record")
		}
		if err := edit(&v); err != nil {
			return none, 0, err
		}
		if after, err := cbor.Marshal(&v); err == nil && bytes.Equal(before, after) {
			return v, version, nil
		}
		written, err := d.write(ctx, k, &v, version)
		if changed := (*records.Changed)(nil); errors.As(err, &changed) {
			continue
		}
		return v, written, err
	}
	return none, 0, kinds.Errorf(kinds.Conflict, "directory: too many changes at once")
}

// errAbsent is the one answer for what isn't there and for what isn't the asker's.
func errAbsent() error { return kinds.Errorf(kinds.NotFound, "directory: no such object") }

func errExists(what string) error {
	return kinds.Errorf(kinds.Exists, "directory: this %s is taken", what)
}

// isChanged tells whether a conditional put met a record that was there.
func isChanged(err error) bool {
	var changed *records.Changed
	return errors.As(err, &changed)
}

// randomID gives n random bytes in lower-case base32 without padding.
func randomID(n int) string { return lower32.EncodeToString(random(n)) }

// versionOf gives the version that a conditional removal names, 0 for any. match, when
// it isn't empty, must be the current tag.
func versionOf(match, current string) (uint64, error) {
	if match == "" {
		return 0, nil
	}
	if match != current {
		return 0, kinds.Wrap(kinds.Conflict, ErrStale, "")
	}
	return strconv.ParseUint(current[strings.LastIndexByte(current, '-')+1:], 36, 64)
}

// stale says of a conditional removal that lost a race what a caller's tag would.
func stale(err error) error {
	if isChanged(err) {
		return kinds.Wrap(kinds.Conflict, ErrStale, "")
	}
	return err
}
