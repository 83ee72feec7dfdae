package account

import (
	"context"
	"maps"
	"slices"
	"sort"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

type contentKey struct {
	part journal.Partition
	ref  ContentRef
}

// A read of the journal for contents goes on over entries that were not asked for while
// there are at most maxSkip of them in a row, and takes at most readAhead in all. Where
// more than that is asked for which a newer snapshot has, that is looked into instead.
const (
	maxSkip   = 8
	readAhead = 100
)

// Contents gives what messages are made of, in the order of refs, with their EMAILIDs and
// THREADIDs. What is not in memory is read from the snapshot or from the journal,
// neighbours together. They must not be changed.
func (a *Account) Contents(ctx context.Context, refs []ContentRef) ([]Content, error) {
	w := a.core.want(refs)
	if len(w.at) > 0 {
		if err := a.core.readContents(ctx, w); err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

// want asks for contents, of which those that are in memory are given at once.
func (c *core) want(refs []ContentRef) *wanted {
	w := &wanted{out: make([]Content, len(refs)), at: map[ContentRef][]int{}}
	for i, ref := range refs {
		if got, ok := c.store.contents.get(contentKey{c.part, ref}); ok {
			w.out[i] = got
		} else {
			w.at[ref] = append(w.at[ref], i)
		}
	}
	return w
}

// wanted are contents that are asked for: at says where in out those go that are not yet
// there.
type wanted struct {
	out []Content
	at  map[ContentRef][]int
}

func (w *wanted) give(r *record) {
	for _, i := range w.at[r.ref] {
		w.out[i] = r.content
	}
	delete(w.at, r.ref)
}

// after counts those of entries after seq.
func (w *wanted) after(seq uint64) (n int) {
	for ref := range w.at {
		if ref.Seq > seq {
			n++
		}
	}
	return n
}

func (c *core) readContents(ctx context.Context, w *wanted) error {
	dir := c.dir.Load()
	if w.after(dir.seq()) > readAhead {
		dir = c.newestDir(ctx, dir)
	}
	broken := c.readBlocks(ctx, dir, w)
	if isDamage(broken) {
		// What an older snapshot was made of may be no more.
		if newer := c.newestDir(ctx, dir); newer != dir {
			dir, broken = newer, c.readBlocks(ctx, newer, w)
		}
	}
	if broken != nil && !isDamage(broken) {
		return broken
	}
	if broken != nil && !c.complained.Swap(true) {
		c.store.cfg.Log.Error("contents are broken, they are read from the journal", "account", c.part, "error", broken)
		c.store.askCompaction(ctx, c.ref, true)
	}
	if err := c.readEntries(ctx, w); err != nil || len(w.at) == 0 {
		return err
	}
	// Entries that are no more are in a newer snapshot.
	if newer := c.newestDir(ctx, dir); newer != dir {
		if broken = c.readBlocks(ctx, newer, w); broken != nil || len(w.at) == 0 {
			return broken
		}
	}
	if broken != nil {
		return broken
	}
	return w.missing(c.part)
}

// missing is the error of what is wanted and nowhere.
func (w *wanted) missing(part journal.Partition) error {
	ref := slices.MinFunc(slices.Collect(maps.Keys(w.at)), ContentRef.compare)
	return kinds.Errorf(kinds.Corrupt, "account %s: entry %d has no content %d", part, ref.Seq, ref.Index)
}

// newestDir gives the newest snapshot that the account's state knows of, if it can be read,
// else the one that is known.
func (c *core) newestDir(ctx context.Context, dir *snapshot) *snapshot {
	text := c.state.Load().standing.Snapshot
	if text == "" || dir != nil && dir.text == text {
		return dir
	}
	newest, err := c.store.readSnapshot(ctx, c.ref, text)
	if err != nil {
		c.store.cfg.Log.Warn("cannot read the newest snapshot", "account", c.part, "error", err)
		return dir
	}
	newest.front = nil
	c.dir.Store(newest)
	return newest
}

// readBlocks gives what a snapshot has of the contents that are wanted.
func (c *core) readBlocks(ctx context.Context, dir *snapshot, w *wanted) error {
	list := dir.blocks(w)
	if len(list) == 0 {
		return nil
	}
	stored, err := c.store.readSections(ctx, c.ref, dir, list)
	if err != nil {
		return err
	}
	for _, at := range list {
		records, err := readBlock(c.ref, at, stored[at])
		if err != nil {
			return err
		}
		for i := range records {
			c.store.keep(c.part, records[i].ref, &records[i].content)
			w.give(&records[i])
		}
	}
	return nil
}

func readBlock(ref Ref, at section, stored []byte) ([]record, error) {
	raw, err := verify(ref, at, stored, maxBlock)
	if err != nil {
		return nil, err
	}
	records, err := decodeBlock(raw)
	if err != nil {
		return nil, damaged(ref, at, err)
	}
	return records, nil
}

// blocks finds the blocks that have what is wanted.
func (s *snapshot) blocks(w *wanted) (list []section) {
	if s == nil {
		return nil
	}
	packs := s.man.Packs
	asked := make(map[int][]bool) // of each pack: which of its blocks
	for ref := range w.at {
		p := sort.Search(len(packs), func(i int) bool { return packs[i].Blocks[0].First > ref.Seq }) - 1
		if p < 0 || ref.Seq > s.man.Seq {
			continue
		}
		blocks := packs[p].Blocks
		if asked[p] == nil {
			asked[p] = make([]bool, len(blocks))
		}
		asked[p][sort.Search(len(blocks), func(i int) bool { return blocks[i].First > ref.Seq })-1] = true
	}
	for p, some := range asked {
		for b, at := range s.man.sections(&packs[p]) {
			if some[b] {
				list = append(list, at)
			}
		}
	}
	return list
}

// sections gives where the blocks of a pack are.
func (m *manifest) sections(p *manifestPack) []section {
	list := make([]section, len(p.Blocks))
	off := p.Off
	for i, b := range p.Blocks {
		list[i] = section{Object: m.Objects[p.Object], Off: off, Len: b.Len, Sum: b.Sum}
		off += int64(b.Len)
	}
	return list
}

// readEntries gives what the journal has of the contents that are wanted.
func (c *core) readEntries(ctx context.Context, w *wanted) error {
	for _, run := range runs(w.at) {
		items, err := c.store.readRun(ctx, c.ref, run[0], run[1])
		if err != nil {
			return err
		}
		for _, item := range items {
			e, err := decode(item)
			if err != nil {
				return err
			}
			for _, r := range e.records() {
				if len(w.at[r.ref]) > 0 {
					c.store.keep(c.part, r.ref, &r.content)
					w.give(&r)
				}
			}
		}
	}
	return nil
}

// readRun reads the entries from first to last.
func (s *Store) readRun(ctx context.Context, ref Ref, first, last uint64) (found []journal.Entry, err error) {
	for after := first - 1; after < last; {
		items, more, err := s.read(ctx, ref, after, int(min(last-after, page)))
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if item.Seq <= last { // those before it may have been trimmed
				found = append(found, item)
			}
		}
		if len(items) == 0 || !more {
			break
		}
		after = items[len(items)-1].Seq
	}
	return found, nil
}

func (s *Store) keep(p journal.Partition, ref ContentRef, c *Content) {
	s.contents.put(contentKey{p, ref}, *c, int64(340+len(c.Head)+len(c.Summary)+len(c.Blob.Name)+len(c.Blob.Frames)))
}

func (r ContentRef) compare(o ContentRef) int {
	if r.Seq != o.Seq {
		return int(int64(r.Seq) - int64(o.Seq))
	}
	return r.Index - o.Index
}

// runs gives ranges of entries that hold all of the contents.
func runs(missing map[ContentRef][]int) (list [][2]uint64) {
	seqs := make([]uint64, 0, len(missing))
	for ref := range missing {
		seqs = append(seqs, ref.Seq)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if n := len(list); n > 0 && seq <= list[n-1][1]+1+maxSkip && seq < list[n-1][0]+readAhead {
			list[n-1][1] = seq
			continue
		}
		list = append(list, [2]uint64{seq, seq})
	}
	return list
}
