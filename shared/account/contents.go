package account

import (
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

type contentKey struct {
	part journal.Partition
	ref  ContentRef
}

// A read of the journal for contents goes on over entries that were not asked for while
// there are at most maxSkip of them in a row, and takes at most readAhead in all.
const (
	maxSkip   = 8
	readAhead = 100
)

// Contents gives what messages are made of, in the order of refs. What is not in memory
// is read from the journal, neighbours together. They must not be changed.
func (a *Account) Contents(ctx context.Context, refs []ContentRef) ([]Content, error) {
	c := a.core
	out := make([]Content, len(refs))
	missing := map[ContentRef][]int{}
	for i, ref := range refs {
		if got, ok := c.store.contents.get(contentKey{c.part, ref}); ok {
			out[i] = got
		} else {
			missing[ref] = append(missing[ref], i)
		}
	}
	for _, run := range runs(missing) {
		items, err := c.store.readRun(ctx, c.part, run[0], run[1])
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			e, err := decode(item)
			if err != nil {
				return nil, err
			}
			for i := range e.Ops {
				ref := ContentRef{Seq: e.Seq, Index: i}
				if at := missing[ref]; len(at) > 0 && e.Ops[i].Add != nil {
					content := &e.Ops[i].Add.Content
					c.store.keep(c.part, ref, content)
					for _, i := range at {
						out[i] = *content
					}
					delete(missing, ref)
				}
			}
		}
	}
	for ref := range missing {
		return nil, kinds.Errorf(kinds.Corrupt, "account %s: entry %d has no content %d", c.part, ref.Seq, ref.Index)
	}
	return out, nil
}

// readRun reads the entries from first to last.
func (s *Store) readRun(ctx context.Context, p journal.Partition, first, last uint64) (found []journal.Entry, err error) {
	for after := first - 1; after < last; {
		items, more, err := s.cfg.Journal.Read(ctx, p, after, int(last-after))
		if err != nil {
			return nil, err
		}
		found = append(found, items...)
		if len(items) == 0 || !more {
			break
		}
		after = items[len(items)-1].Seq
	}
	return found, nil
}

func (s *Store) keep(p journal.Partition, ref ContentRef, c *Content) {
	s.contents.put(contentKey{p, ref}, *c, int64(300+len(c.Head)+len(c.Summary)+len(c.Blob.Name)+len(c.Blob.Frames)))
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
