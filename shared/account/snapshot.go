package account

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// A snapshot is an account's state as it is after some entry, so that nobody has to fold
// what was before. It is spread over objects of the blob store that are written once:
//
//	"GWS" version
//	sections: pieces of mailboxes' indexes, blocks of contents, tombs
//	the front: sections that most who open the account need, then the manifest
//	length of the manifest (4 bytes, big endian) "GWS" version
//
// Each section is compressed by itself; whoever refers to it has its place, length and
// checksum. The manifest refers to all that the snapshot is made of, in this object and
// in older ones; Standing.Snapshot refers to the manifest.
const (
	snapshotMagic   = "GWS"
	snapshotVersion = 1
	snapshotHead    = len(snapshotMagic) + 1
	snapshotTail    = 4 + snapshotHead
)

// Limits of what is read: bytes of a section as it is stored, and unpacked.
const (
	maxSnapshotRef = 100
	maxManifest    = 64 << 20
	maxFront       = 256 << 20
	maxSection     = 4 << 20
)

// section is where some bytes of a snapshot are.
type section struct {
	Object string // within the account's folder
	Off    int64
	Len    uint32
	Sum    uint32 // CRC-32C of the bytes as they are stored
}

func (s section) end() int64 { return s.Off + int64(s.Len) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// snapshotRef is Standing.Snapshot: which object has the manifest, where the front begins
// and the manifest's checksum.
type snapshotRef struct {
	object string
	front  int64
	sum    uint32
}

// newObject names an object of the account. Names are in the order of what they hold.
func newObject(seq uint64) string {
	return fmt.Sprintf("%011s-%s", strconv.FormatUint(seq, 32), strings.ToLower(rand.Text()[:12]))
}

// objectSeq is the number of the last entry that went into an object, 0 if the name is none.
func objectSeq(object string) uint64 {
	digits, _, ok := strings.Cut(object, "-")
	seq, err := strconv.ParseUint(digits, 32, 64)
	if !ok || err != nil || seq > maxSeq {
		return 0
	}
	return seq
}

func (r snapshotRef) String() string {
	return fmt.Sprintf("1.%s.%s.%08x", strings.TrimLeft(r.object, "0"), strconv.FormatInt(r.front, 36), r.sum)
}

func parseSnapshotRef(s string) (r snapshotRef, err error) {
	f := strings.Split(s, ".")
	if len(f) > 0 && f[0] != "1" && f[0] != "" {
		return r, kinds.Errorf(kinds.TooNew, "account: a snapshot of form %.10q", f[0])
	}
	if len(f) == 4 && len(f[3]) == 8 {
		digits, _, _ := strings.Cut(f[1], "-")
		r.object = strings.Repeat("0", max(0, 11-len(digits))) + f[1]
		sum, err1 := strconv.ParseUint(f[3], 16, 32)
		front, err2 := strconv.ParseInt(f[2], 36, 64)
		r.front, r.sum = front, uint32(sum)
		if err1 == nil && err2 == nil && front >= int64(snapshotHead) && objectSeq(r.object) > 0 && r.String() == s {
			return r, nil
		}
	}
	return snapshotRef{}, kinds.Errorf(kinds.Corrupt, "account: %.100q names no snapshot", s)
}

// folder is where the account's snapshots are in the blob store. It has the name of the first
// epoch: later ones go on with what is there.
func (r Ref) folder() string {
	tenant := r.Tenant
	if tenant == "" {
		tenant = "-"
	}
	return "s/" + tenant + "/" + string(r.in(1).Partition()) + "/"
}

// The coders keep no state from one section to the next. An account's sections are small:
// one goroutine each is enough.
var zip = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // the options are constant
	}
	return e
})

var unzip = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxManifest))
	if err != nil {
		panic(err)
	}
	return d
})

// packSection gives the bytes of a section as they are stored: their number, then all of them
// compressed.
func packSection(raw []byte) []byte {
	return zip().EncodeAll(raw, binary.AppendUvarint(nil, uint64(len(raw))))
}

// unpackSection is the reverse of packSection. It takes no more memory than limit allows.
func unpackSection(stored []byte, limit int) ([]byte, error) {
	size, n := binary.Uvarint(stored)
	if n <= 0 || size > uint64(limit) {
		return nil, kinds.Errorf(kinds.Corrupt, "account: a section of %d bytes that says it has %d", len(stored), size)
	}
	out, err := unzip().DecodeAll(stored[n:], make([]byte, 0, size))
	if err != nil || uint64(len(out)) != size {
		return nil, kinds.Errorf(kinds.Corrupt, "account: a section of %d bytes unpacks to %d, not %d: %v", len(stored), len(out), size, err)
	}
	return out, nil
}

// readObject reads n bytes of an object from off; n < 0: up to the end, at most limit.
func (s *Store) readObject(ctx context.Context, ref Ref, object string, off, n, limit int64) ([]byte, error) {
	name := ref.folder() + object
	r, err := s.cfg.Blobs.Driver.Open(ctx, name, off, n)
	if err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "account: snapshot object "+name)
	}
	defer r.Close()
	var b []byte
	if n >= 0 {
		b = make([]byte, n)
		read, err2 := io.ReadFull(r, b)
		if err = err2; err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, kinds.Errorf(kinds.Corrupt, "account: snapshot object %s ends after %d of %d bytes from %d", name, read, n, off)
		}
	} else {
		b, err = io.ReadAll(io.LimitReader(r, limit+1))
	}
	if err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "account: read snapshot object "+name)
	}
	if int64(len(b)) > limit {
		return nil, kinds.Errorf(kinds.Corrupt, "account: snapshot object %s has more than %d bytes from %d", name, limit, off)
	}
	return b, nil
}

// damaged says of which section an error is.
func damaged(ref Ref, at section, err error) error {
	return kinds.Errorf(kinds.Of(err), "account: snapshot object %s%s, bytes %d to %d: %w", ref.folder(), at.Object, at.Off, at.end(), err)
}

// verify checks the stored bytes of a section and unpacks them.
func verify(ref Ref, at section, stored []byte, limit int) ([]byte, error) {
	if sum := checksum(stored); sum != at.Sum {
		return nil, damaged(ref, at, kinds.Errorf(kinds.Corrupt, "the checksum is %08x, not %08x", sum, at.Sum))
	}
	b, err := unpackSection(stored, limit)
	if err != nil {
		return nil, damaged(ref, at, err)
	}
	return b, nil
}
