package smtp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dsn"
)

// rcptTo is RCPT. Who gets the message is decided by the directory alone: no local part
// is ever read as an address, so that user%elsewhere@ours and "user@elsewhere"@ours are
// users of ours, or nobody.
func (s *session) rcptTo(args string) {
	t := s.mail
	switch {
	case t == nil:
		s.refuse(noSender)
		return
	case t.bdat:
		s.refuse(wrongOrder)
		return
	}
	rest, ok := cutKeyword(args, "TO:")
	if !ok {
		s.refuse(syntax)
		return
	}
	// A source route is stripped off and never followed (RFC 5321, section 3.6.1).
	path, rest, err := address.ParsePath(rest)
	switch {
	case err != nil || path.IsZero():
		s.refuse(badRcpt)
		return
	case path.NeedsUTF8() && !t.params.utf8:
		s.refuse(needsUTF8)
		return
	case len(t.rcpts) >= maxRecipients:
		s.reply(tooManyRcpts)
		return
	}
	w, bad := s.wish(rest, t)
	if bad != nil {
		s.refuse(*bad)
		return
	}
	s.recipient(t, path.Address, w)
}

// wish reads the parameters of RCPT, which has some only where we can do what they ask for.
func (s *session) wish(rest string, t *transaction) (wish, *reply) {
	if strings.HasPrefix(rest, " ") && !s.notifies() {
		return wish{}, &badParameter
	}
	return parseWish(rest, t.params.utf8)
}

// recipient looks an address up and takes it, or answers why not.
func (s *session) recipient(t *transaction, addr address.Address, w wish) {
	res, err := s.cfg.Directory.Resolve(s.ctx, addr)
	switch {
	case kinds.Is(err, kinds.Denied) && s.submission && s.cfg.Outbound != nil:
		s.elsewhere(t, addr, w)
		return
	case kinds.Is(err, kinds.NotFound) && s.reported(t, addr):
		t.rcpts = append(t.rcpts, addr)
		s.reply(okayRcpt)
		return
	case err != nil:
		s.refuseRecipient(err)
		return
	case t.tenant != "" && t.tenant != res.Tenant:
		s.reply(otherTenant)
		return
	case t.leads()+len(res.Recipients)+len(res.Remote) > maxAccounts:
		s.reply(tooManyRcpts)
		return
	}
	to, err := s.here(t, res, addr)
	if err == nil {
		err = s.forward(t, res, addr, w)
	}
	if err != nil {
		s.refuseRecipient(err)
		return
	}
	if t.fullOfTells(to) {
		s.reply(tooManyRcpts)
		return
	}
	t.add(addr, res.Tenant, to)
	s.reported(t, addr)
	if len(to) > 0 && dsn.Wants(w.notify, dsn.Success) {
		t.tell(to[0].Account.ID, delivery.Tell{Address: addr.String(), Origin: w.origin, Expanded: len(to)+len(res.Remote) > 1})
	}
	s.reply(okayRcpt)
}

// here gives the accounts that an address leads to.
func (s *session) here(t *transaction, res *directory.Resolution, addr address.Address) ([]recipient, error) {
	res, err := s.posted(res)
	if err != nil || len(res.Recipients) == 0 {
		return nil, err
	}
	return s.heads(res, addr, t.params.size)
}

// posted leaves out public accounts whose INBOX doesn't let anyone post.
//
// RFC 4314, section 2.1: p - post (send mail to submission address for mailbox, not enforced by IMAP4 itself)
func (s *session) posted(res *directory.Resolution) (*directory.Resolution, error) {
	if !slices.ContainsFunc(res.Recipients, func(r directory.Recipient) bool { return r.Public }) {
		return res, nil
	}
	left := *res
	left.Recipients = nil
	for _, r := range res.Recipients {
		if r.Public {
			may, err := s.cfg.Accounts.AnyoneMay(s.ctx, r.Account, account.MayPost)
			if err != nil {
				return nil, kinds.Wrap(kinds.Unavailable, err, "smtp: a public account")
			}
			if !may {
				continue
			}
		}
		left.Recipients = append(left.Recipients, r)
	}
	if len(left.Recipients)+len(left.Remote) == 0 {
		return nil, kinds.Wrap(kinds.Denied, errNoPost, "")
	}
	return &left, nil
}

var errNoPost = errors.New("smtp: nobody may post to this address")

func (s *session) refuseRecipient(err error) {
	r := forRecipient(err, s.submission)
	s.metrics.refused.WithLabelValues(s.flavour(), r.enhanced).Inc()
	switch kinds.Of(err) {
	case kinds.NotFound, kinds.Denied, kinds.Suspended:
		if s.unknown++; s.unknown > maxUnknown {
			s.end(tooManyErrors)
			return
		}
	case kinds.Quota, kinds.Limit, kinds.Invalid:
	default:
		s.log.Error("looking up a recipient", "error", err)
	}
	s.reply(r)
}

// A group's last entries are read at RCPT if it has at most maxHeads members, headsAtOnce at a
// time; else when the message is there, for at most seeTime.
const (
	maxHeads    = 100
	headsAtOnce = 16
	seeTime     = 10 * time.Second
)

// heads gives the accounts with the last entry that is known of each. Of a larger group's
// members, and where it can't be read, it is what this process happens to know, or 0, and the
// account has room. kinds.Quota is returned when nobody has.
func (s *session) heads(res *directory.Resolution, addr address.Address, size int64) ([]recipient, error) {
	heads := make([]account.Head, len(res.Recipients))
	errs := make([]error, len(heads))
	var all sync.WaitGroup
	room := make(chan struct{}, headsAtOnce)
	for i, r := range res.Recipients {
		if heads[i], _ = s.cfg.Accounts.Known(r.Account); len(heads) > maxHeads {
			continue
		}
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			var head account.Head
			if head, errs[i] = s.cfg.Accounts.Head(s.ctx, r.Account); errs[i] == nil {
				heads[i] = head
			}
		})
	}
	all.Wait()
	if len(errs) == 1 && errs[0] != nil {
		return nil, kinds.Wrap(kinds.Unavailable, errs[0], "smtp: head of an account")
	}
	full := 0
	to := make([]recipient, len(heads))
	for i, r := range res.Recipients {
		if s.full(res, &r, heads[i].Standing.Totals, size) {
			full++
		}
		to[i] = recipient{delivery.Recipient{Account: r.Account, Address: addr.String(), Seen: heads[i].Seq, Limit: limit(&r)}, r.Limits.Domain}
	}
	if full == len(to) {
		return nil, kinds.Errorf(kinds.Quota, "smtp: no room for %d octets", size)
	}
	return to, nil
}

// see reads the last entries that heads has left out, as a delivery that doesn't know where to
// begin reads the account's whole journal. Those that can't be read stay 0.
func (s *session) see(ctx context.Context, t *transaction) {
	ctx, cancel := context.WithTimeout(ctx, seeTime)
	defer cancel()
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(headsAtOnce)
	for i := range t.accounts {
		to := &t.accounts[i]
		if to.Seen > 0 || ctx.Err() != nil {
			continue
		}
		reading.Go(func() error {
			head, err := s.cfg.Accounts.Head(ctx, to.Account)
			if err == nil {
				to.Seen = head.Seq
			}
			if kinds.Of(err).Temporary() {
				return err // of all, most likely
			}
			return nil
		})
	}
	if err := reading.Wait(); err != nil {
		s.log.Warn("last entries of a group's members can't be read", "message", t.id, "error", err)
	}
}

// full tells whether an account has no room: its last known total and the size that the
// client said are held against its quota, the sums of its domain and tenant against
// theirs, each time as if all recipients of the address were in the same.
func (s *session) full(res *directory.Resolution, r *directory.Recipient, held account.Totals, size int64) bool {
	if r.Limits.Account.Full(held, 1, size) {
		return true
	}
	n := int64(len(res.Recipients))
	err := s.cfg.Quota.Check(s.ctx, res.Tenant, r.Limits, n, n*size)
	if err != nil {
		s.log.Info("no room for mail", "tenant", res.Tenant, "domain", r.Limits.Domain, "error", err)
	}
	return err != nil
}

// limit is what deliver warns of, nil if it doesn't.
func limit(r *directory.Recipient) *delivery.Limit {
	if q := r.Limits.Account; r.Limits.Warnings && q != (account.Quota{}) {
		return &delivery.Limit{Address: r.Address, Quota: q}
	}
	return nil
}
