package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/spool"
)

// ChangeOutgoing is what is done to mail on its way to other hosts.
type ChangeOutgoing struct {
	Action string `json:"action" enum:"retry,drop,hold,release,route" doc:"retry tries it now; drop gives it up and tells its sender; hold keeps it until release; route chooses its way."`
	Way    string `json:"way,omitempty" enum:"direct,ses,default,routes" doc:"For route: default is the way of mail for which there is no route, routes what the routes say."`
	Route  string `json:"route,omitempty" maxLength:"640" doc:"For route: the id of the route to take, instead of a way."`
	OfOutgoing
}

// Changed tells how many mails were changed.
type Changed struct {
	Changed int    `json:"changed"`
	Busy    int    `json:"busy" doc:"Mails that are being sent now, and stay as they are."`
	Next    string `json:"next,omitempty" doc:"Cursor with which to go on; there is none at the end."`
}

// changePage is how many mails one request looks at.
const changePage = 200

func (s *server) changingOutgoing(api huma.API) {
	huma.Register(api, operation(http.MethodPost, "/v1/outgoing/{id}/retry", "retry-outgoing", "Try a mail to other hosts again now", http.StatusNoContent),
		func(ctx context.Context, in *JobPath) (*none, error) {
			return nil, s.problem(ctx, s.changeOutgoing(ctx, in.ID, ChangeOutgoing{Action: "retry"}))
		})

	drop := operation(http.MethodDelete, "/v1/outgoing/{id}", "drop-outgoing", "Give up a mail to other hosts", http.StatusNoContent)
	drop.Description = "Who hasn't got it doesn't get it, and its sender is told."
	huma.Register(api, drop, func(ctx context.Context, in *JobPath) (*none, error) {
		return nil, s.problem(ctx, s.changeOutgoing(ctx, in.ID, ChangeOutgoing{Action: "drop"}))
	})

	huma.Register(api, operation(http.MethodPost, "/v1/outgoing/{id}/change", "change-outgoing", "Try, drop, hold, release or re-route a mail to other hosts", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			JobPath
			Body ChangeOutgoing
		}) (*none, error) {
			return nil, s.problem(ctx, s.changeOutgoing(ctx, in.ID, in.Body))
		})

	many := operation(http.MethodPost, "/v1/outgoing", "change-outgoings", "Try, drop, hold, release or re-route mail to other hosts", http.StatusOK)
	many.Description = "One request looks at some of the mails; the next one goes on with its cursor."
	huma.Register(api, many, func(ctx context.Context, in *struct {
		ByTenant
		Cursor string `query:"cursor" maxLength:"1500" doc:"Where the request before ended: its next."`
		Body   ChangeOutgoing
	}) (*struct{ Body Changed }, error) {
		done, err := s.changeOutgoings(ctx, in.Tenant, in.Cursor, in.Body)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return &struct{ Body Changed }{done}, nil
	})
}

// changeOutgoings changes what is meant of a page of mails.
func (s *server) changeOutgoings(ctx context.Context, tenant, cursor string, c ChangeOutgoing) (done Changed, err error) {
	of := "changing/" + tenant
	after, err := position(of, cursor)
	if err != nil {
		return done, err
	}
	who, err := s.narrow(ctx, tenant)
	if err == nil {
		err = who.NeedTenant()
	}
	if err != nil {
		return done, err
	}
	way, err := s.chosen(ctx, c)
	if err != nil {
		return done, err
	}
	found, next, err := s.pickOutgoing(ctx, who, c.OfOutgoing, after, changePage)
	if err != nil {
		return done, err
	}
	for _, m := range found {
		changed, err := s.changeOne(ctx, m.ID, c, way)
		switch {
		case kinds.Is(err, kinds.Conflict):
			done.Busy++
		case kinds.Is(err, kinds.NotFound), kinds.Is(err, kinds.Invalid): // it was sent meanwhile, or can't go this way
		case err != nil:
			return done, err
		case changed:
			done.Changed++
		}
	}
	done.Next = makeCursor(of, next)
	return done, nil
}

func (s *server) changeOutgoing(ctx context.Context, id string, c ChangeOutgoing) error {
	m, err := s.mine(ctx, id)
	if err != nil {
		return err
	}
	way, err := s.chosen(ctx, c)
	if err != nil {
		return err
	}
	_, err = s.changeOne(ctx, m.ID, c, way)
	return err
}

// changeOne does to a mail what is to be done, and has it looked at.
func (s *server) changeOne(ctx context.Context, id string, c ChangeOutgoing, way string) (changed bool, err error) {
	err = s.outgoing.Change(ctx, id, func(m *spool.Mail) error {
		before := slices.Clone(m.To)
		if way == directory.SES && (m.Kind != spool.Submission || m.From == "") {
			return kinds.Errorf(kinds.Invalid, "api: SES takes no null sender, and no forwards, notifications or reports")
		}
		if c.Action == "release" {
			m.Free(s.now(), func(r *spool.Recipient) bool { return c.picks(m, r) })
		}
		for i := range m.To {
			if r := &m.To[i]; c.picks(m, r) {
				s.changeRecipient(r, c.Action, way)
			}
		}
		changed = c.Action == "retry" || !slices.Equal(before, m.To)
		return nil
	})
	if err != nil || !changed {
		return false, err
	}
	return true, s.outgoing.Wake(ctx, id)
}

func (s *server) changeRecipient(r *spool.Recipient, action, way string) {
	switch open := r.State == spool.Open; {
	case action == "retry" && open:
		r.DueMS = 0
	case action == "hold":
		r.Hold(s.now(), "An administrator holds it")
	case action == "route" && (open || r.State == spool.Held):
		r.Way, r.DueMS = way, 0
	case action == "drop" && (open || r.State == spool.Held):
		r.State, r.Status, r.Host, r.Said = spool.Failed, "5.7.1", "", "The mail was given up by an administrator"
	}
}

// chosen is the way that is chosen, as a recipient has it. The error is why the change can't
// be made at all.
func (s *server) chosen(ctx context.Context, c ChangeOutgoing) (string, error) {
	switch {
	case c.Action != "retry" && c.Action != "drop" && !scope(ctx).IsService():
		// What the service holds its tenants must not let go, nor choose its ways.
		return "", kinds.Errorf(kinds.Denied, "api: this needs a key of the service")
	case c.Action != "route" && cmp.Or(c.Way, c.Route) != "", c.Action == "route" && (c.Way == "") == (c.Route == ""):
		return "", kinds.Errorf(kinds.Invalid, "api: a way, or else a route, is chosen for the action route alone")
	case c.Way == "routes":
		return "", nil
	case c.Route == "":
		return strings.Replace(c.Way, "default", spool.Usual, 1), nil
	}
	r, err := s.dir.Route(ctx, scope(ctx), c.Route)
	return spool.ByRoute + r.ID, err
}
