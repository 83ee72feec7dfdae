package account

import (
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// SetReader makes the account one that somebody uses who does not own it: whatever is done
// from here on is held against the rights that they have when it is done, and \Seen is their
// own where a mailbox has it so. They are told of a mailbox that they may not look up as if it
// were not there. nil: the owner uses it.
func (a *Account) SetReader(r *Reader) { a.reader.Store(r) }

// Rights gives what who uses the account may do with a mailbox of its.
func (a *Account) Rights(m *Mailbox) Rights { return m.Rights(a.reader.Load()) }

// Seen gives a mailbox as who uses the account sees it.
func (a *Account) Seen(m *Mailbox) *Mailbox {
	if r := a.reader.Load(); r != nil && m != nil {
		return m.For(r.ID)
	}
	return m
}

// May fails unless who uses the account may do all that is asked for with a mailbox; nil is
// one that is not there.
func (a *Account) May(m *Mailbox, want Rights) error {
	if m == nil {
		return kinds.Errorf(kinds.NotFound, "account: there is no such mailbox")
	}
	switch have := a.Rights(m); {
	case have&want == want:
		return nil
	case have&MayLookup == 0:
		return kinds.Errorf(kinds.NotFound, "account: there is no such mailbox for who asks")
	default:
		return kinds.Errorf(kinds.Denied, "account: mailbox %d: rights %s are missing", m.ID, (want &^ have).Letters())
	}
}

// AnyoneMay tells whether anyone was granted a right to the account's INBOX.
func (s *Store) AnyoneMay(ctx context.Context, ref Ref, want Rights) (bool, error) {
	a, err := s.Open(ctx, ref)
	if err != nil {
		return false, err
	}
	defer a.Close()
	inbox := a.State().MailboxByID(Inbox)
	return inbox != nil && inbox.Granted(Anyone)&want == want, nil
}

// above gives the nearest mailbox above a name. For who doesn't own the account INBOX is above
// all others, nil for its owner.
func (a *Account) above(s *State, name string) *Mailbox {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '/' {
			if m := s.Mailbox(name[:i]); m != nil {
				return m
			}
		}
	}
	if a.reader.Load() == nil {
		return nil
	}
	return s.MailboxByID(Inbox)
}

// flagRights are the flags that rights let one change, of those that are kept for all; and
// whether keywords are among what may be changed.
func flagRights(r Rights, apart bool) (flags Flags, words bool) {
	if r&MayKeepSeen != 0 && !apart {
		flags |= Seen
	}
	if r&MayTrash != 0 {
		flags |= Deleted
	}
	if words = r&MayWrite != 0; words {
		flags |= allFlags &^ (Seen | Deleted)
	}
	return flags, words
}

// own tells whether \Seen in a mailbox is one of who uses the account alone, and may be changed.
func (a *Account) ownSeen(m *Mailbox) (*Reader, bool) {
	r := a.reader.Load()
	return r, r != nil && !m.SharedSeen && m.Rights(r)&MayKeepSeen != 0 && m.roomForReader(r.ID)
}

func (m *Mailbox) roomForReader(id ID) bool {
	return len(m.readers) < MaxReaders || slices.ContainsFunc(m.readers, func(r reader) bool { return r.id == id })
}

// asAllowed makes the flags of copies what who uses the account sees of the originals and may
// set on them. The copies, whose UIDs begin with first, have the flags of the originals.
//
// RFC 4314, section 4: Only when the user has a particular right are the corresponding flags stored for the newly created message.
func (a *Account) asAllowed(src, dst *Mailbox, copied []Message, first uint32) (ops []Op) {
	r := a.reader.Load()
	if r == nil {
		return nil
	}
	rights := dst.Rights(r)
	may, words := flagRights(rights, false)
	_, own := a.ownSeen(dst)
	seen := a.Seen(src)
	var add, remove [5][]Range
	var unworded, mine []Range
	for i, m := range copied {
		at := Range{First: first + uint32(i), Last: first + uint32(i)}
		want := m.Flags & may
		if k, ok := seen.Find(m.UID); ok {
			want = seen.At(k).Flags & may
		}
		if own && want&Seen != 0 {
			mine = append(mine, at)
		}
		if !dst.SharedSeen {
			want &^= Seen
		}
		for bit := range add {
			switch f := Flags(1 << bit); {
			case want&f != 0 && m.Flags&f == 0:
				add[bit] = append(add[bit], at)
			case want&f == 0 && m.Flags&f != 0:
				remove[bit] = append(remove[bit], at)
			}
		}
		if !words && len(m.Words) > 0 {
			unworded = append(unworded, at)
		}
	}
	change := func(uids []Range, mode FlagMode, flags Flags, words []string) {
		if len(uids) > 0 {
			ops = append(ops, Op{Flags: &FlagsOp{Mailbox: dst.ID, UIDs: Normalize(uids), Mode: mode, Flags: flags, Words: words}})
		}
	}
	for bit := range add {
		change(add[bit], AddFlags, 1<<bit, nil)
		change(remove[bit], RemoveFlags, 1<<bit, nil)
	}
	change(unworded, RemoveFlags, 0, src.Keywords)
	if len(mine) > 0 {
		ops = append(ops, Op{SeenBy: &SeenBy{Mailbox: dst.ID, Reader: r.ID, UIDs: Normalize(mine), On: true}})
	}
	return ops
}
