package account

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Delivered says where one delivery is.
type Delivered struct {
	Seq       uint64 // of its entry
	Duplicate bool   // it was there before
}

// Outcome has one Delivered for each Add of the batch.
type Outcome []Delivered

// Deliver appends a batch of deliveries (each with its Name) as one entry, exactly once:
// those that are already there, in entries after seen (or in the standing's names), are
// not written again. It does not open the account: one read where this process does not
// know the last entry, one append, one read of the watchers. A delivery whose mailbox is
// gone goes to INBOX. Suspended accounts get their mail. The batch holds at most
// MaxBatch messages and MaxBatchBytes (kinds.Limit), UID stays 0.
//
// seen is 0 when no entry was known: what is trimmed is then older than the delivery. It
// may be DontSearch: then a delivery of long ago may take place again. Entries that were
// trimmed are looked for in the snapshots; kinds.Invalid when they are in none any more.
//
// kinds.NotFound and kinds.Closed when the account is not there or no more;
// kinds.Conflict when others were faster too often, which is no failure.
func (s *Store) Deliver(ctx context.Context, ref Ref, seen uint64, by By, batch []Add) (Outcome, error) {
	return s.DeliverWarning(ctx, ref, seen, by, batch, nil)
}

// DeliverWarning is Deliver where the account's owner is warned by what warn gives.
func (s *Store) DeliverWarning(ctx context.Context, ref Ref, seen uint64, by By, batch []Add, warn Warn) (Outcome, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	if err := checkBatch(batch); err != nil {
		return nil, err
	}
	var d *deliverer
	err := follow(ref, func(at Ref) error {
		if at != ref && seen != DontSearch {
			seen = 0 // it may be of entries that were lost, and are others now
		}
		ref = at
		d = &deliverer{store: s, ref: ref, part: ref.Partition(), op: opID("deliver"), by: by, batch: batch, warn: warn,
			out: make(Outcome, len(batch)), found: make([]bool, len(batch)), searched: seen, unseen: seen == 0}
		seq, err := d.run(ctx)
		if seq > 0 && err == nil {
			s.wrote(ctx, ref, seq)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.out, nil
}

// DontSearch is a number that no account's entry has: Deliver looks into no entry but what
// the last one says of the others.
const DontSearch uint64 = maxSeq

// BatchCost is how much of MaxBatchBytes a delivery takes.
func BatchCost(a *Add) int {
	n := 200 + len(a.Content.Head) + len(a.Content.Summary) + len(a.Content.Blob.Name) + len(a.Content.Blob.Frames) + len(a.UIDL)
	for _, w := range a.Words {
		n += len(w) + 3
	}
	return n
}

func checkBatch(batch []Add) error {
	if len(batch) == 0 || len(batch) > MaxBatch {
		return kinds.Errorf(kinds.Limit, "account: a batch of %d deliveries", len(batch))
	}
	size := 0
	for i := range batch {
		a := &batch[i]
		size += BatchCost(a)
		if len(a.Name) != NameSize || a.UID != 0 || a.Content.Blob.Name == "" {
			return kinds.Errorf(kinds.Invalid, "account: a delivery needs a name and a blob, and no UID")
		}
		if err := a.check(); err != nil {
			return err
		}
		if err := a.Content.checkContent(); err != nil {
			return err
		}
	}
	if size > MaxBatchBytes {
		return kinds.Errorf(kinds.Limit, "account: a batch of %d bytes", size)
	}
	return nil
}

type deliverer struct {
	store    *Store
	ref      Ref
	part     journal.Partition
	op       string
	by       By
	batch    []Add
	warn     Warn
	out      Outcome
	found    []bool
	searched uint64 // names were looked for in all entries up to this one
	unseen   bool   // nobody knew an entry when the delivery was accepted
}

// run gives the number of the entry that it wrote, 0 if there was nothing to write.
func (d *deliverer) run(ctx context.Context) (uint64, error) {
	unlock, err := d.store.lock(ctx, d.part)
	if err != nil {
		return 0, err
	}
	defer unlock()
	head, known := d.store.heads.get(d.part)
	for try := 0; try < maxTries; try++ {
		if !known || d.store.age(head.read) > maxKnowledge {
			if head, err = d.store.readHead(ctx, d.part); err != nil {
				return 0, err
			}
		}
		if err := head.over(); err != nil {
			return 0, err
		}
		if head.Standing.Closed != "" {
			return 0, kinds.Errorf(kinds.Closed, "account %s: it is closed (%s)", d.part, head.Standing.Closed)
		}
		if d.searched != DontSearch {
			// The gateway may have seen entries that are lost since: what came instead of
			// them is looked at, too.
			d.searched = min(d.searched, head.Seq)
		}
		if err := d.search(ctx, &head.Standing); err != nil {
			return 0, err
		}
		ops := d.missing()
		if len(ops) == 0 {
			return 0, nil
		}
		seq, err := d.append(ctx, head, ops)
		if err == nil || !kinds.Is(err, kinds.Conflict) {
			return seq, err
		}
		// What beat us may be the last entry, and is here already; when that was wrong,
		// the last one is read.
		head, known = beaten(err, d.store.cfg.Now())
		known = known && try%2 == 0
		if try > 0 {
			if err := d.store.pause(ctx, try); err != nil {
				return 0, err
			}
		}
	}
	return 0, kinds.Errorf(kinds.Conflict, "account %s: others were faster %d times", d.part, maxTries)
}

// beaten gives the entry that was found in the place of ours.
func beaten(err error, now time.Time) (Head, bool) {
	var taken *journal.Taken
	if !errors.As(err, &taken) {
		return Head{}, false
	}
	e, err := decode(taken.Existing)
	if err != nil {
		return Head{}, false
	}
	return Head{Seq: e.Seq, Time: e.Time, Standing: e.Standing, read: now}, true
}

func (d *deliverer) append(ctx context.Context, head Head, ops []Op) (uint64, error) {
	now := d.store.cfg.Now()
	e := &Entry{Version: Version, MinReader: minReader(ops), Epoch: d.ref.Epoch, Seq: head.Seq + 1,
		Time: max(Millis(now), head.Time), Op: d.op, By: d.by, Standing: head.Standing}
	var bytes int64
	for i := range ops {
		bytes += ops[i].Add.Content.Size()
	}
	e.Ops = d.warn.add(ctx, ops, head.Standing.Totals, int64(len(ops)), bytes)
	var names []byte
	for i := range e.Ops {
		names = append(names, e.Ops[i].Add.Name...)
		e.Standing.Totals.Messages++
		e.Standing.Totals.Bytes += e.Ops[i].Add.Content.Size()
	}
	if e.Standing.Totals.Messages > MaxMessages {
		return 0, kinds.Errorf(kinds.Limit, "account %s: it has %d messages", d.part, head.Standing.Totals.Messages)
	}
	e.Standing.delivered(e.Seq, names)
	if err := d.store.append(ctx, d.part, e, head.read); err != nil {
		return 0, err
	}
	for i := range d.batch {
		if !d.found[i] {
			d.found[i], d.out[i].Seq = true, e.Seq
		}
	}
	d.store.written(d.part, e, nil, now)
	return e.Seq, nil
}

// search looks for the batch's names in the standing and, where that does not reach back
// far enough, in the journal.
func (d *deliverer) search(ctx context.Context, st *Standing) error {
	for after := d.searched; after+1 < st.RecentFrom; {
		items, _, err := d.store.read(ctx, d.ref, after, page)
		if err != nil {
			return err
		}
		if len(items) > 0 && items[0].Seq > after+1 && d.unseen {
			// They are from before the window, and the delivery is not.
			after = items[0].Seq - 1
			d.searched = after
			continue
		}
		if len(items) > 0 && items[0].Seq > after+1 {
			// They were trimmed: a snapshot has their names.
			if after, err = d.searchSnapshot(ctx, st.Snapshot, after, items[0].Seq-1); err != nil {
				return err
			}
			d.searched = after
			continue
		}
		if len(items) == 0 {
			return kinds.Errorf(kinds.Invalid, "account %s: entry %d, in which the delivery might be, is no more", d.part, after+1)
		}
		for _, item := range items {
			e, err := decode(item)
			if err != nil {
				return err
			}
			for i := range e.Ops {
				if add := e.Ops[i].Add; add != nil && len(add.Name) == NameSize {
					d.mark(e.Seq, add.Name)
				}
			}
			after = e.Seq
		}
		d.searched = after
	}
	for _, r := range st.Recent {
		for names := r.Names; len(names) >= NameSize; names = names[NameSize:] {
			d.mark(r.Seq, names[:NameSize])
		}
		d.searched = max(d.searched, r.Seq)
	}
	return nil
}

// searchSnapshot looks for the batch's names in what a snapshot has of the entries after one
// up to another, and gives the last of them.
func (d *deliverer) searchSnapshot(ctx context.Context, text string, after, last uint64) (uint64, error) {
	if text == "" {
		return 0, kinds.Errorf(kinds.Invalid, "account %s: entry %d, in which the delivery might be, is no more", d.part, after+1)
	}
	snap, err := d.store.readSnapshot(ctx, d.ref, text)
	if err != nil {
		return 0, err
	}
	if after+1 < snap.man.NamesFrom || last > snap.man.Seq {
		return 0, kinds.Errorf(kinds.Invalid, "account %s: entry %d, in which the delivery might be, is no more", d.part, after+1)
	}
	for i := range snap.man.Packs {
		for j, at := range snap.man.sections(&snap.man.Packs[i]) {
			if snap.man.Packs[i].Blocks[j].First > last || snap.man.lastIn(i, j) <= after {
				continue
			}
			stored, err := d.store.readSections(ctx, d.ref, snap, []section{at})
			if err != nil {
				return 0, err
			}
			records, err := readBlock(d.ref, at, stored[at])
			if err != nil {
				return 0, err
			}
			for _, r := range records {
				if r.ref.Seq > after && len(r.name) == NameSize {
					d.mark(r.ref.Seq, r.name)
				}
			}
		}
	}
	return last, nil
}

func (d *deliverer) mark(seq uint64, name []byte) {
	for i := range d.batch {
		if !d.found[i] && bytes.Equal(d.batch[i].Name, name) {
			d.found[i], d.out[i] = true, Delivered{Seq: seq, Duplicate: true}
		}
	}
}

// missing gives the operations for what was not found; of a name that comes twice, the
// first one, and the second is its duplicate.
func (d *deliverer) missing() (ops []Op) {
	for i := range d.batch {
		if d.found[i] {
			continue
		}
		d.out[i].Duplicate = false
		for j := range i {
			if !d.found[j] && bytes.Equal(d.batch[j].Name, d.batch[i].Name) {
				d.out[i].Duplicate = true
			}
		}
		if d.out[i].Duplicate {
			continue
		}
		add := d.batch[i]
		if add.Mailbox == 0 {
			add.Mailbox = Inbox
		}
		ops = append(ops, Op{Add: &add})
	}
	return ops
}
