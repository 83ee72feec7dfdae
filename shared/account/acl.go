package account

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Rights are what somebody may do with a mailbox: RFC 4314, section 2.1.
type Rights uint16

const (
	MayLookup     Rights = 1 << iota // l: see that it is there
	MayRead                          // r
	MayKeepSeen                      // s: change \Seen
	MayWrite                         // w: change other flags than \Seen and \Deleted
	MayInsert                        // i
	MayPost                          // p: send mail to it
	MayCreate                        // k: make mailboxes below it
	MayDelete                        // x: delete or rename it
	MayTrash                         // t: change \Deleted
	MayExpunge                       // e
	MayAdminister                    // a

	AllRights = MayAdminister<<1 - 1
)

// rightLetters are in the order of the bits.
const rightLetters = "lrswipkxtea"

// Letters gives the rights' letters, "" for none.
func (r Rights) Letters() string {
	var b strings.Builder
	for i := range len(rightLetters) {
		if r&(1<<i) != 0 {
			b.WriteByte(rightLetters[i])
		}
	}
	return b.String()
}

// ParseRights reads letters, in any order: kinds.Invalid for one that is none.
//
// RFC 4314, section 2.1.1: c and d are virtual rights, which stand for k and x, and for t
// and e.
func ParseRights(s string) (r Rights, err error) {
	for _, c := range s {
		switch i := strings.IndexRune(rightLetters, c); {
		case i >= 0:
			r |= 1 << i
		case c == 'c':
			r |= MayCreate | MayDelete
		case c == 'd':
			r |= MayTrash | MayExpunge
		default:
			return 0, kinds.Errorf(kinds.Invalid, "account: there is no right %q", c)
		}
	}
	return r, nil
}

// Limits of a mailbox's list of grants.
const (
	MaxGrants = 500
	maxWho    = 400 // bytes
)

// Anyone is the identifier of all accounts of the tenant. The others are "user:" with an
// account's id, and "group:" with a group's address. A "-" before one takes rights away.
const Anyone = "anyone"

// User is the identifier of an account.
func User(id ID) string { return "user:" + string(id) }

// Group is the identifier of a group, by its address in key form.
func Group(address string) string { return "group:" + address }

// Grant is what an identifier may do.
type Grant struct {
	_      struct{} `cbor:",toarray"`
	Who    string
	Rights Rights
}

// Reader is who uses an account that is not theirs.
type Reader struct {
	ID    ID       // of their own account
	Names []string // identifiers that mean them; the owner of the account decides what they may do
}

// Rights gives what a reader may do with the mailbox: what all identifiers that mean them
// are granted, less what is taken from any. nil is the owner, who may do all.
func (m *Mailbox) Rights(r *Reader) Rights {
	if r == nil {
		return AllRights
	}
	var plus, minus Rights
	for _, g := range m.ACL {
		who, negative := strings.CutPrefix(g.Who, "-")
		switch {
		case !slices.Contains(r.Names, who):
		case negative:
			minus |= g.Rights
		default:
			plus |= g.Rights
		}
	}
	return plus &^ minus
}

// Granted gives what an identifier was granted by name.
func (m *Mailbox) Granted(who string) Rights {
	if i, ok := m.grant(who); ok {
		return m.ACL[i].Rights
	}
	return 0
}

func (m *Mailbox) grant(who string) (int, bool) {
	return slices.BinarySearchFunc(m.ACL, who, func(g Grant, who string) int { return cmp.Compare(g.Who, who) })
}

// Grantees gives the identifiers that the account's mailboxes have grants for, without "-".
func (s *State) Grantees() (list []string) {
	for _, m := range s.boxes {
		for _, g := range m.ACL {
			list = append(list, strings.TrimPrefix(g.Who, "-"))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// setACL is the fold of a grant.
func (s *State) setACL(e *Entry, o *SetACL) error {
	m := s.own(o.Mailbox)
	if m == nil || o.Who == "" {
		return s.corrupt(e, "a grant for no mailbox or to nobody")
	}
	apart := m.apart()
	i, ok := m.grant(o.Who)
	acl := slices.Clone(m.ACL)
	switch {
	case o.Rights == 0 && ok:
		acl = slices.Delete(acl, i, i+1)
	case o.Rights == 0:
	case ok:
		acl[i].Rights = o.Rights
	default:
		acl = slices.Insert(acl, i, Grant{Who: o.Who, Rights: o.Rights})
	}
	m.ACL = acl
	s.parted(m, apart)
	return nil
}

// seenMode is the fold of a choice between one \Seen for all and one for each.
func (s *State) seenMode(e *Entry, o *SeenMode) error {
	m := s.own(o.Mailbox)
	if m == nil {
		return s.corrupt(e, "a choice for no mailbox")
	}
	apart := m.apart()
	m.SharedSeen, m.switched = o.Shared, s.ModSeq()
	s.parted(m, apart)
	return nil
}

// SetACL grants an identifier rights to a mailbox in place of those that it had: edit gets
// them. 0 removes the grant. kinds.Limit when there are too many, kinds.Denied for a reader
// who may not administer the mailbox.
func (a *Account) SetACL(ctx context.Context, by By, mbox MailboxID, who string, edit func(Rights) Rights) error {
	if name := strings.TrimPrefix(who, "-"); len(who) > maxWho || name != Anyone && !strings.HasPrefix(name, "user:") && !strings.HasPrefix(name, "group:") {
		return kinds.Errorf(kinds.Invalid, "account: a grant to an identifier of no kind")
	}
	_, err := a.Do(ctx, by, func(s *State) ([]Op, error) {
		m := s.MailboxByID(mbox)
		if err := a.May(m, MayAdminister); err != nil {
			return nil, err
		}
		old := m.Granted(who)
		rights := edit(old) & AllRights
		switch {
		case rights == old:
			return nil, nil
		case old == 0 && len(m.ACL) >= MaxGrants:
			return nil, kinds.Errorf(kinds.Limit, "account: more than %d grants", MaxGrants)
		}
		return []Op{{SetACL: &SetACL{Mailbox: mbox, Who: who, Rights: rights}}}, nil
	})
	return err
}

// ShareSeen makes \Seen of a mailbox one for all, or one for each who reads it, which it is
// at first. Readers' clients then hear of all messages anew.
func (a *Account) ShareSeen(ctx context.Context, by By, mbox MailboxID, shared bool) error {
	_, err := a.Do(ctx, by, func(s *State) ([]Op, error) {
		m := s.MailboxByID(mbox)
		if err := a.May(m, MayAdminister); err != nil {
			return nil, err
		}
		if m.SharedSeen == shared {
			return nil, nil
		}
		return []Op{{SeenMode: &SeenMode{Mailbox: mbox, Shared: shared}}}, nil
	})
	return err
}

// inherit gives the operations that grant a mailbox that is about to be made what the one
// above it grants.
//
// RFC 4314, section 4: When a new mailbox is created, it SHOULD inherit the ACL from the parent mailbox (if one exists) in the defined hierarchy.
func inherit(parent *Mailbox, id MailboxID) (ops []Op) {
	if parent == nil {
		return nil
	}
	for _, g := range parent.ACL {
		ops = append(ops, Op{SetACL: &SetACL{Mailbox: id, Who: g.Who, Rights: g.Rights}})
	}
	if parent.SharedSeen {
		ops = append(ops, Op{SeenMode: &SeenMode{Mailbox: id, Shared: true}})
	}
	return ops
}
