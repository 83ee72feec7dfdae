package backup

import (
	"bytes"
	"context"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// account copies the entries of an account that are new, up to last at least, and the blobs
// that they name. Where the journal doesn't reach back to what the backup has, its newest
// snapshot and what that needs are copied, too.
func (r *runner) account(ctx context.Context, ref account.Ref, last uint64) (part manifestPart, err error) {
	p := ref.Partition()
	part = r.parts[p]
	if part.From == 0 {
		part.From = 1
	}
	part.Ref = ref
	snapshot, trimmed := "", false
	for _, s := range r.catalog.segments(p, part.Through+1, maxSeq) {
		enc, err := s.at.read(ctx, r.store)
		if err != nil {
			return part, err
		}
		items, err := decodeEntries(enc, s.first, s.last)
		if err != nil {
			return part, err
		}
		if snapshot, err = r.entries(ctx, items); err != nil {
			return part, err
		}
		r.progress(int64(s.last-part.Through), 0)
		part.Through = s.last
	}
	for part.Through < last {
		items, more, err := r.accounts.Entries(ctx, ref, part.Through, readEntries)
		if err != nil {
			return part, err
		}
		if len(items) == 0 {
			break
		}
		first, end := items[0].Seq, items[len(items)-1].Seq
		if end-first+1 != uint64(len(items)) {
			return part, kinds.Errorf(kinds.Corrupt, "its journal has %d entries from %d to %d", len(items), first, end)
		}
		if first != part.Through+1 {
			part.From, trimmed = first, true
		}
		if snapshot, err = r.entries(ctx, items); err != nil {
			return part, err
		}
		enc, err := encodeEntries(items)
		if err != nil {
			return part, err
		}
		if _, err := r.packer.add(ofJournal, string(p), first, end, enc); err != nil {
			return part, err
		}
		r.progress(int64(end-part.Through), 0)
		if part.Through = end; !more {
			break
		}
	}
	if !trimmed {
		return part, nil
	}
	return part, r.snapshot(ctx, ref, snapshot, part.From)
}

// entries copies the blobs that entries name, and gives the newest snapshot of which they
// tell.
func (r *runner) entries(ctx context.Context, items []journal.Entry) (snapshot string, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(blobsAtOnce)
	for _, item := range items {
		e, err := account.Decode(item.Data)
		if err != nil {
			_ = g.Wait()
			return "", err
		}
		snapshot = e.Standing.Snapshot
		for i := range e.Ops {
			if add := e.Ops[i].Add; add != nil {
				name := add.Content.Blob.Name
				g.Go(func() error { return r.blob(gctx, name) })
			}
		}
	}
	return snapshot, g.Wait()
}

// snapshot copies a snapshot, with which the account can be read from entry first on.
func (r *runner) snapshot(ctx context.Context, ref account.Ref, text string, first uint64) error {
	if text == "" {
		return kinds.Errorf(kinds.Corrupt, "its journal begins with entry %d, and there is no snapshot", first)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(blobsAtOnce)
	seq, objects, err := r.accounts.SnapshotParts(ctx, ref, text, func(c *account.Content) error {
		name := c.Blob.Name
		g.Go(func() error { return r.blob(gctx, name) })
		return gctx.Err()
	})
	for _, name := range objects {
		g.Go(func() error { return r.blob(gctx, name) })
	}
	if werr := g.Wait(); err == nil {
		err = werr
	}
	if err == nil && seq+1 < first {
		err = kinds.Errorf(kinds.Corrupt, "its journal begins with entry %d, and its snapshot ends with %d", first, seq)
	}
	if kinds.Is(err, kinds.NotFound) {
		err = kinds.Wrap(kinds.Corrupt, err, "its snapshot")
	}
	return err
}

// claim tells whether the caller is the first who copies the blob, which the backup has not.
func (r *runner) claim(name string) bool {
	k := keyOf(name)
	r.mu.Lock()
	_, taken := r.claimed[k]
	r.claimed[k] = struct{}{}
	r.mu.Unlock()
	return !taken && r.catalog.find(name) == nil
}

var pieces = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// blob copies a blob unless the backup has it. One that is no more was released since: all
// who had it have let go.
func (r *runner) blob(ctx context.Context, name string) error {
	if !r.claim(name) {
		return nil
	}
	body, err := r.src.Blobs.Open(ctx, name, 0, -1)
	if kinds.Is(err, kinds.NotFound) {
		r.gone.Add(1)
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	buf := pieces.Get().(*bytes.Buffer)
	defer pieces.Put(buf)
	var size uint64
	for off := uint64(0); ; {
		buf.Reset()
		n, err := io.Copy(buf, io.LimitReader(body, maxPiece))
		if err != nil {
			return kinds.Wrap(kinds.Unavailable, err, "backup: read blob "+name)
		}
		if size == 0 {
			size = uint64(n)
			if n == maxPiece { // there may be more
				i, err := r.src.Blobs.Stat(ctx, name)
				if err != nil {
					return err
				}
				size = uint64(i.Size)
			}
		}
		if off+uint64(n) > size {
			return kinds.Errorf(kinds.Corrupt, "blob %s is longer than it says", name)
		}
		if _, err := r.packer.add(ofBlob, name, off, size, buf.Bytes()); err != nil {
			return err
		}
		if off += uint64(n); off >= size {
			r.blobs.Add(1)
			return nil
		}
		if n == 0 {
			return kinds.Errorf(kinds.Corrupt, "blob %s ends after %d of %d bytes", name, off, size)
		}
	}
}
