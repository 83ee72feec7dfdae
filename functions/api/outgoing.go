package api

import (
	"context"
	"net/http"
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
	Open       int          `json:"open" doc:"Recipients who haven't got it yet."`
	Reason     string       `json:"reason,omitempty" doc:"What came of the last try for the first of them."`
}

// OutgoingTo is one of its recipients.
type OutgoingTo struct {
	Address string    `json:"address"`
	State   string    `json:"state" enum:"open,sent,failed,held"`
	Tries   int       `json:"tries"`
	Next    time.Time `json:"next,omitzero" doc:"When it is tried again."`
	Host    string    `json:"host,omitempty" doc:"That answered."`
	Said    string    `json:"said,omitempty" doc:"What it said, or why none did."`
}

func viewOutgoing(m *spool.Mail, now time.Time) Outgoing {
	v := Outgoing{ID: outerID(m.ID), Tenant: m.Tenant, From: m.From, Size: int64(len(m.Head)) + m.Blob.Size, Received: time.UnixMilli(m.AcceptedMS).UTC(),
		Expires: time.UnixMilli(m.ExpiresMS).UTC(), Sending: m.LeasedMS > now.UnixMilli()}
	for _, r := range m.To {
		to := OutgoingTo{Address: r.Address, State: []string{"open", "sent", "failed", "held"}[min(r.State, spool.Held)], Tries: r.Tries, Host: r.Host, Said: r.Said}
		if r.State == spool.Open {
			if v.Open++; v.Open == 1 {
				v.Reason = r.Said
			}
			if r.DueMS > 0 {
				to.Next = time.UnixMilli(r.DueMS).UTC()
			}
		}
		v.Recipients = append(v.Recipients, to)
	}
	return v
}

func (s *server) outgoingMail(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/outgoing", "list-outgoing", "List mail on its way to other hosts", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByTenant
		}) (*list[Outgoing], error) {
			return listed(ctx, s, in.Paged, "outgoing/"+in.Tenant, in.Tenant, func(who directory.Scope, after string) ([]*spool.Mail, string, error) {
				if err := who.NeedTenant(); err != nil {
					return nil, "", err
				}
				limit := max(1, min(in.limit(), spool.MaxPage))
				found, err := s.outgoing.ListOutgoing(ctx, who.Tenant, innerID(after), limit)
				return found, following(found, limit, func(m *spool.Mail) string { return outerID(m.ID) }), err
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

	huma.Register(api, operation(http.MethodPost, "/v1/outgoing/{id}/retry", "retry-outgoing", "Try a mail to other hosts again now", http.StatusNoContent),
		func(ctx context.Context, in *JobPath) (*none, error) {
			return nil, s.problem(ctx, s.changeOutgoing(ctx, in.ID, func(r *spool.Recipient) { r.DueMS = 0 }))
		})

	drop := operation(http.MethodDelete, "/v1/outgoing/{id}", "drop-outgoing", "Give up a mail to other hosts", http.StatusNoContent)
	drop.Description = "Who hasn't got it doesn't get it, and its sender is told."
	huma.Register(api, drop, func(ctx context.Context, in *JobPath) (*none, error) {
		return nil, s.problem(ctx, s.changeOutgoing(ctx, in.ID, func(r *spool.Recipient) {
			r.State, r.Status, r.Host, r.Said = spool.Failed, "5.7.1", "", "The mail was given up by an administrator"
		}))
	})
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

// changeOutgoing changes all who haven't got a mail, and has it looked at.
func (s *server) changeOutgoing(ctx context.Context, id string, change func(*spool.Recipient)) error {
	m, err := s.mine(ctx, id)
	if err != nil {
		return err
	}
	err = s.outgoing.Change(ctx, m.ID, func(m *spool.Mail) error {
		for i := range m.To {
			if m.To[i].State == spool.Open {
				change(&m.To[i])
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.outgoing.Wake(ctx, m.ID)
}
