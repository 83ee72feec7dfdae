package account

import (
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// matched is what of a mailbox as it was is in it now.
type matched struct {
	was, now *Mailbox
	same     []int // of each message that was there: the index of the one that it is now, or -1
	later    []int // indexes of messages that are there now and were not
	missing  int
}

// match finds what was in a mailbox in what is in it: messages with the same UID, of the same
// origin and, for what was restored before, with the same EMAILID.
func (w *restorer) match(ctx context.Context, t target) (*matched, error) {
	was, err := w.past.Load(ctx, t.was)
	if err != nil {
		return nil, err
	}
	now, err := w.now(ctx, t.name)
	if err != nil {
		return nil, err
	}
	m := &matched{was: was, now: now, same: make([]int, was.Len()), missing: was.Len()}
	for i := range m.same {
		m.same[i] = -1
	}
	if now == nil {
		return m, nil
	}
	taken := make([]bool, now.Len())
	if was.ID == now.ID {
		m.pair(taken)
	}
	if err := m.join(taken, origins); err != nil {
		return nil, err
	}
	err = m.join(taken, func(in *Mailbox, indexes []int) ([]string, error) {
		if in == was {
			return w.emailIDs(ctx, in, indexes, w.past.Contents)
		}
		return w.emailIDs(ctx, in, indexes, w.acc.Contents)
	})
	for i := range taken {
		if !taken[i] {
			m.later = append(m.later, i)
		}
	}
	return m, err
}

// pair matches what has the same UID, in the same mailbox.
func (m *matched) pair(taken []bool) {
	for i := range m.same {
		if at, ok := m.now.Find(m.was.UIDAt(i)); ok {
			m.same[i], taken[at] = at, true
			m.missing--
		}
	}
}

// join matches, in order, what has the same name by some rule.
func (m *matched) join(taken []bool, names func(*Mailbox, []int) ([]string, error)) error {
	if m.missing == 0 {
		return nil
	}
	var free, missing []int
	for i, t := range taken {
		if !t {
			free = append(free, i)
		}
	}
	for i, at := range m.same {
		if at < 0 {
			missing = append(missing, i)
		}
	}
	if len(free) == 0 {
		return nil
	}
	have, err := names(m.now, free)
	if err != nil {
		return err
	}
	want, err := names(m.was, missing)
	if err != nil {
		return err
	}
	by := map[string][]int{}
	for i, name := range have {
		by[name] = append(by[name], free[i])
	}
	for i, name := range want {
		if list := by[name]; len(list) > 0 {
			m.same[missing[i]], taken[list[0]] = list[0], true
			by[name] = list[1:]
			m.missing--
		}
	}
	return nil
}

// origins names messages by the operation that carries their content.
func origins(m *Mailbox, indexes []int) ([]string, error) {
	names := make([]string, len(indexes))
	for i, at := range indexes {
		c := m.At(at).Content
		var key [8]byte
		for j := range 6 {
			key[j] = byte(c.Seq >> (8 * j))
		}
		key[6], key[7] = byte(c.Index), byte(c.Index>>8)
		names[i] = string(key[:])
	}
	return names, nil
}

// emailIDs names messages by their EMAILIDs. They are read once for all of a restore: each
// takes some dozen bytes, and its content a kilobyte.
func (w *restorer) emailIDs(ctx context.Context, m *Mailbox, indexes []int, contents func(context.Context, []ContentRef) ([]Content, error)) ([]string, error) {
	names := make([]string, len(indexes))
	var refs []ContentRef
	ask := func() error {
		list, err := contents(ctx, refs)
		if err != nil {
			return err
		}
		for i := range list {
			w.ids[refs[i]], _ = parseID(emailLetter, list[i].EmailID)
		}
		refs = refs[:0]
		return nil
	}
	for _, at := range indexes {
		ref := m.At(at).Content
		if _, ok := w.ids[ref]; ok {
			continue
		}
		if refs = append(refs, ref); len(refs) == page {
			if err := ask(); err != nil {
				return nil, err
			}
		}
	}
	if err := ask(); err != nil {
		return nil, err
	}
	for i, at := range indexes {
		id := w.ids[m.At(at).Content]
		names[i] = string(id[:])
	}
	return names, nil
}

// messages puts back what is missing in a mailbox, in as few entries as it fits in.
func (w *restorer) messages(ctx context.Context, t target) error {
	m, err := w.match(ctx, t)
	if err != nil {
		return err
	}
	var missing []Message
	for i, at := range m.same {
		if at >= 0 {
			continue
		}
		msg := m.was.At(i)
		if w.Dry {
			w.done.Messages++
			w.done.Bytes += msg.Size
			continue
		}
		missing = append(missing, msg)
	}
	for len(missing) > 0 && !w.late() {
		adds, bytes, err := w.batch(ctx, missing)
		if err != nil {
			return err
		}
		err = w.do(ctx, func(s *State) ([]Op, error) {
			box := s.MailboxByID(m.now.ID)
			if box == nil {
				return nil, kinds.Errorf(kinds.Conflict, "account: a mailbox is deleted while it is restored")
			}
			if s.standing.Totals.Messages+int64(len(adds)) > MaxMessages {
				return nil, kinds.Errorf(kinds.Limit, "account: more than %d messages", MaxMessages)
			}
			ops := make([]Op, len(adds))
			for i := range adds {
				add := adds[i]
				add.Mailbox = box.ID
				ops[i].Add = &add
			}
			return w.Room.Warn.add(ctx, ops, s.standing.Totals, int64(len(adds)), bytes), nil
		})
		if err != nil {
			return err
		}
		w.done.Messages += int64(len(adds))
		w.done.Bytes += bytes
		missing = missing[len(adds):]
	}
	return nil
}

// maxRestore is how many messages one entry brings back at most.
const maxRestore = 500

// batch makes the operations that put back as many of the first messages as fit an entry.
func (w *restorer) batch(ctx context.Context, list []Message) (adds []Add, bytes int64, err error) {
	list = list[:min(len(list), maxRestore)]
	refs := make([]ContentRef, len(list))
	for i := range list {
		refs[i] = list[i].Content
	}
	contents, err := w.past.Contents(ctx, refs)
	if err != nil {
		return nil, 0, err
	}
	size := 0
	for i := range list {
		m, c := &list[i], contents[i]
		n := 300 + len(c.Head) + len(c.Summary) + len(c.Blob.Frames) + len(c.Blob.Name) + len(m.UIDL)
		for _, word := range m.Words {
			n += len(word) + 4
		}
		if size+n > MaxBatchBytes && i > 0 {
			break
		}
		size += n
		bytes += m.Size
		adds = append(adds, Add{Content: c, Flags: m.Flags, Words: m.Words, Date: m.Date, EmailID: c.EmailID, Thread: c.Thread, UIDL: m.UIDL})
	}
	return adds, bytes, nil
}

// maxRanges is how many ranges of UIDs one entry of a restore holds at most.
const maxRanges = 10_000

// remove expunges, by Exact, what came later into a mailbox. What was touched while the restore
// ran stays.
func (w *restorer) remove(ctx context.Context, t target) error {
	if !w.Exact {
		return nil
	}
	m, err := w.match(ctx, t)
	if err != nil || m.now == nil {
		return err
	}
	var runs runner
	for _, i := range m.later {
		if msg := m.now.At(i); msg.ModSeq&maxSeq <= w.Since {
			runs.add(i, msg.UID)
			w.done.Removed++
			w.done.RemovedBytes += msg.Size
		}
	}
	if w.Dry {
		return nil
	}
	for part := range slices.Chunk(runs.ranges, maxRanges) {
		if err := w.do(ctx, func(s *State) ([]Op, error) {
			if s.MailboxByID(m.now.ID) == nil {
				return nil, nil
			}
			return []Op{{Expunge: &Expunge{Mailbox: m.now.ID, UIDs: part}}}, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// flags gives the messages of a mailbox the flags and keywords that they had.
func (w *restorer) flags(ctx context.Context, t target) error {
	m, err := w.match(ctx, t)
	if err != nil || m.now == nil {
		return err
	}
	type kind struct {
		flags Flags
		words string
	}
	groups := map[kind]*runner{}
	var order []kind
	at := make([]int, m.now.Len()) // by the order that it has now: ranges are then the fewest
	for i, now := range m.same {
		if now >= 0 {
			at[now] = i + 1
		}
	}
	for now, i := range at {
		if i == 0 {
			continue
		}
		was, is := m.was.At(i-1), m.now.At(now)
		if !wouldChange(&is, ReplaceFlags, was.Flags, was.Words) {
			continue
		}
		w.done.Flags++
		words := slices.Clone(was.Words)
		slices.Sort(words)
		k := kind{was.Flags, strings.Join(words, " ")}
		if groups[k] == nil {
			groups[k] = &runner{}
			order = append(order, k)
		}
		groups[k].add(now, is.UID)
	}
	if w.Dry {
		return nil
	}
	for _, k := range order {
		for part := range slices.Chunk(groups[k].ranges, maxRanges) {
			if err := w.do(ctx, func(s *State) ([]Op, error) {
				if s.MailboxByID(m.now.ID) == nil {
					return nil, nil
				}
				return []Op{{Flags: &FlagsOp{Mailbox: m.now.ID, UIDs: part, Mode: ReplaceFlags, Flags: k.flags, Words: strings.Fields(k.words)}}}, nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
