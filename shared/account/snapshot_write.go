package account

import (
	"bytes"
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// draft is a snapshot that is being made.
type draft struct {
	store *Store
	ref   Ref
	prev  *snapshot // what it is built on; nil: nothing
	state *State    // one's own
	tail  []*Entry  // the last entries, as far as they are known
	// Standing.Snapshot, which is prev's unless that is broken.
	replaces string

	buried map[int][]packBlock // what is left of prev's packs from which something was left out
	named  uint64              // the names of deliveries of entries before this one with it
	whole  bool                // look at all contents; what is broken is made of the journal
	read   func(ctx context.Context, after, last uint64) ([]record, error)
	man    *manifest

	boxes  []boxDraft
	packs  []packDraft
	front  []*unit
	body   []*unit
	object []byte
	text   string
}

// packDraft is a pack that stays where it is, or new blocks.
type packDraft struct {
	old    *manifestPack // of prev
	blocks []packBlock
}

type boxDraft struct {
	units   []*unit
	carried int64
}

// points are about as far apart as this.
const (
	pointEvery = 72 * 60 * 60 * 1000 // milliseconds
)

// make puts the object together; records are the contents of the entries since prev.
func (d *draft) make(ctx context.Context, records []record) error {
	d.man = manifestOf(d.state, newObject(d.state.seq))
	if err := d.index(ctx); err != nil {
		return err
	}
	if err := d.contents(ctx, records); err != nil {
		return err
	}
	if d.prev != nil {
		d.man.NamesFrom = max(d.prev.man.NamesFrom, d.named)
	}
	return d.write()
}

// index plans all mailboxes and reads what is written again as it is.
func (d *draft) index(ctx context.Context) error {
	known, carried, last := d.known()
	for i := range d.state.boxes {
		units, cold := plan(d.state.boxes[i], known, d.store.rows)
		for len(cold) > 0 {
			got, err := d.store.readPieces(ctx, d.ref, d.prev, cold)
			if err != nil {
				return err
			}
			d.state.own(d.state.boxes[i].ID).fill(got)
			units, cold = plan(d.state.boxes[i], known, d.store.rows)
		}
		for _, u := range units {
			if u.old == nil {
				u.encode()
			}
		}
		front, body, now := arrange(units, last, carried[d.state.boxes[i].ID])
		d.front, d.body = append(d.front, front...), append(d.body, body...)
		d.boxes = append(d.boxes, boxDraft{units: units, carried: now})
	}
	return d.copies(ctx)
}

// known gives what the last snapshot has, and may be taken over.
func (d *draft) known() (known map[section]bool, carried map[MailboxID]int64, last string) {
	if d.prev == nil {
		return nil, nil, ""
	}
	known, carried = map[section]bool{}, map[MailboxID]int64{}
	for i := range d.prev.man.Boxes {
		b := &d.prev.man.Boxes[i]
		carried[b.ID] = b.Carried
		for j := range b.Pieces {
			known[d.prev.man.piece(&b.Pieces[j]).section] = true
		}
		if b.Tombs != nil {
			known[d.prev.man.piece(b.Tombs).section] = true
		}
	}
	return known, carried, d.prev.at.object
}

// copies reads the pieces that go into the new object as they are.
func (d *draft) copies(ctx context.Context) error {
	var list []section
	for _, units := range [][]*unit{d.front, d.body} {
		for _, u := range units {
			if u.data == nil {
				list = append(list, u.old.section)
			}
		}
	}
	stored, err := d.store.readSections(ctx, d.ref, d.prev, list)
	if err != nil {
		return err
	}
	for _, units := range [][]*unit{d.front, d.body} {
		for _, u := range units {
			if u.data != nil {
				continue
			}
			u.data = stored[u.old.section]
			if checksum(u.data) != u.old.Sum {
				_, err := verify(d.ref, u.old.section, u.data, maxGraves)
				return err
			}
			moved := *u.old
			u.piece = &moved
		}
	}
	return nil
}

// contents puts the new contents into a pack.
func (d *draft) contents(ctx context.Context, records []record) (err error) {
	var packs []manifestPack
	if d.prev != nil {
		packs = d.prev.man.Packs
	}
	for i := range packs {
		d.packs = append(d.packs, packDraft{old: &packs[i]})
	}
	n := toMerge(packs, len(records))
	if d.whole {
		sound, err := d.look(ctx, packs)
		if err != nil {
			return err
		}
		if !sound {
			n = 0
		}
	}
	for i, blocks := range d.buried {
		n, d.packs[i] = 0, packDraft{blocks: blocks}
	}
	blocks, err := d.store.mergePacks(ctx, d.ref, d.prev, packs[len(packs)-n:], records)
	if n > 0 && isDamage(err) {
		// What is broken stays where it is; the rest goes on.
		d.store.cfg.Log.Error("contents cannot be put together", "account", d.ref.Partition(), "error", err)
		n = 0
		blocks, err = encodeBlocks(records)
	}
	d.packs = slices.DeleteFunc(d.packs[:len(d.packs)-n], func(p packDraft) bool { return p.old == nil && len(p.blocks) == 0 })
	if len(blocks) > 0 {
		d.packs = append(d.packs, packDraft{blocks: blocks})
	}
	return err
}

// look reads all packs. One that is broken is made anew, as far as the journal reaches back;
// else it stays as it is.
func (d *draft) look(ctx context.Context, packs []manifestPack) (sound bool, err error) {
	sound = true
	for i := range packs {
		broken := d.store.lookAtPack(ctx, d.ref, d.prev, &packs[i])
		if broken == nil {
			continue
		}
		if !isDamage(broken) {
			return false, broken
		}
		sound = false
		last := d.prev.man.Seq
		if i+1 < len(packs) {
			last = packs[i+1].Blocks[0].First - 1
		}
		records, err := d.read(ctx, packs[i].Blocks[0].First-1, last)
		if err != nil && !isDamage(err) {
			return false, err
		}
		d.store.cfg.Log.Error("contents are broken", "account", d.ref.Partition(), "rebuilt", err == nil, "error", broken)
		if err == nil {
			if d.packs[i].blocks, err = encodeBlocks(records); err != nil {
				return false, err
			}
			d.packs[i].old = nil
		}
	}
	return sound, nil
}

// points keeps one snapshot of each few days, and the last one before a pause; of those from
// before the window only the last.
func (d *draft) points() (list []point) {
	if d.prev == nil {
		return nil
	}
	for _, p := range d.prev.man.Points {
		p.Objects = d.objects(p.Objects)
		list = append(list, p)
	}
	if n := len(list); n == 0 || d.state.time-list[n-1].Time >= pointEvery {
		list = append(list, point{Seq: d.prev.man.Seq, Time: d.prev.man.Time, Ref: d.prev.text, Objects: d.objects(d.prev.man.needed())})
	}
	for len(list) > 1 && list[1].Time < d.state.time-d.store.window().Milliseconds() {
		list = list[1:]
	}
	return list
}

// objects names the objects of the last snapshot's manifest in the new one.
func (d *draft) objects(of []int) []int {
	list := make([]int, len(of))
	for i, o := range of {
		list[i] = d.man.object(d.prev.man.Objects[o])
	}
	return list
}

// write lays the object out.
func (d *draft) write() error {
	var out bytes.Buffer
	out.WriteString(snapshotMagic)
	out.WriteByte(snapshotVersion)
	own := d.man.Objects[0]
	for _, p := range d.packs {
		if p.old != nil {
			kept := *p.old
			kept.Object = d.man.object(d.prev.man.Objects[kept.Object])
			d.man.Packs = append(d.man.Packs, kept)
			continue
		}
		fresh := manifestPack{Off: int64(out.Len())}
		for i := range p.blocks {
			out.Write(p.blocks[i].data)
			fresh.Blocks = append(fresh.Blocks, p.blocks[i].manifestBlock)
		}
		d.man.Packs = append(d.man.Packs, fresh)
	}
	put := func(units []*unit) {
		for _, u := range units {
			u.piece.Object, u.piece.Off, u.piece.Len = own, int64(out.Len()), uint32(len(u.data))
			out.Write(u.data)
		}
	}
	put(d.body)
	front := int64(out.Len())
	put(d.front)
	for i, b := range d.boxes {
		box := &d.man.Boxes[i]
		box.Carried = b.carried
		for _, u := range b.units {
			if u.piece == nil {
				u.piece = u.old
			}
			p := d.man.put(u.piece)
			if u.graves != nil {
				box.Tombs = &p
			} else {
				box.Pieces = append(box.Pieces, p)
			}
		}
	}
	d.man.Points = d.points() // after all else, so that objects that only they need come last
	tail, sum, err := encodeManifest(d.man)
	if err != nil {
		return err
	}
	out.Write(tail)
	d.object = out.Bytes()
	d.text = snapshotRef{object: own, front: front, sum: sum}.String()
	if why := d.man.check(own); why != "" {
		return kinds.Errorf(kinds.Internal, "account %s: a new manifest has %s", d.ref.Partition(), why)
	}
	return nil
}

// settle makes the state know where its rows are now.
func (d *draft) settle() {
	for _, b := range d.boxes {
		for _, u := range b.units {
			u.settle()
		}
	}
}
