package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	packSize    = 16 << 20 // from which on a pack is written
	packPieces  = 50_000
	packsAtOnce = 2 // written at the same time, beside the one that is filled
)

// packer fills packs and writes them: each is read back before it counts.
type packer struct {
	ctx   context.Context
	store blob.Driver
	run   int
	wrote func(bytes int64) // is told of each pack
	group *errgroup.Group

	mu     sync.Mutex
	buf    []byte
	index  []piece
	number int         // of the pack that is filled
	free   chan []byte // packs to be filled again

	written sync.Mutex
	done    []manifestPack
}

// newPacker makes a packer whose first pack is next.
func newPacker(ctx context.Context, store blob.Driver, run, next int, wrote func(int64)) *packer {
	p := &packer{store: store, run: run, number: next, wrote: wrote, free: make(chan []byte, packsAtOnce+1)}
	p.group, p.ctx = errgroup.WithContext(ctx)
	p.group.SetLimit(packsAtOnce)
	for range packsAtOnce + 1 {
		p.free <- nil
	}
	return p
}

// add puts a piece into a pack, and says where it is. It waits while too much is being
// written.
func (p *packer) add(what uint8, name string, first, last uint64, data []byte) (manifestPlace, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ctx.Err(); err != nil {
		return manifestPlace{}, kinds.Wrap(kinds.Unavailable, context.Cause(p.ctx), "backup: write")
	}
	if p.buf == nil {
		if p.buf = <-p.free; p.buf == nil {
			p.buf = make([]byte, 0, packSize+maxPiece+(1<<20))
		}
		p.buf = append(p.buf[:0], packMagic...)
	}
	p.index = append(p.index, piece{What: what, Name: name, First: first, Last: last, Off: int64(len(p.buf)), Len: int64(len(data)), Sum: checksum(data)})
	p.buf = append(p.buf, data...)
	at := manifestPlace{Pack: p.number, Piece: len(p.index) - 1}
	if len(p.buf) >= packSize || len(p.index) >= packPieces {
		return at, p.flush()
	}
	return at, nil
}

// flush hands the pack to be written. The lock is held.
func (p *packer) flush() error {
	if len(p.index) == 0 {
		return nil
	}
	pack, err := closePack(p.buf, p.index)
	if err != nil {
		return err
	}
	if p.number > maxPacks {
		return kinds.Errorf(kinds.Limit, "backup: more than %d packs in one run", maxPacks)
	}
	number := p.number
	p.buf, p.index, p.number = nil, nil, p.number+1
	p.group.Go(func() error {
		defer func() { p.free <- pack }()
		at, err := writePack(p.ctx, p.store, p.run, number, pack)
		if err != nil {
			return err
		}
		p.written.Lock()
		p.done = append(p.done, at)
		p.written.Unlock()
		p.wrote(at.Size)
		return nil
	})
	return nil
}

// finish writes what is left and waits for all.
func (p *packer) finish() ([]manifestPack, error) {
	p.mu.Lock()
	err := p.flush()
	p.mu.Unlock()
	if werr := p.group.Wait(); werr != nil {
		err = werr
	}
	return p.done, err
}

func writePack(ctx context.Context, store blob.Driver, run, number int, pack []byte) (manifestPack, error) {
	sum := sha256.Sum256(pack)
	at := manifestPack{Number: number, Size: int64(len(pack)), Sum: sum[:]}
	if err := store.Put(ctx, packName(run, number), bytes.NewReader(pack), at.Size); err != nil {
		return at, kinds.Wrap(kinds.Of(err), err, "backup: write "+packName(run, number))
	}
	return at, verifyPack(ctx, store, run, at)
}

// verifyPack reads a whole pack and fails, naming it, unless it is as it was written.
func verifyPack(ctx context.Context, store blob.Driver, run int, at manifestPack) error {
	name := packName(run, at.Number)
	r, err := store.Open(ctx, name, 0, -1)
	if err != nil {
		return kinds.Wrap(kinds.Of(err), err, "backup: "+name)
	}
	defer r.Close()
	h := sha256.New()
	buf := make([]byte, 256<<10)
	n, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{io.LimitReader(r, at.Size+1)}, buf)
	if err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "backup: read "+name)
	}
	if n != at.Size || !bytes.Equal(h.Sum(nil), at.Sum) {
		return kinds.Errorf(kinds.Corrupt, "backup: %s is damaged: it isn't what was written", name)
	}
	return nil
}
