package account

import "context"

// Packs are runs of blocks of contents, one after the other in one object. A snapshot adds
// one; eight small ones in a row become one that is larger, up to a size at which they stay.
const (
	packFan  = 8
	packSize = packFan * packFan * compactEvery // contents
)

// packBlock is a block on its way into a new object.
type packBlock struct {
	manifestBlock
	data []byte // as stored
}

// cutContents makes blocks of contents: all of one entry stay together.
func cutContents(list []record) (blocks [][]record) {
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n < blockContents && size < blockBytes || list[n].ref.Seq == list[n-1].ref.Seq) {
			size += list[n].size()
			n++
		}
		blocks = append(blocks, list[:n])
		list = list[n:]
	}
	return blocks
}

func encodeBlocks(list []record) (blocks []packBlock, err error) {
	for _, records := range cutContents(list) {
		raw, err := encodeBlock(records)
		if err != nil {
			return nil, err
		}
		data := packSection(raw)
		blocks = append(blocks, packBlock{data: data, manifestBlock: manifestBlock{First: records[0].ref.Seq,
			Count: uint32(len(records)), Len: uint32(len(data)), Sum: checksum(data)}})
	}
	return blocks, nil
}

func (p *manifestPack) contents() (n int) {
	for _, b := range p.Blocks {
		n += int(b.Count)
	}
	return n
}

// toMerge says how many of the last packs are to be joined with one of so many contents.
func toMerge(packs []manifestPack, fresh int) int {
	best := 0
	for size := packFan * compactEvery; size <= packSize; size *= packFan {
		n, total := 0, fresh
		for n < len(packs) && packs[len(packs)-1-n].contents() < size {
			total += packs[len(packs)-1-n].contents()
			n++
		}
		if n+1 >= packFan && fresh > 0 {
			best = n
		}
	}
	return best
}

// lastIn gives the last entry whose contents can be in a block.
func (m *manifest) lastIn(pack, block int) uint64 {
	if next := m.Packs[pack].Blocks; block+1 < len(next) {
		return next[block+1].First - 1
	}
	if pack+1 < len(m.Packs) {
		return m.Packs[pack+1].Blocks[0].First - 1
	}
	return m.Seq
}

// lookAtPack reads a pack and fails for what is broken in it.
func (s *Store) lookAtPack(ctx context.Context, ref Ref, snap *snapshot, p *manifestPack) error {
	sections := snap.man.sections(p)
	stored, err := s.readSections(ctx, ref, snap, sections)
	if err != nil {
		return err
	}
	for _, at := range sections {
		if _, err := readBlock(ref, at, stored[at]); err != nil {
			return err
		}
	}
	return nil
}

// mergePacks joins packs with new contents after them. Blocks that are nearly full stay as
// they are.
func (s *Store) mergePacks(ctx context.Context, ref Ref, prev *snapshot, packs []manifestPack, fresh []record) (blocks []packBlock, err error) {
	var pending []record
	flush := func() error {
		more, err := encodeBlocks(pending)
		blocks, pending = append(blocks, more...), nil
		return err
	}
	for i := range packs {
		sections := prev.man.sections(&packs[i])
		stored, err := s.readSections(ctx, ref, prev, sections)
		if err != nil {
			return nil, err
		}
		for j, at := range sections {
			b := packs[i].Blocks[j]
			if b.Count >= blockContents*3/4 {
				if checksum(stored[at]) != at.Sum {
					_, err := verify(ref, at, stored[at], maxBlock)
					return nil, err
				}
				if err := flush(); err != nil {
					return nil, err
				}
				blocks = append(blocks, packBlock{manifestBlock: b, data: stored[at]})
				continue
			}
			records, err := readBlock(ref, at, stored[at])
			if err != nil {
				return nil, err
			}
			pending = append(pending, records...)
		}
	}
	pending = append(pending, fresh...)
	return blocks, flush()
}
