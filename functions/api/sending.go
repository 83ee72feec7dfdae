package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
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
		return s.stopSending(ctx, in.Address, nil)
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
