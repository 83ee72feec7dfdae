package backup

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// accounts gives the accounts of the backup, as they were at its run, to read: the same
// code that reads a service's journals and blobs reads those of the backup.
func (b *Backup) accounts() *account.Store {
	return account.New(account.Config{Journal: &journals{b: b}, Blobs: b.blobs()})
}

func (b *Backup) blobs() blob.Store { return blob.Store{Driver: blobs{b}} }

func errReadOnly() error { return kinds.Errorf(kinds.Denied, "backup: it is only read") }

// journals are the journals of a backup.
type journals struct {
	b *Backup

	mu   sync.Mutex
	kept [4]keptSegment // read lately
	next int
}

type keptSegment struct {
	at    place
	items []journal.Entry
}

var _ journal.Driver = (*journals)(nil)

// part gives what there is of a journal, and its pieces.
func (j *journals) part(p journal.Partition) (manifestPart, []segment, error) {
	part, ok := j.b.parts[p]
	if !ok {
		return part, nil, kinds.Errorf(kinds.NotFound, "backup: it has no account %s", p)
	}
	list := j.b.catalog.segments(p, part.From, part.Through)
	if len(list) == 0 || list[len(list)-1].last < part.Through {
		return part, nil, kinds.Errorf(kinds.Corrupt, "backup: entries of account %s are missing", p)
	}
	return part, list, nil
}

func (j *journals) read(ctx context.Context, s segment) ([]journal.Entry, error) {
	j.mu.Lock()
	for _, k := range j.kept {
		if k.items != nil && k.at == s.at {
			j.mu.Unlock()
			return k.items, nil
		}
	}
	j.mu.Unlock()
	enc, err := s.at.read(ctx, j.b.store)
	if err != nil {
		return nil, err
	}
	items, err := decodeEntries(enc, s.first, s.last)
	if err != nil {
		return nil, named(packName(int(s.at.run), int(s.at.pack)), err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept[j.next] = keptSegment{s.at, items}
	j.next = (j.next + 1) % len(j.kept)
	return items, nil
}

func (j *journals) Read(ctx context.Context, p journal.Partition, after uint64, limit int) (found []journal.Entry, more bool, err error) {
	part, list, err := j.part(p)
	if err != nil {
		return nil, false, err
	}
	size := 0
	for _, s := range list {
		if s.last <= after {
			continue
		}
		items, err := j.read(ctx, s)
		if err != nil {
			return nil, false, err
		}
		for _, e := range items {
			if e.Seq <= after || e.Seq > part.Through {
				continue
			}
			size += len(e.Data)
			if len(found) == limit || len(found) > 0 && size > journal.MaxPage {
				return found, true, nil
			}
			found, after = append(found, e), e.Seq
		}
	}
	return found, false, nil
}

func (j *journals) Tail(ctx context.Context, p journal.Partition, limit int) ([]journal.Entry, error) {
	part, _, err := j.part(p)
	if err != nil {
		return nil, err
	}
	after := part.From - 1
	if part.Through-after > uint64(limit) {
		after = part.Through - uint64(limit)
	}
	for {
		found, more, err := j.Read(ctx, p, after, limit)
		if err != nil || !more || len(found) == 0 {
			return found, err
		}
		after = found[len(found)-1].Seq // the last ones are more than a page
	}
}

func (j *journals) Last(ctx context.Context, p journal.Partition) (journal.Entry, error) {
	found, err := j.Tail(ctx, p, 1)
	if err == nil && len(found) == 0 {
		err = kinds.Errorf(kinds.Corrupt, "backup: the last entry of account %s is missing", p)
	}
	if err != nil {
		return journal.Entry{}, err
	}
	return found[0], nil
}

func (*journals) Append(context.Context, journal.Partition, journal.Entry) error {
	return errReadOnly()
}
func (*journals) Trim(context.Context, journal.Partition, uint64) error { return errReadOnly() }
func (*journals) Watch(context.Context, journal.Partition, string, time.Duration) error {
	return errReadOnly()
}
func (*journals) Unwatch(context.Context, journal.Partition, string) error { return errReadOnly() }
func (*journals) Watchers(context.Context, journal.Partition) ([]string, error) {
	return nil, errReadOnly()
}

// blobs are the blobs of a backup.
type blobs struct{ b *Backup }

var _ blob.Driver = blobs{}

func (d blobs) parts(name string) ([]part, uint64, error) {
	list := d.b.catalog.find(name)
	if list == nil {
		return nil, 0, kinds.Errorf(kinds.NotFound, "backup: it has no blob %s, or not all of it", name)
	}
	return list, list[0].size, nil
}

// Open reads a range. Each piece that it lies in is read whole, and checked.
func (d blobs) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	list, size, err := d.parts(name)
	if err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, kinds.Errorf(kinds.Invalid, "backup: an offset of %d", off)
	}
	off = min(off, int64(size))
	if n < 0 || n > int64(size)-off {
		n = int64(size) - off
	}
	return &blobReader{ctx: ctx, d: d, list: list, off: uint64(off), end: uint64(off + n)}, nil
}

type blobReader struct {
	ctx      context.Context
	d        blobs
	list     []part
	off, end uint64
	buf      bytes.Reader
}

func (r *blobReader) Read(p []byte) (int, error) {
	for r.buf.Len() == 0 {
		if r.off >= r.end {
			return 0, io.EOF
		}
		at := r.list[0]
		if r.list = r.list[1:]; at.off+uint64(at.at.length) <= r.off {
			continue
		}
		b, err := at.at.read(r.ctx, r.d.b.store)
		if err != nil {
			return 0, err
		}
		b = b[r.off-at.off : min(uint64(len(b)), r.end-at.off)]
		r.off += uint64(len(b))
		r.buf.Reset(b)
	}
	return r.buf.Read(p)
}

func (r *blobReader) Close() error { return nil }

func (d blobs) Stat(ctx context.Context, name string) (blob.Info, error) {
	_, size, err := d.parts(name)
	return blob.Info{Name: name, Size: int64(size)}, err
}

func (blobs) List(context.Context, string, string, int) ([]blob.Info, error) {
	return nil, errReadOnly()
}
func (blobs) Put(context.Context, string, io.ReaderAt, int64) error { return errReadOnly() }
func (blobs) Delete(context.Context, string) error                  { return errReadOnly() }
