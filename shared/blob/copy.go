package blob

import (
	"bytes"
	"context"
	"io"

	"github.com/fxamacker/cbor/v2"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// CopyFrom writes under name, with a header of its own, what ref points to in another store,
// durably. Frames are copied as they are; it holds them in memory, and fails with
// kinds.Corrupt when there are fewer bytes than ref says.
func (s Store) CopyFrom(ctx context.Context, from Store, ref Ref, name string, h Header) (Ref, error) {
	size, err := ref.Stored()
	if err != nil {
		return Ref{}, err
	}
	size -= int64(ref.Header)
	if ref.Size < 0 || size < 0 {
		return Ref{}, kinds.Errorf(kinds.Corrupt, "blob %s: %d bytes", ref.Name, size)
	}
	version := byte(framed)
	if len(ref.Frames) == 0 && ref.Size > 0 {
		version = plain
	}
	head, err := encodeHeader(h, version)
	if err != nil {
		return Ref{}, err
	}
	r, err := from.Driver.Open(ctx, ref.Name, int64(ref.Header), size)
	if err != nil {
		return Ref{}, err
	}
	defer r.Close()
	// Not make(size): it is what somebody says, and need not be there.
	stored, err := io.ReadAll(io.LimitReader(r, size))
	if err != nil {
		return Ref{}, err
	}
	if int64(len(stored)) != size {
		return Ref{}, kinds.Errorf(kinds.Corrupt, "blob %s: it ends after %d bytes of %d", ref.Name, len(stored), size)
	}
	to := Ref{Name: name, Header: uint32(len(head)), Size: ref.Size, Frames: ref.Frames}
	return to, s.Driver.Put(ctx, name, &joined{head, bytes.NewReader(stored)}, int64(len(head))+size)
}

// encodeHeader gives what stands before the content.
func encodeHeader(h Header, version byte) ([]byte, error) {
	enc, err := cbor.Marshal(h)
	if err != nil {
		return nil, kinds.Wrap(kinds.Internal, err, "blob: encode header")
	}
	if len(enc) > maxHeader {
		return nil, kinds.Errorf(kinds.Limit, "blob: header of %d bytes", len(enc))
	}
	head := make([]byte, 0, prefixSize+len(enc))
	head = append(head, magic...)
	head = append(head, version, byte(len(enc)>>24), byte(len(enc)>>16), byte(len(enc)>>8), byte(len(enc)))
	return append(head, enc...), nil
}
