package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Outgoing is a mail on its way to other hosts.
type Outgoing struct {
	ID         string       `json:"id"`
	Tenant     string       `json:"tenant"`
	From       string       `json:"from" doc:"The reverse-path; empty for a receipt."`
	Size       int64        `json:"size" doc:"Bytes of the message."`
	Received   time.Time    `json:"received"`
	Expires    time.Time    `json:"expires" doc:"When it is given up."`
	Sending    bool         `json:"sending" doc:"It is being sent now."`
	Recipients []OutgoingTo `json:"recipients" nullable:"false"`
	Kind       string       `json:"kind" doc:"submission, forward, dsn or report."`
	Open       int          `json:"open" doc:"Recipients who haven't got it yet, and for whom it isn't held."`
	Held       int          `json:"held" doc:"Recipients for whom it is held until it is released: its time does not run."`
	Reason     string       `json:"reason,omitempty" doc:"What came of the last try for the first of them, or why it is held."`
}

// OutgoingTo is one of its recipients.
type OutgoingTo struct {
	Address string    `json:"address"`
	State   string    `json:"state" enum:"open,sent,failed,held"`
	Tries   int       `json:"tries"`
	Next    time.Time `json:"next,omitzero" doc:"When it is tried again."`
	Held    time.Time `json:"held,omitzero" doc:"Since when it is held."`
	Way     string    `json:"way,omitempty" doc:"The way that an administrator has chosen: direct, ses, default, released (no route holds it) or route/ID."`
	Host    string    `json:"host,omitempty" doc:"That answered."`
	Said    string    `json:"said,omitempty" doc:"What it said, or why none did."`
}

func viewOutgoing(m *spool.Mail, now time.Time) Outgoing {
	v := Outgoing{ID: outerID(m.ID), Tenant: m.Tenant, Kind: m.Kind, From: m.From, Size: int64(len(m.Head)) + m.Blob.Size, Received: time.UnixMilli(m.AcceptedMS).UTC(),
		Expires: time.UnixMilli(m.ExpiresMS).UTC(), Sending: m.LeasedMS > now.UnixMilli()}
	for _, r := range m.To {
		to := OutgoingTo{Address: r.Address, State: []string{"open", "sent", "failed", "held"}[min(r.State, spool.Held)], Tries: r.Tries, Host: r.Host, Said: r.Said}
		to.Way = r.Way
		if r.State == spool.Held {
			v.Held++
			to.Held = time.UnixMilli(r.HeldMS).UTC()
		}
		if (r.State == spool.Held || r.State == spool.Open) && v.Reason == "" {
			v.Reason = r.Said
		}
		if r.State == spool.Open {
			v.Open++
			if r.DueMS > 0 {
				to.Next = time.UnixMilli(r.DueMS).UTC()
			}
		}
		v.Recipients = append(v.Recipients, to)
	}
	return v
}

// OfOutgoing picks mails, and recipients of them.
type OfOutgoing struct {
	Domain    string `query:"domain" json:"domain,omitempty" maxLength:"255" doc:"Only recipients in this domain."`
	Recipient string `query:"recipient" json:"recipient,omitempty" maxLength:"320" doc:"Only this recipient."`
	From      string `query:"from" json:"from,omitempty" maxLength:"255" doc:"Only mail from this domain."`
}

// picks tells whether a recipient is one of those that are meant.
func (o OfOutgoing) picks(m *spool.Mail, r *spool.Recipient) bool {
	return (o.Domain == "" || strings.EqualFold(o.Domain, r.Domain())) && (o.Recipient == "" || strings.EqualFold(o.Recipient, r.Address)) &&
		(o.From == "" || strings.EqualFold(o.From, m.From[strings.LastIndexByte(m.From, '@')+1:]))
}

func (o OfOutgoing) picksAny(m *spool.Mail) bool {
	return slices.ContainsFunc(m.To, func(r spool.Recipient) bool { return o.picks(m, &r) })
}

func (s *server) outgoingMail(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/outgoing", "list-outgoing", "List mail on its way to other hosts", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByTenant
			OfOutgoing
		}) (*list[Outgoing], error) {
			of := strings.Join([]string{"outgoing", in.Tenant, in.Domain, in.Recipient, in.From}, "/")
			return listed(ctx, s, in.Paged, of, in.Tenant, func(who directory.Scope, after string) ([]*spool.Mail, string, error) {
				if err := who.NeedTenant(); err != nil {
					return nil, "", err
				}
				return s.pickOutgoing(ctx, who, in.OfOutgoing, after, in.limit())
			}, func(m *spool.Mail) Outgoing { return viewOutgoing(m, s.now()) })
		})

	huma.Register(api, operation(http.MethodGet, "/v1/outgoing/{id}", "get-outgoing", "Show a mail on its way to other hosts", http.StatusOK),
		func(ctx context.Context, in *JobPath) (*struct{ Body Outgoing }, error) {
			m, err := s.mine(ctx, in.ID)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return &struct{ Body Outgoing }{viewOutgoing(m, s.now())}, nil
		})
	s.changingOutgoing(api)
}

// pickOutgoing gives those of a page of mails that are meant, and the position after it.
func (s *server) pickOutgoing(ctx context.Context, who directory.Scope, of OfOutgoing, after string, limit int) ([]*spool.Mail, string, error) {
	limit = max(1, min(limit, spool.MaxPage))
	found, err := s.outgoing.ListOutgoing(ctx, who.Tenant, innerID(after), limit)
	next := following(found, limit, func(m *spool.Mail) string { return outerID(m.ID) })
	return slices.DeleteFunc(found, func(m *spool.Mail) bool { return !of.picksAny(m) }), next, err
}

// mine reads a mail of the key's own tenant.
func (s *server) mine(ctx context.Context, id string) (*spool.Mail, error) {
	who := scope(ctx)
	m, err := s.outgoing.Outgoing(ctx, innerID(id))
	if err == nil && who.Tenant != "" && m.Tenant != who.Tenant {
		err = kinds.Errorf(kinds.NotFound, "api: no such mail")
	}
	if err != nil {
		return nil, err
	}
	return m, who.NeedTenant()
}
