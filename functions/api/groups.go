package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
)

// Group is an address that leads to any number of others, of the same tenant or elsewhere.
type Group struct {
	Address string    `json:"address"`
	Members []string  `json:"members" nullable:"false"`
	Created time.Time `json:"created"`
}

func viewGroup(g directory.Group) Group {
	return Group{Address: g.Address, Members: append([]string{}, g.Members...), Created: directory.Time(g.Created)}
}

func (s *server) groups(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/groups", "list-groups", "List groups", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByDomain
		}) (*list[Group], error) {
			return listedByDomain(ctx, s, in.Paged, in.ByDomain, "groups", s.dir.Groups, viewGroup)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/groups", "create-group", "Create a group", http.StatusCreated),
		func(ctx context.Context, in *struct {
			Body struct {
				Address string   `json:"address" maxLength:"254"`
				Members []string `json:"members,omitempty" maxItems:"1000"`
			}
		}) (*made[Group], error) {
			g, err := s.dir.CreateGroup(ctx, scope(ctx), in.Body.Address, in.Body.Members)
			return created(ctx, s, "/v1/groups/"+segment(g.Address), g.Tag, viewGroup(g), err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/groups/{address}", "get-group", "Show a group", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*one[Group], error) {
			g, err := s.dir.Group(ctx, scope(ctx), in.Address)
			return shown(ctx, s, g.Tag, viewGroup(g), err)
		})

	huma.Register(api, operation(http.MethodPut, "/v1/groups/{address}/members", "set-members", "Replace a group's members", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			MustMatch
			Body struct {
				Members []string `json:"members" maxItems:"1000" nullable:"false"`
			}
		}) (*one[Group], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			g, err := s.dir.ChangeGroup(ctx, scope(ctx), in.Address, match, in.Body.Members)
			return shown(ctx, s, g.Tag, viewGroup(g), err)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/groups/{address}", "delete-group", "Delete a group", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			AccountPath
			MayMatch
		}) (*none, error) {
			return s.remove(ctx, in.MayMatch, in.Address, s.dir.DeleteGroup)
		})
}
