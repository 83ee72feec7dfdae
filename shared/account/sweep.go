package account

import (
	"context"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// The window is how far back the account's past can be told.
const (
	MinWindow     = 15 * 24 * time.Hour
	DefaultWindow = 30 * 24 * time.Hour
)

// What is never trimmed: so many of the last entries, and what is not so old. Somebody may
// still write or read on from there.
const (
	keepEntries = 1024
	keepTime    = 24 * time.Hour
)

// Swept says what a sweep has removed.
type Swept struct {
	Trimmed uint64 // entries up to this one are no more; 0: none was removed
	Objects int    // of snapshots
	Bytes   int64  // of those
	Buried  int    // contents of messages that were expunged before the window
}

// Sweep trims the account's journal and removes what no snapshot needs any more. The base
// is the last snapshot from before the window, of those that are kept, and all after it
// can be told: entries up to it are trimmed, oldest first, when it and the newest snapshot
// are there. It may die anywhere, run twice or beside writers and compactions.
func (s *Store) Sweep(ctx context.Context, ref Ref) (done Swept, err error) {
	if err := ref.check(); err != nil {
		return done, err
	}
	ref, head, err := s.current(ctx, ref)
	if err != nil {
		return done, err
	}
	if err := s.salvage(ctx, ref); err != nil {
		return done, err
	}
	if head.Standing.Snapshot == "" {
		return done, nil
	}
	newest, err := s.readSnapshot(ctx, ref, head.Standing.Snapshot)
	if err != nil {
		return done, err // nothing is removed beside what is broken
	}
	w := &sweeper{store: s, ref: ref, head: head, newest: newest, now: s.cfg.Now()}
	if w.objects, err = s.listObjects(ctx, ref); err != nil {
		return done, err
	}
	if err := w.complete(newest); err != nil {
		return done, err
	}
	if err := w.choose(ctx, s.window()); err != nil {
		return done, err
	}
	if done.Trimmed, err = w.trim(ctx); err != nil {
		return done, err
	}
	if done.Objects, done.Bytes, err = w.collect(ctx); err != nil || w.base == nil {
		return done, err
	}
	done.Buried, err = s.bury(ctx, ref, w.base, newest)
	return done, err
}

// window is how far back the past can be told.
func (s *Store) window() time.Duration {
	if s.cfg.Window == 0 {
		return DefaultWindow
	}
	return max(s.cfg.Window, MinWindow)
}

type sweeper struct {
	store   *Store
	ref     Ref
	head    Head
	newest  *snapshot
	now     time.Time
	objects map[string]blob.Info // all that there are, by their names in the folder
	base    *snapshot            // nil: nothing is trimmed
	kept    []point              // after the base
}

func (s *Store) listObjects(ctx context.Context, ref Ref) (map[string]blob.Info, error) {
	objects := map[string]blob.Info{}
	for after := ""; ; {
		list, err := s.cfg.Blobs.Driver.List(ctx, ref.folder(), after, blob.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			objects[o.Name[len(ref.folder()):]] = o
			after = o.Name
		}
		if len(list) < blob.MaxPage {
			return objects, nil
		}
	}
}

// complete fails unless all of a snapshot's objects are there in their full length.
func (w *sweeper) complete(snap *snapshot) error {
	for object, end := range snap.man.ends() {
		if o, ok := w.objects[object]; !ok || o.Size < end {
			return kinds.Errorf(kinds.Corrupt, "account: snapshot object %s%s has %d bytes and not %d at least",
				w.ref.folder(), object, o.Size, end)
		}
	}
	return nil
}

// ends gives all objects of a snapshot, and how long they must be.
func (m *manifest) ends() map[string]int64 {
	ends := map[string]int64{m.Objects[0]: 0}
	m.each(func(object int, end int64) { ends[m.Objects[object]] = max(ends[m.Objects[object]], end) })
	return ends
}

// needed gives the indexes of all objects of a snapshot.
func (m *manifest) needed() []int {
	list := []int{0}
	m.each(func(object int, _ int64) { list = append(list, object) })
	slices.Sort(list)
	return slices.Compact(list)
}

// each tells fn of all that a snapshot is made of.
func (m *manifest) each(fn func(object int, end int64)) {
	for i := range m.Boxes {
		b := &m.Boxes[i]
		for _, p := range b.Pieces {
			fn(p.Object, p.Off+int64(p.Len))
		}
		if t := b.Tombs; t != nil {
			fn(t.Object, t.Off+int64(t.Len))
		}
	}
	for i := range m.Packs {
		end := m.Packs[i].Off
		for _, b := range m.Packs[i].Blocks {
			end += int64(b.Len)
		}
		fn(m.Packs[i].Object, end)
	}
}

// choose finds the base: the last snapshot that is no newer than the window's start, if it
// is whole. Those after it are kept, so that one of them can be the next.
func (w *sweeper) choose(ctx context.Context, window time.Duration) error {
	start := Millis(w.now.Add(-window))
	points := append(slices.Clone(w.newest.man.Points), point{Seq: w.newest.man.Seq, Time: w.newest.man.Time, Ref: w.newest.text})
	for i, p := range slices.Backward(points) {
		if p.Time > start {
			w.kept = append(w.kept, p)
			continue
		}
		at, err := parseSnapshotRef(p.Ref)
		if err != nil {
			return err
		}
		if _, ok := w.objects[at.object]; !ok && i < len(points)-1 {
			continue // the window was shorter before
		}
		base := w.newest
		if p.Ref != w.newest.text {
			if base, err = w.store.readSnapshot(ctx, w.ref, p.Ref); err != nil {
				return err
			}
		}
		if err := w.complete(base); err != nil {
			return err
		}
		w.base = base
		return nil
	}
	return nil
}

// trim deletes entries that the base has.
func (w *sweeper) trim(ctx context.Context) (uint64, error) {
	if w.base == nil || w.base.man.Time > Millis(w.now.Add(-keepTime)) || w.head.Seq <= w.store.last {
		return 0, nil
	}
	through := min(w.base.man.Seq, w.head.Seq-w.store.last)
	first, _, err := w.store.read(ctx, w.ref, 0, 1)
	if err != nil || len(first) == 0 || first[0].Seq > through {
		return 0, err
	}
	return through, w.store.trim(ctx, w.ref, through)
}

// trim deletes entries up to one, in earlier epochs first.
func (s *Store) trim(ctx context.Context, ref Ref, through uint64) error {
	before, last, err := s.earlier(ctx, ref)
	if err != nil {
		return err
	}
	if before != (Ref{}) {
		if err := s.trim(ctx, before, min(through, last)); err != nil {
			return err
		}
	}
	return s.cfg.Journal.Trim(ctx, ref.Partition(), through)
}

// collect deletes objects that neither the base nor a snapshot after it needs. Those that
// are not a day old may belong to one whose entry is yet to be written.
func (w *sweeper) collect(ctx context.Context) (n int, bytes int64, err error) {
	needed := w.newest.man.ends()
	var old []string
	for name, o := range w.objects {
		if _, ok := needed[name]; !ok && w.now.Sub(o.Modified) > keepTime {
			old = append(old, name)
		}
	}
	if len(old) == 0 {
		return 0, 0, nil
	}
	kept := w.kept
	if w.base == nil {
		kept = w.newest.man.Points
	}
	for _, p := range kept {
		for _, o := range p.Objects {
			needed[w.newest.man.Objects[o]] = 0
		}
	}
	if w.base != nil {
		for object := range w.base.man.ends() {
			needed[object] = 0
		}
	}
	slices.Sort(old)
	for _, name := range old {
		if _, ok := needed[name]; ok {
			continue
		}
		if err := w.store.cfg.Blobs.Driver.Delete(ctx, w.ref.folder()+name); err != nil {
			return n, bytes, err
		}
		n, bytes = n+1, bytes+w.objects[name].Size
	}
	return n, bytes, nil
}
