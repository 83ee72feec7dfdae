package account

import (
	"context"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// SnapshotParts tells what must be kept of a snapshot that an entry of the account names,
// for who copies the account elsewhere: it gives the last entry in it and the names of its
// objects in the blob store, and calls each with what its messages, and some that are no
// more, are made of.
func (s *Store) SnapshotParts(ctx context.Context, ref Ref, text string, each func(*Content) error) (seq uint64, objects []string, err error) {
	snap, err := s.readSnapshot(ctx, ref, text)
	if err != nil {
		return 0, nil, err
	}
	for name := range snap.man.ends() {
		objects = append(objects, ref.folder()+name)
	}
	slices.Sort(objects)
	for i := range snap.man.Packs {
		sections := snap.man.sections(&snap.man.Packs[i])
		stored, err := s.readSections(ctx, ref, snap, sections)
		if err != nil {
			return 0, nil, err
		}
		for _, at := range sections {
			records, err := readBlock(ref, at, stored[at])
			if err != nil {
				return 0, nil, err
			}
			for j := range records {
				if err := each(&records[j].content); err != nil {
					return 0, nil, err
				}
			}
		}
	}
	return snap.man.Seq, objects, nil
}

// What goes into one entry of an account that is rebuilt: well below MaxEntry.
const (
	rebuildBytes = 160 << 10
	rebuildOps   = 1000
)

// Carry brings the blob of a message to where another store reads it. Not ok: the message is
// to be left out. It is called for several messages at once.
type Carry func(ctx context.Context, from blob.Ref) (to blob.Ref, ok bool, err error)

// Rebuild makes the account ref, of which there is nothing yet, as from is now: mailboxes,
// what they grant within the tenant, subscriptions, and messages with their flags, dates,
// EMAILIDs and THREADIDs. What others have seen is not taken over. UIDs, MODSEQs
// and MAILBOXIDs are new, and each UIDVALIDITY is above all that from has ever given, and that
// the account may have given since from was copied, so that no client takes a message of one
// for one of the other. After an error the account is to be given up.
func (s *Store) Rebuild(ctx context.Context, ref Ref, by By, from *Account, carry Carry) (Totals, error) {
	old := from.State()
	create := Create{Mailboxes: []CreateMailbox{{Name: inboxName, UIDNext: firstUID(old.MailboxByID(Inbox))}}, UIDFloor: max(old.validity, epochFloor(old.epoch, s.cfg.Now()))}
	if err := s.begin(ctx, ref, by, create); err != nil {
		return Totals{}, err
	}
	to, err := s.Open(ctx, ref)
	if err != nil {
		return Totals{}, err
	}
	defer to.Close()
	r := &rebuilding{to: to, from: from, by: by, carry: carry}
	for _, name := range old.Subscriptions() {
		if err := r.put(ctx, Op{Subscribe: &Subscribe{Name: name, On: true}}, 40+len(name)); err != nil {
			return Totals{}, err
		}
	}
	if err := r.annotations(ctx, 0, old.annotations); err != nil {
		return Totals{}, err
	}
	id := Inbox // the fold gives ids in order
	for _, m := range old.Mailboxes() {
		if m.ID != Inbox {
			id++
			err := r.put(ctx, Op{CreateMailbox: &CreateMailbox{Name: m.Name, SpecialUse: m.SpecialUse, UIDNext: firstUID(m)}}, 40+len(m.Name))
			if err != nil {
				return Totals{}, err
			}
		}
		if err := r.grants(ctx, m, id); err != nil {
			return Totals{}, err
		}
		if err := r.annotations(ctx, id, m.Annotations); err != nil {
			return Totals{}, err
		}
		if err := r.messages(ctx, m.ID, id); err != nil {
			return Totals{}, err
		}
	}
	if err := r.flush(ctx); err != nil {
		return Totals{}, err
	}
	return to.State().Standing().Totals, nil
}

// firstUID is what a mailbox begins with that is made anew from m: above all UIDs that clients
// may know of m, also from after it was copied.
//
// QUIRK: offlineimap 7 and 8 say that they skip a folder with another UIDVALIDITY, and go on
// by UIDs: so none comes again.
func firstUID(m *Mailbox) uint32 {
	if m.UIDNext > math.MaxUint32-2*epochGap {
		return 1
	}
	return m.UIDNext + epochGap
}

// begin writes entry 1 of an account without any mailbox but INBOX.
func (s *Store) begin(ctx context.Context, ref Ref, by By, create Create) error {
	if err := ref.check(); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, ref.Partition())
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := s.readHead(ctx, ref.Partition()); !kinds.Is(err, kinds.NotFound) {
		if err == nil {
			err = kinds.Errorf(kinds.Exists, "account %s is there", ref.Partition())
		}
		return err
	}
	ops := []Op{{Create: &create}}
	e, _, err := prepare(NewState(ref), opID("rebuild"), by, ops, s.cfg.Now())
	if err != nil {
		return err
	}
	return s.append(ctx, ref.Partition(), e, s.cfg.Now())
}

// rebuilding gathers operations into entries.
type rebuilding struct {
	to, from *Account
	by       By
	carry    Carry
	ops      []Op
	size     int
}

func (r *rebuilding) put(ctx context.Context, op Op, size int) error {
	if r.size+size > rebuildBytes || len(r.ops) == rebuildOps {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.ops, r.size = append(r.ops, op), r.size+size
	return nil
}

func (r *rebuilding) flush(ctx context.Context) error {
	if len(r.ops) == 0 {
		return nil
	}
	ops := r.ops
	r.ops, r.size = nil, 0
	_, err := r.to.Do(ctx, r.by, func(*State) ([]Op, error) { return ops, nil })
	return err
}

// grants copies those of a mailbox, if they mean the same where it is copied to.
func (r *rebuilding) grants(ctx context.Context, from *Mailbox, to MailboxID) error {
	if r.to.core.ref.Tenant != r.from.core.ref.Tenant {
		return nil
	}
	for _, op := range inherit(from, to) {
		size := 40
		if op.SetACL != nil {
			size += len(op.SetACL.Who)
		}
		if err := r.put(ctx, op, size); err != nil {
			return err
		}
	}
	return nil
}

// annotations copies those of a mailbox or, with 0, of the account.
func (r *rebuilding) annotations(ctx context.Context, id MailboxID, list []Annotation) error {
	for _, a := range list {
		if err := r.put(ctx, Op{Metadata: &Metadata{Mailbox: id, Entries: []Annotation{a}}}, 20+len(a.Name)+len(a.Value)); err != nil {
			return err
		}
	}
	return nil
}

const (
	rebuildRead  = 256 // contents at once
	rebuildCarry = 32  // blobs at once: each waits until it is safe on a disk
)

// messages copies those of a mailbox.
func (r *rebuilding) messages(ctx context.Context, from, to MailboxID) error {
	state, err := r.from.Load(ctx, from)
	if err != nil {
		return err
	}
	m := state.MailboxByID(from)
	if m == nil {
		return kinds.Errorf(kinds.Conflict, "account: it is changed while it is read")
	}
	for first := 0; first < m.Len(); first += rebuildRead {
		var refs []ContentRef
		for i := first; i < min(first+rebuildRead, m.Len()); i++ {
			refs = append(refs, m.At(i).Content)
		}
		contents, err := r.from.Contents(ctx, refs)
		if err != nil {
			return err
		}
		carried, err := r.blobs(ctx, contents)
		if err != nil {
			return err
		}
		for i := range contents {
			if carried[i] == nil {
				continue
			}
			c := contents[i]
			c.Blob = *carried[i]
			msg := m.At(first + i)
			add := Add{Mailbox: to, Content: c, Flags: msg.Flags, Words: msg.Words, Date: msg.Date, EmailID: c.EmailID, Thread: c.Thread, UIDL: msg.UIDL}
			size := 300 + len(c.Head) + len(c.Summary) + len(c.Blob.Name) + len(c.Blob.Frames)
			if err := r.put(ctx, Op{Add: &add}, size); err != nil {
				return err
			}
		}
	}
	return nil
}

// blobs carries those of contents, in any order; nil: the message is to be left out.
func (r *rebuilding) blobs(ctx context.Context, contents []Content) ([]*blob.Ref, error) {
	carried := make([]*blob.Ref, len(contents))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(rebuildCarry)
	for i := range contents {
		g.Go(func() error {
			at, ok, err := r.carry(ctx, contents[i].Blob)
			if ok && err == nil {
				carried[i] = &at
			}
			return err
		})
	}
	return carried, g.Wait()
}
