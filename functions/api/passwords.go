package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
)

// AppPassword is a password for one program.
type AppPassword struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	Protocols []string  `json:"protocols,omitempty" doc:"All that the account may use when there are none here."`
	Created   time.Time `json:"created"`
	LastUsed  string    `json:"last_used,omitempty" format:"date" doc:"The day (UTC) on which it was used last. Changes at most once a day, and with it the account's ETag."`
}

// NewAppPassword is an app password just made.
type NewAppPassword struct {
	AppPassword
	Password string `json:"password" doc:"It is shown only now. Programs that log in by SCRAM must be given it as it stands, dashes included."`
}

func viewAppPassword(a directory.AppPassword) AppPassword {
	v := AppPassword{ID: a.ID, Name: a.Name, Protocols: a.Protocols, Created: directory.Time(a.Created)}
	if a.Used > 0 {
		v.LastUsed = directory.Time(a.Used).Format(time.DateOnly)
	}
	return v
}

func (s *server) passwords(api huma.API) {
	huma.Register(api, operation(http.MethodPut, "/v1/accounts/{address}/password", "set-password", "Give an account a new password and end its sessions", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			AccountPath
			MayMatch
			Body struct {
				Password string `json:"password" maxLength:"1024" doc:"8 bytes or more."`
			}
		}) (*none, error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			_, err = s.dir.SetPassword(ctx, scope(ctx), in.Address, match, in.Body.Password)
			return nil, s.problem(ctx, err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/app-passwords", "list-app-passwords", "List an account's app passwords", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*list[AppPassword], error) {
			a, err := s.dir.Account(ctx, scope(ctx), in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return fill("", a.AppPasswords, "", viewAppPassword), nil
		})

	huma.Register(api, operation(http.MethodPost, "/v1/accounts/{address}/app-passwords", "create-app-password", "Give an account a random password for one program", http.StatusCreated),
		func(ctx context.Context, in *struct {
			AccountPath
			Body struct {
				Name      string   `json:"name,omitempty" maxLength:"200"`
				Protocols []string `json:"protocols,omitempty" maxItems:"3" enum:"submission,imap,pop3"`
			}
		}) (*made[NewAppPassword], error) {
			app, password, err := s.dir.AddAppPassword(ctx, scope(ctx), in.Address, in.Body.Name, in.Body.Protocols)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return &made[NewAppPassword]{Location: "/v1/accounts/" + segment(in.Address) + "/app-passwords/" + app.ID, Body: NewAppPassword{viewAppPassword(app), password}}, nil
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/accounts/{address}/app-passwords/{id}", "revoke-app-password", "Revoke an app password and end the account's sessions", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			AccountPath
			ID string `path:"id" maxLength:"64"`
		}) (*none, error) {
			return nil, s.problem(ctx, s.dir.RevokeAppPassword(ctx, scope(ctx), in.Address, in.ID))
		})
}
