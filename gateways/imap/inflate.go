package imap

import (
	"errors"
	"io"
)

// inflater is a decompressor that gives what it has before it waits for more, and of which
// little but the window is left between two octets. The library's serves neither.
//
// QUIRK: mbsync ends what it says by a partial flush, which is no end for a decompressor that
// waits for an empty stored block.
//
// RFC 1951, section 3.2 has the format.
type inflater struct {
	receive func() ([]byte, error) // waits for more, which is good until the next call
	in      []byte
	bits    uint64 // taken from in, the next one lowest
	n       uint   // how many they are

	win    []byte // what has come out last
	at     int    // where in it begins what was not read
	phase  phase
	last   bool // the block at hand is the last one
	stored int  // octets of it that are to come
	lit    huffman
	dist   huffman
}

type phase uint8

const (
	atBlock phase = iota
	inStored
	inCodes
	atEnd
)

const (
	inflateWindow = 32 << 10
	inflateAtOnce = 8 << 10 // octets that come out before they are read
)

var errDeflate = errors.New("imap: this is no deflate stream")

// Read gives what comes out.
func (z *inflater) Read(p []byte) (int, error) {
	for {
		went, err := false, error(nil)
		if len(z.win)-z.at < inflateAtOnce {
			went, err = z.step()
		}
		if went && err == nil {
			continue
		}
		if n := copy(p, z.win[z.at:]); n > 0 {
			z.at += n
			if len(z.win) > 2*inflateWindow {
				cut := min(len(z.win)-inflateWindow, z.at)
				z.win = append(z.win[:0], z.win[cut:]...)
				z.at -= cut
			}
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if err := z.more(); err != nil {
			return 0, err
		}
	}
}

func (z *inflater) more() (err error) {
	if z.in, err = z.receive(); len(z.in) > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// fill takes as many bits as there are, and room for.
func (z *inflater) fill() {
	for z.n <= 56 && len(z.in) > 0 {
		z.bits |= uint64(z.in[0]) << z.n
		z.in = z.in[1:]
		z.n += 8
	}
}

// take takes k bits, 16 at most, and waits for them.
func (z *inflater) take(k uint) (int, error) {
	for z.fill(); z.n < k; z.fill() {
		if err := z.more(); err != nil {
			return 0, err
		}
	}
	v := int(z.bits & (1<<k - 1))
	z.bits >>= k
	z.n -= k
	return v, nil
}

// step goes on as far as it can without waiting; went is false where it can't.
func (z *inflater) step() (went bool, err error) {
	z.fill()
	switch z.phase {
	case atBlock:
		if z.n < 3 || z.bits>>1&3 == 0 && z.n < 3+(z.n-3)%8+32 { // of one that is stored
			return false, nil
		}
		return true, z.begin()
	case inStored:
		return z.copyStored(), nil
	case inCodes:
		return z.code()
	}
	return false, io.EOF
}

// begin reads what stands before a block. Of one with codes of its own it waits for all of
// that, which comes in one piece.
func (z *inflater) begin() error {
	v, err := z.take(3)
	if err != nil {
		return err
	}
	z.last = v&1 != 0
	switch v >> 1 {
	case 0:
		return z.beginStored()
	case 1:
		z.fixed()
	case 2:
		if err := z.dynamic(); err != nil {
			return err
		}
	default:
		return errDeflate
	}
	z.phase = inCodes
	return nil
}

func (z *inflater) beginStored() error {
	if _, err := z.take(z.n % 8); err != nil {
		return err
	}
	n, err := z.take(16)
	if err != nil {
		return err
	}
	inverse, err := z.take(16)
	if err != nil {
		return err
	}
	if n != inverse^0xffff {
		return errDeflate
	}
	z.stored, z.phase = n, inStored
	z.endStored()
	return nil
}

func (z *inflater) endStored() {
	if z.stored == 0 {
		z.end()
	}
}

func (z *inflater) end() {
	z.phase = atBlock
	if z.last {
		z.phase = atEnd
	}
}

func (z *inflater) copyStored() (went bool) {
	for z.stored > 0 && z.n >= 8 {
		z.win = append(z.win, byte(z.bits))
		z.bits >>= 8
		z.n -= 8
		z.stored--
		went = true
	}
	if n := min(z.stored, len(z.in), inflateAtOnce); n > 0 && z.n == 0 {
		z.win = append(z.win, z.in[:n]...)
		z.in = z.in[n:]
		z.stored -= n
		went = true
	}
	z.endStored()
	return went
}

// code reads a literal or a length with its distance, if all of it is there.
func (z *inflater) code() (went bool, err error) {
	b := bitsOf{z.bits, z.n}
	symbol, ok, err := z.lit.decode(&b)
	if !ok || err != nil {
		return false, err
	}
	switch {
	case symbol < 256:
		z.win = append(z.win, byte(symbol))
	case symbol == 256:
		z.end()
	default:
		length, ok, err := extended(symbol-257, 2, 3, 258, &b)
		if !ok || err != nil {
			return false, err
		}
		if symbol, ok, err = z.dist.decode(&b); !ok || err != nil {
			return false, err
		}
		distance, ok, err := extended(symbol, 1, 1, 0, &b)
		if !ok || err != nil {
			return false, err
		}
		if distance > len(z.win) || distance > inflateWindow {
			return false, errDeflate
		}
		for range length {
			z.win = append(z.win, z.win[len(z.win)-distance])
		}
	}
	z.bits, z.n = b.bits, b.n
	return true, nil
}

// extended gives the number that a symbol and the bits behind it stand for: 1<<low symbols
// for each number of extra bits, from least on. top is what the last length stands for.
//
// RFC 1951, section 3.2.5: the tables of lengths and distances follow this rule.
func extended(symbol int, low uint, least, top int, b *bitsOf) (v int, ok bool, err error) {
	if top > 0 && symbol == 28 {
		return top, true, nil
	}
	if top > 0 && symbol > 28 || symbol > 29 {
		return 0, false, errDeflate
	}
	if symbol < 1<<(low+1) {
		return symbol + least, true, nil
	}
	extra := uint(symbol>>low) - 1
	v, ok = b.take(extra)
	return (1<<low|symbol&(1<<low-1))<<extra + v + least, ok, nil
}
