package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// place is where a piece is.
type place struct {
	run, pack int32
	off       uint32
	length    uint32
	sum       uint32
}

// segment is a piece of a journal.
type segment struct {
	first, last uint64
	at          place
}

// part is a piece of a blob that has several.
type part struct {
	off, size uint64
	at        place
}

type key [16]byte

func keyOf(name string) (k key) {
	sum := sha256.Sum256([]byte(name))
	copy(k[:], sum[:])
	return k
}

// catalog says where everything in a backup is: about 60 bytes of memory a blob.
type catalog struct {
	mu       sync.RWMutex
	blobs    map[key]place  // in one piece
	parted   map[key][]part // in several
	journals map[journal.Partition][]segment
}

func newCatalog() *catalog {
	return &catalog{blobs: map[key]place{}, parted: map[key][]part{}, journals: map[journal.Partition][]segment{}}
}

// add notes the pieces of a pack.
func (c *catalog) add(run, pack int, index []piece) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range index {
		at := place{run: int32(run), pack: int32(pack), off: uint32(p.Off), length: uint32(p.Len), sum: p.Sum}
		switch {
		case p.What == ofJournal:
			name := journal.Partition(p.Name)
			c.journals[name] = append(c.journals[name], segment{p.First, p.Last, at})
		case p.What == ofBlob && uint64(p.Len) == p.Last:
			c.blobs[keyOf(p.Name)] = at
		case p.What == ofBlob:
			k := keyOf(p.Name)
			c.parted[k] = append(c.parted[k], part{p.First, p.Last, at})
		}
	}
}

// find gives the pieces of a blob in order, nil when not all are there.
func (c *catalog) find(name string) []part {
	k := keyOf(name)
	c.mu.RLock()
	defer c.mu.RUnlock()
	if at, ok := c.blobs[k]; ok {
		return []part{{0, uint64(at.length), at}}
	}
	all := slices.Clone(c.parted[k])
	slices.SortStableFunc(all, func(a, b part) int { return cmp.Compare(a.off, b.off) })
	var list []part
	var end uint64
	for _, p := range all {
		if p.off == end && p.size == all[0].size {
			list, end = append(list, p), end+uint64(p.at.length)
		}
	}
	if len(all) == 0 || end != all[0].size {
		return nil
	}
	return list
}

// segments gives the pieces of a journal that follow each other from an entry on, up to
// through at most.
func (c *catalog) segments(p journal.Partition, from, through uint64) (list []segment) {
	c.mu.RLock()
	all := slices.Clone(c.journals[p])
	c.mu.RUnlock()
	slices.SortStableFunc(all, func(a, b segment) int { return cmp.Or(cmp.Compare(a.first, b.first), -cmp.Compare(a.last, b.last)) })
	next := from
	for _, s := range all {
		if s.last < next || s.first > through {
			continue
		}
		if s.first > next {
			break
		}
		list, next = append(list, s), s.last+1
	}
	return list
}

// readIndex reads the index of a pack.
func readIndex(ctx context.Context, store blob.Driver, run, pack int, size int64) ([]piece, error) {
	name := packName(run, pack)
	index, err := func() ([]piece, error) {
		if size < int64(packTail+len(packMagic)) || size > maxPack {
			return nil, kinds.Errorf(kinds.Corrupt, "it has %d bytes", size)
		}
		guess := min(size, 64<<10)
		end, err := readRange(ctx, store, name, size-guess, guess)
		if err != nil {
			return nil, err
		}
		n, sum, err := indexSize(end[len(end)-packTail:], size)
		if err != nil {
			return nil, err
		}
		enc := end[:len(end)-packTail]
		start := size - int64(packTail) - n
		if n <= int64(len(enc)) {
			enc = enc[int64(len(enc))-n:]
		} else if enc, err = readRange(ctx, store, name, start, n); err != nil {
			return nil, err
		}
		return decodeIndex(enc, sum, start)
	}()
	return index, named(name, err)
}

// named says of which object an error is.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return kinds.Errorf(kinds.Of(err), "backup: %s is damaged or can't be read: %w", name, err)
}

// readRange reads exactly n bytes.
func readRange(ctx context.Context, store blob.Driver, name string, off, n int64) ([]byte, error) {
	r, err := store.Open(ctx, name, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, n)
	if m, err := io.ReadFull(r, b); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, kinds.Errorf(kinds.Corrupt, "it ends after %d of %d bytes from %d", m, n, off)
	} else if err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "read")
	}
	return b, nil
}

// read reads a piece.
func (at place) read(ctx context.Context, store blob.Driver) ([]byte, error) {
	name := packName(int(at.run), int(at.pack))
	b, err := readRange(ctx, store, name, int64(at.off), int64(at.length))
	if err == nil && checksum(b) != at.sum {
		err = kinds.Errorf(kinds.Corrupt, "bytes %d to %d have another checksum", at.off, at.off+at.length)
	}
	return b, named(name, err)
}

const indexesAtOnce = 16

// loadPacks reads the indexes of the packs of a run into the catalog. Those that can't be
// read are left out and told to bad, whose error ends it.
func (c *catalog) loadPacks(ctx context.Context, store blob.Driver, run int, packs []manifestPack, bad func(error) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(indexesAtOnce)
	var mu sync.Mutex
	for _, p := range packs {
		g.Go(func() error {
			index, err := readIndex(gctx, store, run, p.Number, p.Size)
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				return bad(err)
			}
			c.add(run, p.Number, index)
			return nil
		})
	}
	return g.Wait()
}
