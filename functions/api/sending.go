package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/spool"
)

// sending registers what an account may send, and whether it may.
func (s *server) sending(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/sending", "get-sending", "Show what an account may send as, and whether its mail is held", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*one[Sending], error) {
			a, err := s.dir.Account(ctx, scope(ctx), in.Address)
			return shown(ctx, s, a.Tag, viewSending(a), err)
		})

	put := operation(http.MethodPut, "/v1/accounts/{address}/identities", "set-identities", "Replace what an account may send as beside its own addresses", http.StatusOK)
	put.Description = "Each is an address in a domain of its tenant, or all of a domain as *@domain."
	huma.Register(api, put, func(ctx context.Context, in *struct {
		AccountPath
		MustMatch
		Body struct {
			Identities []string `json:"identities" maxItems:"100" nullable:"false"`
		}
	}) (*one[Sending], error) {
		match, err := in.tag()
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		a, err := s.dir.Identities(ctx, scope(ctx), in.Address, match, func([]string) []string { return in.Body.Identities })
		return shown(ctx, s, a.Tag, viewSending(a), err)
	})

	release := operation(http.MethodPost, "/v1/accounts/{address}/sending/release", "release-sending", "Let an account send to other hosts again", http.StatusOK)
	huma.Register(api, release, func(ctx context.Context, in *AccountPath) (*one[Sending], error) {
		v, err := s.stopSending(ctx, in.Address, nil)
		if err != nil {
			return nil, err
		}
		return v, s.problem(ctx, s.letGo(ctx, in.Address))
	})

	hold := operation(http.MethodPost, "/v1/accounts/{address}/sending/hold", "hold-sending", "Hold what an account sends to other hosts", http.StatusOK)
	huma.Register(api, hold, func(ctx context.Context, in *AccountPath) (*one[Sending], error) {
		return s.stopSending(ctx, in.Address, &directory.Stop{At: s.now().UnixMilli(), Reason: "held by an administrator"})
	})
}

func (s *server) stopSending(ctx context.Context, address string, stop *directory.Stop) (*one[Sending], error) {
	a, _, err := s.dir.StopSending(ctx, scope(ctx), address, stop)
	return shown(ctx, s, a.Tag, viewSending(a), err)
}

// letGo lets go what is held of an account's mail.
func (s *server) letGo(ctx context.Context, address string) error {
	a, err := s.dir.Account(ctx, scope(ctx), address)
	if err != nil || s.outgoing == nil {
		return err
	}
	for after := ""; ; {
		list, err := s.outgoing.ListOutgoing(ctx, a.Ref.Tenant, after, spool.MaxPage)
		if err != nil {
			return err
		}
		for _, m := range list {
			after = m.ID
			if m.Sender.ID != a.Ref.ID || !slices.ContainsFunc(m.To, func(r spool.Recipient) bool { return r.State == spool.Held }) {
				continue
			}
			err := s.outgoing.Change(ctx, m.ID, func(m *spool.Mail) error {
				m.Free(s.now(), func(*spool.Recipient) bool { return true })
				return nil
			})
			if err == nil {
				err = s.outgoing.Wake(ctx, m.ID)
			}
			if err != nil && !kinds.Is(err, kinds.NotFound) {
				return err
			}
		}
		if len(list) < spool.MaxPage {
			return nil
		}
	}
}
