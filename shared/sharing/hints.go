package sharing

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/records"
)

func space(tenant string) string { return "shares/" + tenant }

func hint(owner account.Ref, who string) records.Key {
	return records.Key{Space: space(owner.Tenant), ID: who + "/" + string(owner.ID)}
}

// hints gives the ids of the accounts of which a hint leads to a reader.
func (s *Sharing) hints(ctx context.Context, who account.Ref) (ids []account.ID, err error) {
	take := func(_ string, id account.ID) error {
		if id != who.ID {
			ids = append(ids, id)
		}
		return nil
	}
	for _, name := range []string{account.Anyone, account.User(who.ID)} {
		if err := s.list(ctx, who.Tenant, name+"/", take); err != nil {
			return nil, err
		}
	}
	in := map[string]bool{}
	err = s.list(ctx, who.Tenant, "group:", func(name string, id account.ID) error {
		member, known := in[name]
		if !known {
			var err error
			if member, err = s.cfg.Directory.InGroup(ctx, who, strings.TrimPrefix(name, "group:")); err != nil {
				return err
			}
			in[name] = member
		}
		if member {
			return take(name, id)
		}
		return nil
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

func (s *Sharing) list(ctx context.Context, tenant, prefix string, fn func(who string, owner account.ID) error) error {
	for after := ""; ; {
		found, err := s.cfg.Records.List(ctx, space(tenant), prefix, after, records.MaxPage)
		if err != nil {
			return err
		}
		for _, r := range found {
			after = r.ID
			i := strings.LastIndexByte(r.ID, '/')
			if err := fn(r.ID[:max(i, 0)], account.ID(r.ID[i+1:])); err != nil {
				return err
			}
		}
		if len(found) < records.MaxPage {
			return nil
		}
	}
}

// Grant changes what an identifier may do with a mailbox, as Account.SetACL does, and the hint
// to it. The hint is written before and looked at after: whoever takes a last grant away looks
// whether there is another after they have removed it. So with two who do both at once, one
// writes it again.
func (s *Sharing) Grant(ctx context.Context, by account.By, a *account.Account, mbox account.MailboxID, who string, edit func(account.Rights) account.Rights) error {
	if strings.HasPrefix(who, "-") {
		return a.SetACL(ctx, by, mbox, who, edit)
	}
	m := a.State().MailboxByID(mbox)
	granting := m != nil && a.Rights(m)&account.MayAdminister != 0 && edit(m.Granted(who)) != 0
	if granting {
		if err := s.write(ctx, a.Ref(), who); err != nil {
			return err
		}
	}
	if err := a.SetACL(ctx, by, mbox, who, edit); err != nil {
		return err
	}
	if slices.Contains(a.State().Grantees(), who) {
		return s.write(ctx, a.Ref(), who)
	}
	defer s.forget()
	if err := s.cfg.Records.Delete(ctx, hint(a.Ref(), who), 0); err != nil {
		return err
	}
	if err := a.Refresh(ctx); err != nil {
		return err
	}
	if slices.Contains(a.State().Grantees(), who) {
		return s.write(ctx, a.Ref(), who)
	}
	return nil
}

// write makes sure that there is a hint.
func (s *Sharing) write(ctx context.Context, owner account.Ref, who string) error {
	defer s.forget()
	_, err := s.cfg.Records.Put(ctx, records.Record{Key: hint(owner, who), Value: []byte{1}}, 0)
	if changed := (*records.Changed)(nil); errors.As(err, &changed) {
		return nil
	}
	return err
}

func (s *Sharing) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	clear(s.kept)
}

// Missing gives the identifiers to which an account grants something and has no hint. fix:
// they are written.
func (s *Sharing) Missing(ctx context.Context, ref account.Ref, state *account.State, fix bool) (missing []string, err error) {
	names := positive(state)
	for part := range slices.Chunk(names, records.MaxGet) {
		keys := make([]records.Key, len(part))
		for i, who := range part {
			keys[i] = hint(ref, who)
		}
		found, err := s.cfg.Records.Get(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for i, who := range part {
			if !slices.ContainsFunc(found, func(r records.Record) bool { return r.Key == keys[i] }) {
				missing = append(missing, who)
			}
		}
	}
	for _, who := range missing {
		if fix {
			if err := s.write(ctx, ref, who); err != nil {
				return nil, err
			}
		}
	}
	return missing, nil
}

// positive gives the identifiers that are granted something and not only denied.
func positive(state *account.State) (names []string) {
	for _, m := range state.Mailboxes() {
		for _, g := range m.ACL {
			if !strings.HasPrefix(g.Who, "-") {
				names = append(names, g.Who)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
