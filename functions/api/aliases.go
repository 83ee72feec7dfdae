package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
)

// Alias is an address that leads to another, of the same tenant or (where mail goes to other hosts) elsewhere.
type Alias struct {
	Address string    `json:"address"`
	Target  string    `json:"target"`
	Created time.Time `json:"created"`
}

func viewAlias(a directory.Alias) Alias {
	return Alias{Address: a.Address, Target: a.Target, Created: directory.Time(a.Created)}
}

func (s *server) aliases(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/aliases", "list-aliases", "List aliases", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByDomain
		}) (*list[Alias], error) {
			return listedByDomain(ctx, s, in.Paged, in.ByDomain, "aliases", s.dir.Aliases, viewAlias)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/aliases", "create-alias", "Create an alias", http.StatusCreated),
		func(ctx context.Context, in *struct {
			Body struct {
				Address string `json:"address" maxLength:"254"`
				Target  string `json:"target" maxLength:"254"`
			}
		}) (*made[Alias], error) {
			a, err := s.dir.CreateAlias(ctx, scope(ctx), in.Body.Address, in.Body.Target)
			return created(ctx, s, "/v1/aliases/"+segment(a.Address), a.Tag, viewAlias(a), err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/aliases/{address}", "get-alias", "Show an alias", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*one[Alias], error) {
			a, err := s.dir.Alias(ctx, scope(ctx), in.Address)
			return shown(ctx, s, a.Tag, viewAlias(a), err)
		})

	huma.Register(api, operation(http.MethodPatch, "/v1/aliases/{address}", "change-alias", "Lead an alias to another address", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			MayMatch
			Body struct {
				Target string `json:"target" maxLength:"254"`
			}
		}) (*one[Alias], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			a, err := s.dir.ChangeAlias(ctx, scope(ctx), in.Address, match, in.Body.Target)
			return shown(ctx, s, a.Tag, viewAlias(a), err)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/aliases/{address}", "delete-alias", "Delete an alias", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			AccountPath
			MayMatch
		}) (*none, error) {
			return s.remove(ctx, in.MayMatch, in.Address, s.dir.DeleteAlias)
		})
}
