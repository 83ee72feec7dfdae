package account

import (
	"errors"

	"github.com/klauspost/compress/zstd"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// An entry lies in the journal packed if that makes it smaller: the octet formPacked, then
// a frame of Zstandard (RFC 8878), which names the dictionary that it leans on. An entry
// that brings a mail has 2.5 to 3.1 KB, packed 1.4 to 1.8 KB, so that the store asks for
// two units to write it and not for three or four, and as much less to trim it.
const formPacked = 1

const (
	dictionaryID = 1
	packAtOnce   = 2       // packing takes 20 µs, and memory is held for each
	packWindow   = 1 << 19 // not less than MaxEntry
)

// Both never change and are safe for concurrent use.
var packer, unpacker = packers()

func packers() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderDictRaw(dictionaryID, []byte(dictionary1)),
		zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(packAtOnce), zstd.WithWindowSize(packWindow))
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, []byte(dictionary1)),
		zstd.WithDecoderConcurrency(packAtOnce), zstd.WithDecoderMaxMemory(MaxEntry), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic(err)
	}
	enc.EncodeAll([]byte{0}, nil) // the first use makes what all share: not within a test's bubble of time
	return enc, dec
}

// pack gives the stored form of an encoded entry.
func pack(plain []byte) []byte {
	stored := packer.EncodeAll(plain, append(make([]byte, 0, len(plain)), formPacked))
	if len(stored) >= len(plain) {
		return plain
	}
	return stored
}

// unpack undoes pack. kinds.TooNew for a form, or a dictionary, that isn't known.
func unpack(stored []byte) ([]byte, error) {
	if len(stored) == 0 || stored[0] >= 0x20 {
		return stored, nil // a map of CBOR: an entry as it is
	}
	if stored[0] != formPacked {
		return nil, kinds.Errorf(kinds.TooNew, "account: an entry of form %d", stored[0])
	}
	plain, err := unpacker.DecodeAll(stored[1:], nil)
	switch {
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return nil, kinds.Errorf(kinds.TooNew, "account: an entry that leans on a dictionary not known: %w", err)
	case err != nil:
		return nil, kinds.Errorf(kinds.Corrupt, "account: unpack entry: %w", err)
	case len(plain) == 0 || plain[0] < 0x20:
		return nil, kinds.Errorf(kinds.Corrupt, "account: a packed entry holds none")
	}
	return plain, nil
}
