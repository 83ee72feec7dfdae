package blob

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// FrameSize is how many bytes of content one frame holds at most; only the last frame of
// a blob holds fewer. A range costs the reading of all frames that it touches.
const FrameSize = 64 << 10

const (
	// A frame with less content is not compressed: a file takes whole blocks of the disk.
	minCompressed = 4 << 10
	// frameExtra is by how many bytes a frame may be longer than its content: header,
	// block headers, checksum.
	frameExtra = 64
	sumSize    = 4 // the checksum at a frame's end: XXH64 of its content, the low half
)

// codec holds what encoding and decoding use again: nothing that one use leaves in it
// is seen by the next. Encoders and decoders are as many as there are processors.
type codec struct {
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	frames  sync.Pool // of *[]byte, FrameSize+frameExtra long
	readers sync.Pool // of *scratch
}

// scratch is what one reader needs.
type scratch struct {
	in      *bufio.Reader
	content [FrameSize]byte
}

var frames = newCodec()

func newCodec() *codec {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(FrameSize), zstd.WithSingleSegment(true),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true), zstd.WithAllLitEntropyCompression(true)) // the last: base64 has nothing else to save
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(FrameSize), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err)
	}
	enc.EncodeAll([]byte{0}, nil) // the first use makes what all share: not within a test's bubble of time
	c := &codec{enc: enc, dec: dec}
	c.frames.New = func() any { b := make([]byte, FrameSize+frameExtra); return &b }
	c.readers.New = func() any { return &scratch{in: bufio.NewReaderSize(nil, 4<<10)} }
	return c
}

// encode makes a frame of content, 1 to FrameSize bytes, in the memory of dst. The
// content is compressed where that saves a tenth of it.
func (c *codec) encode(dst, content []byte) ([]byte, error) {
	if len(content) >= minCompressed {
		if dst = c.enc.EncodeAll(content, dst[:0]); len(dst) <= len(content)/10*9 {
			return dst, nil
		}
	}
	h := zstd.Header{SingleSegment: true, HasFCS: true, FrameContentSize: uint64(len(content)), HasCheckSum: true}
	dst, err := h.AppendTo(dst[:0])
	if err != nil {
		return nil, kinds.Wrap(kinds.Internal, err, "blob: frame header")
	}
	const last, raw = 1, 0
	block := last | raw<<1 | len(content)<<3
	dst = append(dst, byte(block), byte(block>>8), byte(block>>16))
	dst = append(dst, content...)
	return binary.LittleEndian.AppendUint32(dst, uint32(xxhash.Sum64(content))), nil
}

// read reads the next frame, no matter where it ends, into dst, which is long enough for
// any: its bytes, and how many of content it holds, 1 to FrameSize.
//
// RFC 8878, section 3.1.1: a frame is a header, blocks of which the last is marked, and a checksum that is optional; here it must be there, as must the size of the content.
func (c *codec) read(in *bufio.Reader, dst []byte) (frame []byte, content int64, err error) {
	head, err := in.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF { // the last frame may be shorter
		return nil, 0, cut(err)
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return nil, 0, kinds.Errorf(kinds.Corrupt, "blob: frame header: %w", err)
	}
	if h.Skippable || !h.HasFCS || !h.HasCheckSum || h.FrameContentSize == 0 || h.FrameContentSize > FrameSize {
		return nil, 0, kinds.Errorf(kinds.Corrupt, "blob: a frame for %d bytes, or of another kind", h.FrameContentSize)
	}
	n := 0
	take := func(size int) error {
		if size > len(dst)-n {
			return kinds.Errorf(kinds.Corrupt, "blob: a frame that is longer than what it holds")
		}
		_, err := io.ReadFull(in, dst[n:n+size])
		n += size
		return cut(err)
	}
	if err := take(h.HeaderSize); err != nil {
		return nil, 0, err
	}
	for last := false; !last; {
		if err := take(3); err != nil {
			return nil, 0, err
		}
		b := int(dst[n-3]) | int(dst[n-2])<<8 | int(dst[n-1])<<16
		last = b&1 != 0
		size := b >> 3
		if b>>1&3 == 1 { // one byte, repeated
			size = 1
		}
		if err := take(size); err != nil {
			return nil, 0, err
		}
	}
	if err := take(sumSize); err != nil {
		return nil, 0, err
	}
	return dst[:n], int64(h.FrameContentSize), nil
}

// decode gives the content of a frame, in the memory of dst.
func (c *codec) decode(dst, frame []byte, content int64) ([]byte, error) {
	got, err := c.dec.DecodeAll(frame, dst[:0:content])
	if err != nil {
		return nil, kinds.Errorf(kinds.Corrupt, "blob: frame: %w", err)
	}
	if int64(len(got)) != content {
		return nil, kinds.Errorf(kinds.Corrupt, "blob: a frame of %d bytes for %d", len(got), content)
	}
	return got, nil
}

// sum is the checksum that a frame says its content has.
func sum(frame []byte) (s [sumSize]byte) {
	copy(s[:], frame[len(frame)-sumSize:])
	return s
}

// cut makes the early end of what is read an error of the kind Corrupt.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return kinds.Errorf(kinds.Corrupt, "blob: a frame cut short: %w", err)
	}
	return err
}
