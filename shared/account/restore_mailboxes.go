package account

import (
	"context"
	"slices"
	"strings"
)

// maxAtOnce is how many mailboxes or subscriptions one entry of a restore changes: names of a
// kilobyte each fill it.
const maxAtOnce = 250

// mailboxes makes the mailboxes, subscriptions and annotations as they were. Rights that were
// taken away since are given back only with a mailbox that comes back, and by Exact. Later
// ones stay.
func (w *restorer) mailboxes(ctx context.Context) error {
	for _, step := range []func(*State) []Op{w.rename, w.clear, w.create, w.grant, w.subscribe, w.annotate} {
		for n := 1; n > 0; {
			var err error
			if n, err = w.change(ctx, step); err != nil {
				return err
			}
		}
	}
	return nil
}

// change does one entry of changes to mailboxes and counts them.
func (w *restorer) change(ctx context.Context, step func(*State) []Op) (n int, err error) {
	var did Restored
	err = w.do(ctx, func(s *State) ([]Op, error) {
		ops := step(s)
		n, did = len(ops), Restored{}
		for i := range ops {
			switch op := &ops[i]; {
			case op.CreateMailbox != nil:
				did.Created++
			case op.Rename != nil:
				did.Renamed++
			case op.Subscribe != nil:
				did.Subscribed++
			case op.Metadata != nil:
				did.Annotated += int64(len(op.Metadata.Entries))
			case op.DeleteMailbox != nil:
				m := s.MailboxByID(op.DeleteMailbox.Mailbox)
				did.Deleted++
				did.Removed += int64(m.Count)
				did.RemovedBytes += m.Bytes
			}
		}
		return ops, s.roomForMailboxes(int(did.Created))
	})
	if err != nil {
		return 0, err
	}
	w.done.Created += did.Created
	w.done.Renamed += did.Renamed
	w.done.Subscribed += did.Subscribed
	w.done.Annotated += did.Annotated
	w.done.Deleted += did.Deleted
	w.done.Removed += did.Removed
	w.done.RemovedBytes += did.RemovedBytes
	return n, nil
}

// rename gives a mailbox the name back that it had. One whose name now is that of another one
// then stays, and so does one with such mailboxes below it: what is right is left alone.
func (w *restorer) rename(s *State) []Op {
	if w.Mailbox != "" || w.Into != "" {
		return nil
	}
	for _, t := range w.targets {
		m := s.MailboxByID(t.was)
		if m == nil || m.ID == Inbox || m.Name == t.name || s.Mailbox(t.name) != nil || strings.HasPrefix(t.name, m.Name+"/") {
			continue
		}
		right := slices.ContainsFunc(s.boxes, func(b *Mailbox) bool {
			return (b == m || strings.HasPrefix(b.Name, m.Name+"/")) && w.past.state.Mailbox(b.Name) != nil
		})
		if right || s.checkChildren(m.Name, t.name) != nil {
			continue
		}
		return []Op{{Rename: &Rename{Mailbox: m.ID, Name: t.name}}}
	}
	return nil
}

// clear takes special uses, by Exact, from mailboxes that did not have them.
func (w *restorer) clear(s *State) (ops []Op) {
	if !w.Exact || w.Mailbox != "" {
		return nil
	}
	for _, m := range s.boxes {
		was := w.past.state.Mailbox(m.Name)
		if m.SpecialUse != "" && (was == nil || was.SpecialUse != m.SpecialUse) && len(ops) < maxAtOnce {
			ops = append(ops, useOp(m.ID, ""))
		}
	}
	return ops
}

// useOp gives a mailbox a special use, "": none.
func useOp(id MailboxID, use string) Op {
	a := Annotation{Name: SpecialUseEntry}
	if use != "" {
		a.Value = []byte(use)
	}
	return Op{Metadata: &Metadata{Mailbox: id, Entries: []Annotation{a}}}
}

func (s *State) useTaken(use string) bool {
	return slices.ContainsFunc(s.boxes, func(m *Mailbox) bool { return m.SpecialUse == use })
}

// create makes mailboxes that are no more, and what is missing above a new one.
func (w *restorer) create(s *State) (ops []Op) {
	fresh, grants := map[string]bool{}, 0
	add := func(c CreateMailbox) {
		if !fresh[c.Name] && s.Mailbox(c.Name) == nil && len(ops)+grants < maxAtOnce {
			fresh[c.Name] = true
			if was := w.past.state.Mailbox(c.Name); was != nil {
				grants += len(was.ACL)
			}
			ops = append(ops, Op{CreateMailbox: &c})
		}
	}
	for _, t := range w.targets {
		if s.Mailbox(t.name) != nil {
			continue
		}
		was := w.past.state.MailboxByID(t.was)
		if w.Into != "" || w.Mailbox != "" {
			for _, op := range s.parents(t.name) {
				add(*op.CreateMailbox)
			}
		}
		c := CreateMailbox{Name: t.name, Subscribed: w.past.state.Subscribed(was.Name)}
		if w.Into == "" && was.SpecialUse != "" && !s.useTaken(was.SpecialUse) {
			c.SpecialUse = was.SpecialUse
		}
		add(c)
	}
	return append(ops, w.regrant(s, ops)...)
}

// regrant gives mailboxes that are made again, where they were, the grants that they had.
func (w *restorer) regrant(s *State, made []Op) (ops []Op) {
	for i := range made {
		was := w.past.state.Mailbox(made[i].CreateMailbox.Name)
		if w.Into == "" && was != nil {
			ops = append(ops, inherit(was, s.nextID+MailboxID(i))...)
		}
	}
	return ops
}

// grant makes, by Exact, the grants of mailboxes that are there as they were.
func (w *restorer) grant(s *State) (ops []Op) {
	if !w.Exact || w.Mailbox != "" {
		return nil
	}
	for _, m := range s.boxes {
		was := w.past.state.Mailbox(m.Name)
		if was == nil || len(ops) > 0 && len(ops)+len(m.ACL)+len(was.ACL) > maxAtOnce {
			continue
		}
		for _, g := range m.ACL {
			if was.Granted(g.Who) == 0 {
				ops = append(ops, Op{SetACL: &SetACL{Mailbox: m.ID, Who: g.Who}})
			}
		}
		for _, g := range was.ACL {
			if m.Granted(g.Who) != g.Rights {
				ops = append(ops, Op{SetACL: &SetACL{Mailbox: m.ID, Who: g.Who, Rights: g.Rights}})
			}
		}
		if m.SharedSeen != was.SharedSeen {
			ops = append(ops, Op{SeenMode: &SeenMode{Mailbox: m.ID, Shared: was.SharedSeen}})
		}
	}
	return ops
}

// subscribe makes subscriptions as they were.
func (w *restorer) subscribe(s *State) (ops []Op) {
	if w.Mailbox != "" || w.Into != "" {
		return nil
	}
	for _, name := range w.past.state.Subscriptions() {
		if !s.Subscribed(name) {
			ops = append(ops, Op{Subscribe: &Subscribe{Name: name, On: true}})
		}
	}
	for _, name := range s.Subscriptions() {
		if w.Exact && !w.past.state.Subscribed(name) {
			ops = append(ops, Op{Subscribe: &Subscribe{Name: name}})
		}
	}
	return ops[:min(len(ops), maxAtOnce)]
}

// annotate makes annotations and special uses as they were. A special use that another
// mailbox has now stays with it.
func (w *restorer) annotate(s *State) (ops []Op) {
	size := 0
	add := func(id MailboxID, a Annotation) {
		if size += 20 + len(a.Name) + len(a.Value); size < rebuildBytes && len(ops) < maxAtOnce {
			ops = append(ops, Op{Metadata: &Metadata{Mailbox: id, Entries: []Annotation{a}}})
		}
	}
	like := func(id MailboxID, was []Annotation) {
		now := s.annotated(id)
		for _, a := range was {
			if i, ok := findAnnotation(now, a.Name); !ok || string(now[i].Value) != string(a.Value) {
				add(id, a)
			}
		}
		for _, a := range now {
			if _, ok := findAnnotation(was, a.Name); w.Exact && !ok {
				add(id, Annotation{Name: a.Name})
			}
		}
	}
	if w.Mailbox == "" && w.Into == "" {
		like(0, w.past.state.annotations)
	}
	for _, t := range w.targets {
		m, was := s.Mailbox(t.name), w.past.state.MailboxByID(t.was)
		if m == nil {
			continue
		}
		if use := was.SpecialUse; w.Into == "" && use != "" && use != m.SpecialUse && !s.useTaken(use) {
			add(m.ID, Annotation{Name: SpecialUseEntry, Value: []byte(use)})
		}
		like(m.ID, was.Annotations)
	}
	return ops
}

// removeMailboxes deletes, by Exact, mailboxes that came later. One into which something came
// while the restore ran stays.
func (w *restorer) removeMailboxes(ctx context.Context) error {
	var later []*Mailbox
	for _, m := range w.state().Mailboxes() {
		if m.ID == Inbox || w.past.state.Mailbox(m.Name) != nil {
			continue
		}
		m, err := w.now(ctx, m.Name)
		if err != nil {
			return err
		}
		if m != nil && m.newest() <= w.Since {
			later = append(later, m)
		}
	}
	for part := range slices.Chunk(later, maxAtOnce) {
		if _, err := w.change(ctx, func(s *State) (ops []Op) {
			for _, m := range part {
				if now := s.MailboxByID(m.ID); now != nil && now.HighestModSeq == m.HighestModSeq {
					ops = append(ops, Op{DeleteMailbox: &DeleteMailbox{Mailbox: m.ID}})
				}
			}
			return ops
		}); err != nil {
			return err
		}
	}
	return nil
}

// newest is the last entry that touched a message that is there.
func (m *Mailbox) newest() (seq uint64) {
	for _, b := range m.blocks {
		for i := range b.rows {
			seq = max(seq, b.rows[i].mod.get())
		}
	}
	return seq
}
