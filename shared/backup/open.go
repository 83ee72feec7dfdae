package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Run is what one run of a backup has added.
type Run struct {
	Number         int
	Started, Ended time.Time
	Accounts       int   // with something new
	Entries, Blobs int64 // new
	Bytes          int64 // of its packs
	Gone           int64 // blobs that entries name and that had been released before
}

func (m *manifest) summary() Run {
	return Run{Number: m.Run, Started: time.UnixMilli(m.Started), Ended: time.UnixMilli(m.Ended), Accounts: len(m.Accounts),
		Entries: m.Entries, Blobs: m.Blobs, Bytes: m.Bytes, Gone: m.Gone}
}

// chain are the manifests of a backup.
type chain struct {
	store blob.Driver
	runs  []*manifest
	last  []byte // SHA-256 of the newest manifest
}

// loadChain reads the manifests up to a run (0: all).
func loadChain(ctx context.Context, store blob.Driver, through int) (*chain, error) {
	list, err := numbers(ctx, store, runPrefix, maxRuns)
	if err != nil {
		return nil, err
	}
	if through > len(list) {
		return nil, kinds.Errorf(kinds.NotFound, "backup: there is no run %d", through)
	}
	c := &chain{store: store}
	for i, run := range list {
		if run != i+1 {
			return nil, kinds.Errorf(kinds.Corrupt, "backup: %s is missing", runName(i+1))
		}
		if through > 0 && run > through {
			break
		}
		b, err := readAll(ctx, store, runName(run), maxManifest+100)
		if err != nil {
			return nil, err
		}
		m, err := decodeManifest(b, run)
		if err != nil {
			return nil, named(runName(run), err)
		}
		if !bytes.Equal(m.Parent, c.last) {
			return nil, kinds.Errorf(kinds.Corrupt, "backup: %s follows another %s than is there", runName(run), runName(run-1))
		}
		sum := sha256.Sum256(b)
		c.runs, c.last = append(c.runs, m), sum[:]
	}
	return c, nil
}

// parts gives how much of each journal there is.
func (c *chain) parts() map[journal.Partition]manifestPart {
	parts := map[journal.Partition]manifestPart{}
	for _, m := range c.runs {
		for _, p := range m.Accounts {
			parts[p.Ref.Partition()] = p
		}
	}
	return parts
}

// catalog reads where everything is. bad is told of packs that can't be read; its error
// ends it.
func (c *chain) catalog(ctx context.Context, bad func(error) error) (*catalog, error) {
	cat := newCatalog()
	for _, m := range c.runs {
		if err := cat.loadPacks(ctx, c.store, m.Run, m.Packs, bad); err != nil {
			return nil, err
		}
	}
	return cat, nil
}

// Runs lists the runs of a backup.
func Runs(ctx context.Context, store blob.Driver) (list []Run, err error) {
	if err := begin(ctx, store, false); err != nil {
		return nil, err
	}
	c, err := loadChain(ctx, store, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range c.runs {
		list = append(list, m.summary())
	}
	return list, nil
}

// Backup is a backup that is read, as it was after some run.
type Backup struct {
	Run     Run     // the newest that is read
	Damaged []error // packs of which nothing can be read; each names one

	store     blob.Driver
	chain     *chain
	catalog   *catalog
	parts     map[journal.Partition]manifestPart
	directory *directory.Copy
}

// Open opens a backup as it was after a run (0: the newest).
func Open(ctx context.Context, store blob.Driver, run int) (*Backup, error) {
	if err := begin(ctx, store, false); err != nil {
		return nil, err
	}
	c, err := loadChain(ctx, store, run)
	if err != nil {
		return nil, err
	}
	if len(c.runs) == 0 {
		return nil, kinds.Errorf(kinds.NotFound, "backup: no run of it has come to its end")
	}
	newest := c.runs[len(c.runs)-1]
	b := &Backup{Run: newest.summary(), store: store, chain: c, parts: c.parts()}
	b.catalog, err = c.catalog(ctx, func(err error) error {
		b.Damaged = append(b.Damaged, err)
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, err := b.records(ctx, newest)
	if err == nil {
		b.directory, err = directory.ReadCopy(list)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// records reads the directory's.
func (b *Backup) records(ctx context.Context, m *manifest) (list []records.Record, err error) {
	indexes := map[int][]piece{}
	sizes := map[int]int64{}
	for _, p := range m.Packs {
		sizes[p.Number] = p.Size
	}
	for _, at := range m.Records {
		index, ok := indexes[at.Pack]
		if !ok {
			if index, err = readIndex(ctx, b.store, m.Run, at.Pack, sizes[at.Pack]); err != nil {
				return nil, err
			}
			indexes[at.Pack] = index
		}
		name := packName(m.Run, at.Pack)
		if at.Piece < 0 || at.Piece >= len(index) || index[at.Piece].What != ofRecords {
			return nil, kinds.Errorf(kinds.Corrupt, "backup: %s has no records where %s says", name, runName(m.Run))
		}
		p := index[at.Piece]
		enc, err := place{run: int32(m.Run), pack: int32(at.Pack), off: uint32(p.Off), length: uint32(p.Len), sum: p.Sum}.read(ctx, b.store)
		if err != nil {
			return nil, err
		}
		more, err := decodeRecords(enc)
		if err != nil {
			return nil, named(name, err)
		}
		list = append(list, more...)
	}
	return list, nil
}
