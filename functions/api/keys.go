package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
)

// Key is an API key.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Tenant  string    `json:"tenant,omitempty" doc:"The whole service when left out."`
	Domain  string    `json:"domain,omitempty" doc:"The whole tenant when left out."`
	Mail    bool      `json:"mail" doc:"Whether it may read and add the mail of the accounts that it sees."`
	Created time.Time `json:"created"`
}

// NewKey is an API key just made.
type NewKey struct {
	Key
	Secret string `json:"secret" doc:"The key to send. It is shown only now."`
}

func viewKey(k directory.Key) Key {
	return Key{ID: k.ID, Name: k.Name, Tenant: k.Tenant, Domain: k.Domain, Mail: k.Mail, Created: directory.Time(k.Created)}
}

// KeyPath names an API key.
type KeyPath struct {
	ID string `path:"id" maxLength:"128"`
}

func (s *server) keys(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/keys", "list-keys", "List API keys of the service, or of one tenant", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByTenant
		}) (*list[Key], error) {
			return listed(ctx, s, in.Paged, "keys/"+in.Tenant, in.Tenant, func(who directory.Scope, after string) ([]directory.Key, string, error) {
				return s.dir.Keys(ctx, who, who.Tenant, after, in.limit())
			}, viewKey)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/keys", "create-key", "Create an API key", http.StatusCreated),
		func(ctx context.Context, in *struct {
			Body struct {
				Name   string `json:"name,omitempty" maxLength:"200"`
				Tenant string `json:"tenant,omitempty" maxLength:"63" doc:"The key's own when left out; a key of the service then makes another of the service."`
				Domain string `json:"domain,omitempty" maxLength:"255" doc:"For one domain of the tenant."`
				Mail   bool   `json:"mail,omitempty" doc:"May read and add mail, too. For a key that may so itself, or is the service's, to give."`
			}
		}) (*made[NewKey], error) {
			who := scope(ctx)
			tenant := in.Body.Tenant
			if tenant == "" {
				tenant = who.Tenant
			}
			make := s.dir.CreateKey
			if in.Body.Mail {
				make = s.dir.CreateMailKey
			}
			k, secret, err := make(ctx, who, tenant, in.Body.Domain, in.Body.Name)
			return created(ctx, s, "/v1/keys/"+k.ID, k.Tag, NewKey{viewKey(k), secret}, err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/keys/{id}", "get-key", "Show an API key", http.StatusOK),
		func(ctx context.Context, in *KeyPath) (*one[Key], error) {
			k, err := s.dir.Key(ctx, scope(ctx), in.ID)
			return shown(ctx, s, k.Tag, viewKey(k), err)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/keys/{id}", "revoke-key", "Revoke an API key at once", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			KeyPath
			MayMatch
		}) (*none, error) {
			return s.remove(ctx, in.MayMatch, in.ID, s.dir.DeleteKey)
		})
}
