package imap

// bitsOf are bits that may be given back.
type bitsOf struct {
	bits uint64
	n    uint
}

func (b *bitsOf) take(k uint) (v int, ok bool) {
	if b.n < k {
		return 0, false
	}
	v = int(b.bits & (1<<k - 1))
	b.bits >>= k
	b.n -= k
	return v, true
}

// huffman is a code: how many symbols there are of each length, and the symbols in order.
type huffman struct {
	count  [16]uint16
	symbol [288]uint16
}

// build makes the code of which the lengths are given, 0 for a symbol that isn't used.
//
// RFC 1951, section 3.2.2: All codes of a given bit length have lexicographically consecutive values, in the same order as the symbols they represent; Shorter codes lexicographically precede longer codes.
func (h *huffman) build(lengths []byte) error {
	h.count = [16]uint16{}
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	left := 1
	var at [16]uint16
	for n := 1; n < 16; n++ {
		left = left<<1 - int(h.count[n])
		if left < 0 {
			return errDeflate
		}
		if n < 15 {
			at[n+1] = at[n] + h.count[n]
		}
	}
	for symbol, n := range lengths {
		if n != 0 {
			h.symbol[at[n]] = uint16(symbol)
			at[n]++
		}
	}
	return nil
}

// decode reads one symbol; ok is false if there are too few bits.
func (h *huffman) decode(b *bitsOf) (symbol int, ok bool, err error) {
	code, first, index := 0, 0, 0
	for n := 1; n < 16; n++ {
		bit, ok := b.take(1)
		if !ok {
			return 0, false, nil
		}
		code |= bit
		count := int(h.count[n])
		if code-count < first {
			return int(h.symbol[index+code-first]), true, nil
		}
		index, first = index+count, (first+count)<<1
		code <<= 1
	}
	return 0, false, errDeflate
}

// fixed makes the codes that need not be told.
func (z *inflater) fixed() {
	var lengths [288]byte
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	_ = z.lit.build(lengths[:]) // it is whole
	for i := range 30 {
		lengths[i] = 5
	}
	_ = z.dist.build(lengths[:30])
}

// dynamic reads codes.
//
// RFC 1951, section 3.2.7: 5 Bits: HLIT, # of Literal/Length codes - 257 (257 - 286)
func (z *inflater) dynamic() error {
	var sizes [3]int
	for i, k := range [...]uint{5, 5, 4} {
		v, err := z.take(k)
		if err != nil {
			return err
		}
		sizes[i] = v
	}
	lits, dists := sizes[0]+257, sizes[1]+1
	if lits > 286 || dists > 30 {
		return errDeflate
	}
	var lengths [320]byte
	order := [...]byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	for _, at := range order[:sizes[2]+4] {
		v, err := z.take(3)
		if err != nil {
			return err
		}
		lengths[at] = byte(v)
	}
	if err := z.lit.build(lengths[:19]); err != nil {
		return err
	}
	lengths = [320]byte{}
	for i := 0; i < lits+dists; {
		n, value, err := z.repeated(lengths[:i])
		if err != nil {
			return err
		}
		if i+n > lits+dists {
			return errDeflate
		}
		for range n {
			lengths[i] = value
			i++
		}
	}
	if lengths[256] == 0 {
		return errDeflate // the block would have no end
	}
	if err := z.lit.build(lengths[:lits]); err != nil {
		return err
	}
	return z.dist.build(lengths[lits : lits+dists])
}

// repeated reads a length, and how often it stands there.
func (z *inflater) repeated(before []byte) (n int, value byte, err error) {
	var symbol int
	for ok := false; !ok; {
		z.fill()
		b := bitsOf{z.bits, z.n}
		if symbol, ok, err = z.lit.decode(&b); err != nil {
			return 0, 0, err
		}
		if ok {
			z.bits, z.n = b.bits, b.n
		} else if err := z.more(); err != nil {
			return 0, 0, err
		}
	}
	least, extra := 1, uint(0)
	switch symbol {
	case 16:
		if len(before) == 0 {
			return 0, 0, errDeflate
		}
		value, least, extra = before[len(before)-1], 3, 2
	case 17:
		least, extra = 3, 3
	case 18:
		least, extra = 11, 7
	default:
		value = byte(symbol)
	}
	n, err = z.take(extra)
	return n + least, value, err
}
