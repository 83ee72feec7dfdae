package backup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Source is the service that is backed up. It is only read, and may run meanwhile.
type Source struct {
	Records records.Driver
	Journal journal.Driver
	Blobs   blob.Driver
	Now     func() time.Time
	Log     *slog.Logger
}

// Progress is how far a backup, a check or a restore has come.
type Progress struct {
	Done, Total int64 // of what there is to do: entries, packs or accounts
	Bytes       int64 // written or read
}

// Told is called with each step forward, by one goroutine at a time. It must be quick.
type Told func(Progress)

const (
	accountsAtOnce = 4
	blobsAtOnce    = 8 // of each of these
	lastsAtOnce    = 16
	readEntries    = 1000
)

// Make adds a run to the backup in store, which is begun where there is nothing. What an
// earlier attempt has written, and is whole, is not written again. Accounts that can't be
// read are left as the backup has them; what is wrong with each is in failed. After an error
// the same call goes on where this one ended.
func Make(ctx context.Context, src Source, store blob.Driver, told Told) (run Run, failed []error, err error) {
	if err := begin(ctx, store, true); err != nil {
		return run, nil, err
	}
	c, err := loadChain(ctx, store, 0)
	if err != nil {
		return run, nil, err
	}
	r := &runner{src: src, store: store, parts: c.parts(), claimed: map[key]struct{}{}, told: told,
		accounts: account.New(account.Config{Journal: src.Journal, Blobs: blob.Store{Driver: src.Blobs}, Now: src.Now, Log: src.Log}),
		m:        &manifest{Run: len(c.runs) + 1, Parent: c.last, Started: src.Now().UnixMilli()}}
	if r.catalog, err = c.catalog(ctx, func(err error) error { return err }); err != nil {
		return run, nil, kinds.Wrap(kinds.Of(err), err, "begin a new backup elsewhere")
	}
	if err := r.adopt(ctx); err != nil {
		return run, nil, err
	}
	if err := r.run(ctx); err != nil {
		return run, r.failed, err
	}
	r.m.Ended = src.Now().UnixMilli()
	enc, err := encodeManifest(r.m)
	if err != nil {
		return run, r.failed, err
	}
	name := runName(r.m.Run)
	if err := store.Put(ctx, name, bytes.NewReader(enc), int64(len(enc))); err != nil {
		return run, r.failed, kinds.Wrap(kinds.Of(err), err, "backup: write "+name)
	}
	back, err := readAll(ctx, store, name, int64(len(enc)))
	if err == nil && !bytes.Equal(back, enc) {
		err = kinds.Errorf(kinds.Corrupt, "backup: %s is damaged: it isn't what was written", name)
	}
	return r.m.summary(), r.failed, err
}

// runner is one run.
type runner struct {
	src      Source
	store    blob.Driver
	accounts *account.Store // of the source
	catalog  *catalog       // of the runs before, and of what this one has taken over
	parts    map[journal.Partition]manifestPart
	packer   *packer
	m        *manifest
	adopted  []manifestPack

	mu      sync.Mutex
	claimed map[key]struct{} // blobs that somebody of this run copies
	failed  []error
	told    Told
	state   Progress
	gone    atomic.Int64
	blobs   atomic.Int64
}

// progress notes a step forward.
func (r *runner) progress(entries, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Done, r.state.Bytes = r.state.Done+entries, r.state.Bytes+bytes
	if r.told != nil {
		r.told(r.state)
	}
}

// adopt takes over the packs of a run that never came to its end, and removes those that
// are not whole: nothing refers to them.
func (r *runner) adopt(ctx context.Context) error {
	list, err := numbers(ctx, r.store, packName(r.m.Run, 1)[:len(packName(r.m.Run, 1))-6], maxPacks)
	if err != nil {
		return err
	}
	for _, number := range list {
		name := packName(r.m.Run, number)
		at, err := r.whole(ctx, number)
		switch {
		case kinds.Is(err, kinds.Corrupt) || kinds.Is(err, kinds.NotFound):
			if err := r.store.Delete(ctx, name); err != nil {
				return kinds.Wrap(kinds.Of(err), err, "backup: remove the broken "+name)
			}
		case err != nil:
			return err
		default:
			r.adopted = append(r.adopted, at)
		}
	}
	return r.catalog.loadPacks(ctx, r.store, r.m.Run, r.adopted, func(err error) error { return err })
}

// whole reads a pack of which only its own index is known.
func (r *runner) whole(ctx context.Context, number int) (at manifestPack, err error) {
	name := packName(r.m.Run, number)
	b, err := readAll(ctx, r.store, name, maxPack)
	if err != nil {
		return at, err
	}
	index, err := readIndex(ctx, r.store, r.m.Run, number, int64(len(b)))
	if err != nil {
		return at, err
	}
	for _, p := range index {
		if checksum(b[p.Off:p.Off+p.Len]) != p.Sum {
			return at, kinds.Errorf(kinds.Corrupt, "backup: %s is damaged", name)
		}
	}
	sum := sha256.Sum256(b)
	return manifestPack{Number: number, Size: int64(len(b)), Sum: sum[:]}, nil
}

// run copies the directory, then all accounts that are in it.
func (r *runner) run(ctx context.Context) error {
	var list []records.Record
	err := directory.Dump(ctx, r.src.Records, func(page []records.Record) error {
		list = append(list, page...)
		return nil
	})
	if err != nil {
		return err
	}
	dir, err := directory.ReadCopy(list)
	if err != nil {
		return err
	}
	next := 1
	if n := len(r.adopted); n > 0 {
		next = r.adopted[n-1].Number + 1
	}
	r.packer = newPacker(ctx, r.store, r.m.Run, next, func(bytes int64) { r.progress(0, bytes) })
	err = r.journals(r.packer.ctx, dir)
	if err == nil {
		err = r.records(list)
	}
	packs, werr := r.packer.finish()
	if werr != nil {
		return werr // the cause
	}
	if err != nil {
		return err
	}
	r.m.Packs = append(r.adopted, packs...)
	slices.SortFunc(r.m.Packs, func(a, b manifestPack) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortFunc(r.m.Accounts, func(a, b manifestPart) int { return cmp.Compare(a.Ref.ID, b.Ref.ID) })
	for _, p := range r.m.Packs {
		r.m.Bytes += p.Size
	}
	r.m.Entries, r.m.Blobs, r.m.Gone = r.state.Done, r.blobs.Load(), r.gone.Load()
	return nil
}

// records writes the directory.
func (r *runner) records(list []records.Record) error {
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size < 1<<20) {
			size += len(list[n].Value) + len(list[n].ID) + len(list[n].Space)
			n++
		}
		enc, err := encodeRecords(list[:n])
		if err != nil {
			return err
		}
		at, err := r.packer.add(ofRecords, "", 0, 0, enc)
		if err != nil {
			return err
		}
		r.m.Records, list = append(r.m.Records, at), list[n:]
	}
	return nil
}

// journals copies what is new of each account.
func (r *runner) journals(ctx context.Context, dir *directory.Copy) error {
	lasts := make([]uint64, len(dir.Accounts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lastsAtOnce)
	for i, a := range dir.Accounts {
		g.Go(func() error {
			ref, last, err := r.accounts.Current(gctx, a.Ref)
			if kinds.Is(err, kinds.NotFound) {
				return r.leave(a.Ref, kinds.Wrap(kinds.Corrupt, err, "its journal is not there"))
			}
			if err == nil && ref != a.Ref {
				return r.leave(a.Ref, kinds.Errorf(kinds.Conflict, "its epoch %d has begun, and the directory does not know: begin it again", ref.Epoch))
			}
			lasts[i] = last.Seq
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, a := range dir.Accounts {
		if have := r.parts[a.Ref.Partition()].Through; lasts[i] > have {
			r.state.Total += int64(lasts[i] - have)
		}
	}
	g, gctx = errgroup.WithContext(ctx)
	g.SetLimit(accountsAtOnce)
	for i, a := range dir.Accounts {
		if lasts[i] <= r.parts[a.Ref.Partition()].Through {
			continue
		}
		g.Go(func() error {
			part, err := r.account(gctx, a.Ref, lasts[i])
			if kinds.Is(err, kinds.Corrupt) || kinds.Is(err, kinds.TooNew) {
				return r.leave(a.Ref, err)
			}
			if err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.m.Accounts = append(r.m.Accounts, part)
			return nil
		})
	}
	return g.Wait()
}

// leave notes what is wrong with an account, so that others are backed up all the same.
func (r *runner) leave(ref account.Ref, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, kinds.Wrap(kinds.Of(err), err, "account "+string(ref.Partition())))
	return nil
}
