package account

import (
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Unconditional is the unchangedSince of a STORE without UNCHANGEDSINCE.
const Unconditional = ^uint64(0)

// StoreFlags changes flags and keywords of those of the messages that are there. It
// leaves alone, and gives, those that were changed after unchangedSince. What changes
// nothing writes nothing. kinds.Limit when the mailbox has no room for a keyword.
//
// RFC 7162, section 3.1.3: a STORE with UNCHANGEDSINCE 0 fails for every message that
// has a mod-sequence, and here all have one.
func (a *Account) StoreFlags(ctx context.Context, by By, mbox MailboxID, uids []Range, mode FlagMode, flags Flags, words []string, unchangedSince uint64) (modified []Range, err error) {
	if mode < AddFlags || mode > ReplaceFlags || flags&^allFlags != 0 {
		return nil, kinds.Errorf(kinds.Invalid, "account: a change of flags %d by mode %d", flags, mode)
	}
	if len(words) > MaxKeywords {
		return nil, kinds.Errorf(kinds.Limit, "account: %d keywords at once", len(words))
	}
	for _, w := range words {
		if err := CheckKeyword(w); err != nil {
			return nil, err
		}
	}
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		m, err := s.messages(mbox)
		if err != nil {
			return nil, err
		}
		if m == nil {
			return nil, noMailboxID(mbox)
		}
		m = a.Seen(m)
		var failed, todo runner
		changes := false
		for i, msg := range m.In(uids) {
			if msg.ModSeq > unchangedSince {
				failed.add(i, msg.UID)
				continue
			}
			todo.add(i, msg.UID)
			changes = changes || wouldChange(&msg, mode, flags, words)
		}
		modified = failed.ranges
		if a.reader.Load() != nil {
			return a.storeAllowed(m, FlagsOp{Mailbox: mbox, UIDs: todo.ranges, Mode: mode, Flags: flags, Words: words})
		}
		if !changes {
			return nil, nil
		}
		if mode != RemoveFlags {
			if err := m.roomForWords(words); err != nil {
				return nil, err
			}
		}
		return []Op{{Flags: &FlagsOp{Mailbox: mbox, UIDs: todo.ranges, Mode: mode, Flags: flags, Words: words}}}, nil
	})
	if err != nil {
		return nil, err
	}
	return modified, nil
}

// storeAllowed gives the operations that change of flags what who uses the account may change,
// \Seen as their own where it is. What changes nothing has none. kinds.Denied when they may
// change none of the flags that were named.
//
// RFC 4314, section 4: STORE operation SHOULD NOT fail if the user has rights to modify at least one flag specified in the STORE
func (a *Account) storeAllowed(m *Mailbox, f FlagsOp) (ops []Op, err error) {
	if err := a.May(m, MayRead); err != nil {
		return nil, err
	}
	rights := a.Rights(m)
	may, words := flagRights(rights, !m.SharedSeen)
	r, own := a.ownSeen(m)
	any := may
	if rights&MayKeepSeen != 0 {
		any |= Seen
	}
	named, allowed := f.Flags != 0 || len(f.Words) > 0, f.Flags&any != 0 || words && len(f.Words) > 0
	if !named && f.Mode == ReplaceFlags { // all are, to be removed
		named, allowed = true, any != 0
	}
	if named && !allowed && len(f.UIDs) > 0 {
		return nil, kinds.Errorf(kinds.Denied, "account: no right to any of the flags")
	}
	put := func(mode FlagMode, flags Flags, words []string) {
		changes := slices.ContainsFunc(messagesIn(m, f.UIDs), func(msg Message) bool { return wouldChange(&msg, mode, flags, words) })
		if changes {
			ops = append(ops, Op{Flags: &FlagsOp{Mailbox: m.ID, UIDs: f.UIDs, Mode: mode, Flags: flags, Words: words}})
		}
	}
	mine := func(on bool) {
		differs := slices.ContainsFunc(messagesIn(m, f.UIDs), func(msg Message) bool { return msg.Flags&Seen != 0 != on })
		if differs {
			ops = append(ops, Op{SeenBy: &SeenBy{Mailbox: m.ID, Reader: r.ID, UIDs: f.UIDs, On: on}})
		}
	}
	if !words {
		f.Words = nil
	}
	if f.Mode != RemoveFlags {
		if err := m.roomForWords(f.Words); err != nil {
			return nil, err
		}
	}
	switch f.Mode {
	case ReplaceFlags:
		put(AddFlags, f.Flags&may, f.Words)
		var others []string
		for _, w := range m.Keywords {
			if words && !containsFold(f.Words, w) {
				others = append(others, w)
			}
		}
		put(RemoveFlags, may&^f.Flags, others)
	default:
		put(f.Mode, f.Flags&may, f.Words)
	}
	if own && (f.Flags&Seen != 0 || f.Mode == ReplaceFlags) {
		mine(f.Flags&Seen != 0 && f.Mode != RemoveFlags)
	}
	return ops, nil
}

func messagesIn(m *Mailbox, uids []Range) (list []Message) {
	for _, msg := range m.In(uids) {
		list = append(list, msg)
	}
	return list
}

func wouldChange(m *Message, mode FlagMode, flags Flags, words []string) bool {
	if f, _ := mode.change(m.Flags, bits{}, flags, bits{}); f != m.Flags {
		return true
	}
	has := 0
	for _, w := range words {
		if containsFold(m.Words, w) {
			has++
		}
	}
	switch mode {
	case AddFlags:
		return has < len(words)
	case RemoveFlags:
		return has > 0
	}
	if has < len(words) {
		return true
	}
	for _, w := range m.Words {
		if !containsFold(words, w) {
			return true
		}
	}
	return false
}

func containsFold(list []string, s string) bool {
	for _, l := range list {
		if strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}

// roomForWords fails unless all of the words can have a place in the mailbox.
func (m *Mailbox) roomForWords(words []string) error {
	if len(m.Keywords)+len(words) <= MaxKeywords {
		return nil
	}
	var used bits
	for _, b := range m.blocks {
		for _, w := range b.words {
			used = used.or(w)
		}
	}
	need := len(m.Keywords)
	var fresh []string
	for _, w := range words {
		if i := m.keyword(w); i >= 0 {
			used.set(i)
		} else if !containsFold(fresh, w) {
			fresh = append(fresh, w)
		}
	}
	for i := range m.Keywords {
		if !used.has(i) {
			need--
		}
	}
	if need+len(fresh) > MaxKeywords {
		return kinds.Errorf(kinds.Limit, "account: a mailbox with more than %d keywords", MaxKeywords)
	}
	return nil
}
