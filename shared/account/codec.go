package account

import (
	"errors"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Version is the format of entries that this package writes, and the newest MinReader
// that it may fold. Since 2 there is Op.Snapshot, since 3 there are grants, readers' own
// \Seen, Add.Use and annotations, since 4 Op.Epoch and CreateMailbox.UIDNext; an entry
// without them asks for no more than reader 1.
const Version = 4

func minReader(ops []Op) uint8 {
	least := uint8(1)
	for i := range ops {
		switch op := &ops[i]; {
		case op.Epoch != nil, op.CreateMailbox != nil && op.CreateMailbox.UIDNext > 0,
			op.Create != nil && slices.ContainsFunc(op.Create.Mailboxes, func(c CreateMailbox) bool { return c.UIDNext > 0 }):
			return 4
		case op.SetACL != nil, op.SeenBy != nil, op.SeenMode != nil, op.Add != nil && op.Add.Use != "", op.Metadata != nil:
			least = 3
		case op.Snapshot != nil:
			least = max(least, 2)
		}
	}
	return least
}

// Limits of decoding.
const (
	maxNested = 16
	maxItems  = 131072 // elements of one array: ranges of three bytes each fill an entry before
	maxOps    = 1 << 16
)

// The modes never change. Strings are taken as they are, so that nothing that was
// written can fail to be read.
var encMode, decMode = modes()

func modes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8DecodeInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   maxNested,
		MaxArrayElements:  maxItems,
		MaxMapPairs:       64,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}

// Encode gives the bytes of an entry, the same for the same entry; kinds.Limit when
// they are more than MaxEntry.
func Encode(e *Entry) ([]byte, error) {
	b, err := encMode.Marshal(e)
	if err != nil {
		return nil, kinds.Wrap(kinds.Internal, err, "account: encode entry")
	}
	if len(b) > MaxEntry || len(e.Ops) > maxOps {
		return nil, kinds.Errorf(kinds.Limit, "account: an entry of %d bytes and %d operations", len(b), len(e.Ops))
	}
	return b, nil
}

// Decode reads an entry, packed or not: kinds.TooNew when a newer version wrote something that this
// one must not skip, kinds.Corrupt for anything else that is no entry.
func Decode(b []byte) (*Entry, error) {
	if len(b) > MaxEntry {
		return nil, kinds.Errorf(kinds.Corrupt, "account: an entry of %d bytes", len(b))
	}
	b, err := unpack(b)
	if err != nil {
		return nil, err
	}
	e := new(Entry)
	if err := unmarshal(b, e); err != nil {
		if probe(b) > Version {
			return nil, kinds.Errorf(kinds.TooNew, "account: decode entry: %w", err)
		}
		return nil, err
	}
	if e.MinReader > Version || e.KeyID != "" {
		return nil, kinds.Errorf(kinds.TooNew, "account: entry %d needs reader %d, key %q", e.Seq, e.MinReader, e.KeyID)
	}
	if len(e.Ops) > maxOps {
		return nil, kinds.Errorf(kinds.Corrupt, "account: entry %d has %d operations", e.Seq, len(e.Ops))
	}
	return e, nil
}

// unmarshal decodes: kinds.TooNew when there is a field that is not known, which a newer
// version has added.
func unmarshal(b []byte, v any) error {
	err := decMode.Unmarshal(b, v)
	var unknown *cbor.UnknownFieldError
	if errors.As(err, &unknown) {
		return kinds.Errorf(kinds.TooNew, "account: decode: %w", err)
	}
	return kinds.Wrap(kinds.Corrupt, err, "account: decode")
}

// probe finds MinReader in an entry of which nothing else may be known.
func probe(b []byte) uint8 {
	var header struct {
		MinReader uint8 `cbor:"2,keyasint"`
	}
	if cbor.Unmarshal(b, &header) != nil {
		return 0
	}
	return header.MinReader
}

// decode reads an item of a journal and checks that it is what the journal says it is.
func decode(item journal.Entry) (*Entry, error) {
	e, err := Decode(item.Data)
	if err != nil {
		return nil, err
	}
	if e.Seq != item.Seq || e.Op != item.Op {
		return nil, kinds.Errorf(kinds.Corrupt, "account: item %d (%s) holds entry %d (%s)", item.Seq, item.Op, e.Seq, e.Op)
	}
	return e, nil
}
