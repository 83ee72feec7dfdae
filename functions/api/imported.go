package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// The names of what was imported are in the journal, in the very entries that brought the
// messages, so there is no moment at which one is there without the other. As entries
// are trimmed some day, the names are kept beside it, too: each record has those of a run
// of entries and is found by the number of the last. Runs may overlap. What no record
// covers, because a request died before it wrote its own or because nobody has imported for
// a while, is read from the journal by whoever imports next. So nothing comes twice, unless
// a request dies between an entry and its record and nobody imports to the account
// again until the entry is trimmed, after two weeks at least.

// known is the record of a run of entries.
type known struct {
	After uint64 `cbor:"1,keyasint"` // the number before the first
	Names []byte `cbor:"2,keyasint"` // account.NameSize bytes each
}

// index has the names of what was imported.
type index struct {
	records  records.Driver
	accounts *account.Store
}

func (x index) key(ref account.Ref, last uint64) records.Key {
	return records.Key{Space: "imported/" + string(ref.Partition()), ID: fmt.Sprintf("%016x", last)}
}

func decodeKnown(r *records.Record) (last uint64, k known, err error) {
	if last, err = strconv.ParseUint(r.ID, 16, 64); err == nil {
		err = cbor.Unmarshal(r.Value, &k)
	}
	return last, k, kinds.Wrap(kinds.Corrupt, err, "api: a record of imported names")
}

// note keeps the names of the entries after one number up to another.
func (x index) note(ctx context.Context, ref account.Ref, after, last uint64, names []byte) error {
	k, version := known{after, names}, uint64(0)
	for range 5 {
		value, err := cbor.Marshal(k)
		if err != nil {
			return kinds.Wrap(kinds.Internal, err, "api: a record of imported names")
		}
		_, err = x.records.Put(ctx, records.Record{Key: x.key(ref, last), Value: value}, version)
		changed := (*records.Changed)(nil)
		if !errors.As(err, &changed) || changed.Current == nil {
			return err
		}
		// Somebody else has read the same entries, and maybe others before them.
		_, there, err := decodeKnown(changed.Current)
		if err != nil {
			return err
		}
		if there.After <= after && len(missing(names, there.Names)) == 0 {
			return nil
		}
		version, k = changed.Current.Version, known{min(after, there.After), append(there.Names, missing(names, there.Names)...)}
	}
	return kinds.Errorf(kinds.Conflict, "api: too many changes at once of a record of imported names")
}

// missing gives those of names that are not in there.
func missing(names, there []byte) (out []byte) {
	has := nameSet{}
	has.add(there)
	for ; len(names) >= account.NameSize; names = names[account.NameSize:] {
		if name := names[:account.NameSize]; !has.has(name) {
			out = append(out, name...)
		}
	}
	return out
}

// complete makes the records cover all entries up to the account's last, and gives its number.
// What it does is kept also where it can't be ended in time: then it goes on from there.
func (x index) complete(ctx context.Context, ref account.Ref) (last uint64, err error) {
	head, err := x.accounts.Head(ctx, ref)
	if err != nil {
		return 0, err
	}
	var covered uint64
	page, after := []records.Record(nil), ""
	for more := true; more; {
		if page, err = x.records.List(ctx, x.key(ref, 0).Space, "", after, maxKnown); err != nil {
			return 0, err
		}
		for i := range page {
			to, k, err := decodeKnown(&page[i])
			if err != nil {
				return 0, err
			}
			if err := x.read(ctx, ref, covered, k.After); err != nil {
				return 0, err
			}
			covered, after = max(covered, to), page[i].ID
		}
		more = len(page) == maxKnown
	}
	if after == "" { // nobody has ever imported
		return head.Seq, x.note(ctx, ref, 0, head.Seq, nil)
	}
	return max(covered, head.Seq), x.read(ctx, ref, covered, head.Seq)
}

// maxKnown is how many records are read at once.
const maxKnown = 200

// read notes what the journal has after one number up to another.
func (x index) read(ctx context.Context, ref account.Ref, after, last uint64) error {
	for after < last {
		names, reached, err := x.accounts.Imported(ctx, ref, after, last)
		if err != nil {
			return err
		}
		if err := x.note(ctx, ref, after, reached, names); err != nil {
			return err
		}
		after = reached
	}
	return nil
}

// maxNames is how many names a page has at least, if there are so many.
const maxNames = 20_000

// page gives names of the account as it was in an epoch, after a record, and the record after which it
// goes on, "" at the end.
func (x index) page(ctx context.Context, ref account.Ref, after string) (names []byte, next string, err error) {
	for len(names) < maxNames*account.NameSize {
		list, err := x.records.List(ctx, x.key(ref, 0).Space, "", after, maxKnown)
		if err != nil {
			return nil, "", err
		}
		for i := range list {
			_, k, err := decodeKnown(&list[i])
			if err != nil {
				return nil, "", err
			}
			names, after = append(names, k.Names...), list[i].ID
			if len(names) >= maxNames*account.NameSize {
				return names, after, nil
			}
		}
		if len(list) < maxKnown {
			return names, "", nil
		}
	}
	return names, after, nil
}

// nameSet is a set of names.
type nameSet map[[account.NameSize]byte]struct{}

// add takes names that stand one after the other.
func (s nameSet) add(names []byte) {
	for ; len(names) >= account.NameSize; names = names[account.NameSize:] {
		s[[account.NameSize]byte(names)] = struct{}{}
	}
}

func (s nameSet) has(name []byte) bool {
	_, ok := s[[account.NameSize]byte(name)]
	return ok
}
