package account

import (
	"context"
)

// What a message that was expunged was made of stays in the snapshots for as long as the
// past can be told. Then it is left out of the next one, with the names of deliveries from
// before the window, when there is so much of it that writing the rest again pays.
const (
	buryShare = 8  // one in so many
	buryPacks = 32 // that are written again at once
)

// bury makes a snapshot without the contents that no mailbox had at the base, nor has since.
func (s *Store) bury(ctx context.Context, ref Ref, base, newest *snapshot) (n int, err error) {
	old := newest.man.contentsUpTo(base.man.Seq)
	if dead := old - base.man.Standing.Totals.Messages; dead <= 0 || dead < old/buryShare {
		return 0, nil
	}
	a, err := s.open(ctx, ref, false)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	d, err := a.core.draft(ctx, false, true)
	if d == nil || err != nil || d.prev == nil || d.prev.seq() < newest.seq() {
		return 0, err
	}
	live := map[ContentRef]struct{}{}
	past := base.man.state(ref)
	for _, at := range []struct {
		state *State
		snap  *snapshot
	}{{past, base}, {d.state, d.prev}} {
		for _, m := range at.state.boxes {
			if err := s.warm(ctx, at.state, at.snap, []need{{box: m.ID, whole: true}}); err != nil {
				return 0, err
			}
			for _, x := range at.state.MailboxByID(m.ID).Messages() {
				live[x.Content] = struct{}{}
			}
		}
	}
	d.named = base.man.Seq + 1
	n, err = d.bury(ctx, func(c ContentRef) bool {
		_, lives := live[c]
		return !lives && c.Seq <= base.man.Seq
	})
	if err != nil || n == 0 {
		return 0, err
	}
	done, err := a.core.finish(ctx, d)
	if err != nil || done.Bytes == 0 {
		return 0, err
	}
	return n, nil
}

// contentsUpTo estimates how many contents there are of entries up to seq: of a block that
// has also later ones, as large a part as of its entries.
func (m *manifest) contentsUpTo(seq uint64) (n int64) {
	for i := range m.Packs {
		for j, b := range m.Packs[i].Blocks {
			if last := m.lastIn(i, j); last <= seq {
				n += int64(b.Count)
			} else if b.First <= seq {
				n += int64(float64(b.Count) * float64(seq-b.First+1) / float64(last-b.First+1))
			}
		}
	}
	return n
}

// bury prepares the packs in which there is something dead, and says how much.
func (d *draft) bury(ctx context.Context, dead func(ContentRef) bool) (n int, err error) {
	d.buried = map[int][]packBlock{}
	for i := range d.prev.man.Packs {
		p := &d.prev.man.Packs[i]
		if p.Blocks[0].First >= d.named || len(d.buried) == buryPacks {
			break
		}
		sections := d.prev.man.sections(p)
		stored, err := d.store.readSections(ctx, d.ref, d.prev, sections)
		if err != nil {
			return 0, err
		}
		var kept []record
		for _, at := range sections {
			records, err := readBlock(d.ref, at, stored[at])
			if err != nil {
				return 0, err
			}
			for _, r := range records {
				if !dead(r.ref) {
					kept = append(kept, r)
				}
			}
		}
		if gone := p.contents() - len(kept); gone > 0 {
			n += gone
			if d.buried[i], err = encodeBlocks(kept); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}
