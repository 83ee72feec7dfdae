package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Limits of what is read from a backup, which somebody may have changed.
const (
	maxPiece    = 8 << 20   // bytes of one piece; a longer blob is several
	maxPack     = 64 << 20  // bytes of one pack
	maxIndex    = 32 << 20  // bytes of a pack's index
	maxManifest = 512 << 20 // bytes
	maxSeq      = 1<<40 - 1
)

// What a piece is.
const (
	ofJournal = iota + 1 // some entries of a journal, one after the other
	ofBlob               // an object of the blob store, or a part of it
	ofRecords            // records of the directory
)

// piece is a run of bytes in a pack.
type piece struct {
	_     struct{} `cbor:",toarray"`
	What  uint8
	Name  string // the partition, or the blob's name; of records ""
	First uint64 // the first entry, or the offset in the blob
	Last  uint64 // the last entry, or the size of the whole blob
	Off   int64  // in the pack
	Len   int64
	Sum   uint32 // CRC-32C of the bytes
}

// A pack is: "GWP" version, pieces, index (CBOR), its length and its CRC-32C (4 bytes each,
// big endian), "GWP" version.
const (
	packMagic = "GWP\x01"
	packTail  = 8 + len(packMagic)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// closePack adds the index to what a pack holds.
func closePack(pack []byte, index []piece) ([]byte, error) {
	enc, err := cbor.Marshal(index)
	if err != nil {
		return nil, kinds.Wrap(kinds.Internal, err, "backup: encode index")
	}
	pack = append(pack, enc...)
	pack = binary.BigEndian.AppendUint32(pack, uint32(len(enc)))
	pack = binary.BigEndian.AppendUint32(pack, checksum(enc))
	return append(pack, packMagic...), nil
}

// indexSize reads the end of a pack of that many bytes.
func indexSize(tail []byte, size int64) (n int64, sum uint32, err error) {
	if len(tail) != packTail || string(tail[8:]) != packMagic {
		return 0, 0, kinds.Errorf(kinds.Corrupt, "it does not end as a pack of this version")
	}
	n = int64(binary.BigEndian.Uint32(tail))
	if n > maxIndex || n > size-int64(packTail+len(packMagic)) {
		return 0, 0, kinds.Errorf(kinds.Corrupt, "an index of %d bytes", n)
	}
	return n, binary.BigEndian.Uint32(tail[4:]), nil
}

// decodeIndex reads the index of a pack whose pieces end at end.
func decodeIndex(enc []byte, sum uint32, end int64) ([]piece, error) {
	if checksum(enc) != sum {
		return nil, kinds.Errorf(kinds.Corrupt, "the index has another checksum")
	}
	var index []piece
	if err := unmarshal(enc, &index); err != nil {
		return nil, err
	}
	for i := range index {
		if why := index[i].check(end); why != "" {
			return nil, kinds.Errorf(kinds.Corrupt, "piece %d has %s", i, why)
		}
	}
	return index, nil
}

func (p *piece) check(end int64) string {
	if p.Len < 0 || p.Len > maxPiece || p.Off < int64(len(packMagic)) || p.Off > end || p.Len > end-p.Off {
		return "a place outside of its pack"
	}
	switch p.What {
	case ofJournal:
		if p.Name == "" || len(p.Name) > 100 || p.First == 0 || p.Last < p.First || p.Last > maxSeq {
			return "entries that can't be"
		}
	case ofBlob:
		if blob.CheckName(p.Name) != nil {
			return "a name that no blob has"
		}
		if p.Last > 1<<50 || p.First > p.Last || uint64(p.Len) > p.Last-p.First || p.Len == 0 && p.Last > 0 {
			return "a part that is not within its blob"
		}
	case ofRecords:
	default:
		return "no kind that is known"
	}
	return ""
}

// manifest is what a run says. Of the directory it has all, of journals and blobs what was
// not in the runs before.
type manifest struct {
	Version  uint8           `cbor:"1,keyasint"`
	Run      int             `cbor:"2,keyasint"`
	Parent   []byte          `cbor:"3,keyasint,omitempty"` // SHA-256 of the manifest before
	Started  int64           `cbor:"4,keyasint"`           // milliseconds
	Ended    int64           `cbor:"5,keyasint"`
	Packs    []manifestPack  `cbor:"6,keyasint,omitempty"`
	Accounts []manifestPart  `cbor:"7,keyasint,omitempty"` // those that have changed
	Records  []manifestPlace `cbor:"8,keyasint,omitempty"` // pieces of records
	Entries  int64           `cbor:"9,keyasint,omitempty"`
	Blobs    int64           `cbor:"10,keyasint,omitempty"`
	Bytes    int64           `cbor:"11,keyasint,omitempty"` // of packs
	Gone     int64           `cbor:"12,keyasint,omitempty"` // blobs that entries name and that had been released
}

type manifestPack struct {
	_      struct{} `cbor:",toarray"`
	Number int
	Size   int64
	Sum    []byte // SHA-256
}

// manifestPart is how much of a journal the backup has now.
type manifestPart struct {
	_       struct{} `cbor:",toarray"`
	Ref     account.Ref
	From    uint64 // the first entry: 1, or one after a snapshot that is in the backup
	Through uint64
}

type manifestPlace struct {
	_     struct{} `cbor:",toarray"`
	Pack  int
	Piece int // in the pack's index
}

const manifestMagic = "GWM\x01"

// encodeManifest gives the bytes of a manifest: "GWM" version, SHA-256 of what follows, CBOR.
func encodeManifest(m *manifest) ([]byte, error) {
	m.Version = 1
	enc, err := cbor.Marshal(m)
	if err != nil {
		return nil, kinds.Wrap(kinds.Internal, err, "backup: encode manifest")
	}
	if len(enc) > maxManifest {
		return nil, kinds.Errorf(kinds.Limit, "backup: a manifest of %d bytes", len(enc))
	}
	sum := sha256.Sum256(enc)
	return append(append([]byte(manifestMagic), sum[:]...), enc...), nil
}

func decodeManifest(b []byte, run int) (*manifest, error) {
	enc, ok := bytes.CutPrefix(b, []byte(manifestMagic))
	if !ok || len(enc) < sha256.Size {
		if bytes.HasPrefix(b, []byte(manifestMagic[:3])) && len(b) > 3 && b[3] > manifestMagic[3] {
			return nil, kinds.Errorf(kinds.TooNew, "it is of version %d", b[3])
		}
		return nil, kinds.Errorf(kinds.Corrupt, "it is no manifest")
	}
	sum := sha256.Sum256(enc[sha256.Size:])
	if !bytes.Equal(sum[:], enc[:sha256.Size]) {
		return nil, kinds.Errorf(kinds.Corrupt, "it has another checksum")
	}
	m := new(manifest)
	if err := unmarshal(enc[sha256.Size:], m); err != nil {
		return nil, err
	}
	if m.Version != 1 || m.Run != run {
		return nil, kinds.Errorf(kinds.Corrupt, "it is of version %d and run %d", m.Version, m.Run)
	}
	last := 0
	for _, p := range m.Packs {
		if p.Number <= last || p.Number > maxPacks || p.Size < 0 || p.Size > maxPack || len(p.Sum) != sha256.Size {
			return nil, kinds.Errorf(kinds.Corrupt, "pack %d after pack %d, of %d bytes", p.Number, last, p.Size)
		}
		last = p.Number
	}
	for _, a := range m.Accounts {
		if a.From == 0 || a.Through < a.From || a.Through > maxSeq || !sane(a.Ref) {
			return nil, kinds.Errorf(kinds.Corrupt, "an account with entries %d to %d", a.From, a.Through)
		}
	}
	return m, nil
}

// sane tells whether a reference may be one: parts of names are made of it.
func sane(r account.Ref) bool {
	return !strings.Contains(string(r.ID)+r.Tenant, "/") && blob.CheckName("s/"+r.Tenant+"x/"+string(r.Partition())+"/x") == nil && r.ID != "" && r.Epoch > 0 && len(r.ID) <= 64
}

// unmarshal is strict, so that nothing that a newer version has written is left out.
func unmarshal(b []byte, v any) error {
	dec, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		UTF8: cbor.UTF8DecodeInvalid, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 8,
		MaxArrayElements: 10_000_000, MaxMapPairs: 64}.DecMode()
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "backup: decode")
	}
	err = dec.Unmarshal(b, v)
	if unknown := (*cbor.UnknownFieldError)(nil); errors.As(err, &unknown) {
		return kinds.Wrap(kinds.TooNew, err, "decode")
	}
	return kinds.Wrap(kinds.Corrupt, err, "decode")
}

// packedEntry and packedRecord are what pieces of journals and of records are lists of.
type packedEntry struct {
	_    struct{} `cbor:",toarray"`
	Seq  uint64
	Op   string
	Data []byte
}

type packedRecord struct {
	_         struct{} `cbor:",toarray"`
	Space, ID []byte
	Value     []byte
}

func encodeEntries(list []journal.Entry) ([]byte, error) {
	out := make([]packedEntry, len(list))
	for i, e := range list {
		out[i] = packedEntry{Seq: e.Seq, Op: e.Op, Data: e.Data}
	}
	b, err := cbor.Marshal(out)
	return b, kinds.Wrap(kinds.Internal, err, "backup: encode entries")
}

// decodeEntries reads a piece that must hold the entries from first to last.
func decodeEntries(b []byte, first, last uint64) ([]journal.Entry, error) {
	var in []packedEntry
	if err := unmarshal(b, &in); err != nil {
		return nil, err
	}
	if uint64(len(in)) != last-first+1 {
		return nil, kinds.Errorf(kinds.Corrupt, "%d entries and not %d to %d", len(in), first, last)
	}
	list := make([]journal.Entry, len(in))
	for i, e := range in {
		if e.Seq != first+uint64(i) {
			return nil, kinds.Errorf(kinds.Corrupt, "entry %d where %d should be", e.Seq, first+uint64(i))
		}
		list[i] = journal.Entry{Seq: e.Seq, Op: e.Op, Data: e.Data}
	}
	return list, nil
}

func encodeRecords(list []records.Record) ([]byte, error) {
	out := make([]packedRecord, len(list))
	for i, r := range list {
		out[i] = packedRecord{Space: []byte(r.Space), ID: []byte(r.ID), Value: r.Value}
	}
	b, err := cbor.Marshal(out)
	return b, kinds.Wrap(kinds.Internal, err, "backup: encode records")
}

func decodeRecords(b []byte) ([]records.Record, error) {
	var in []packedRecord
	if err := unmarshal(b, &in); err != nil {
		return nil, err
	}
	list := make([]records.Record, len(in))
	for i, r := range in {
		list[i] = records.Record{Key: records.Key{Space: string(r.Space), ID: string(r.ID)}, Value: r.Value}
	}
	return list, nil
}
