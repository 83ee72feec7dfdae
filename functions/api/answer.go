package api

import (
	"context"

	"github.com/godwit-mail/godwit/shared/directory"
)

// one is the answer that shows one object.
type one[T any] struct {
	ETag string `header:"ETag" doc:"The object's version, for If-Match."`
	Body T
}

// shown answers with an object that was read or changed, or says why it wasn't.
func shown[T any](ctx context.Context, s *server, tag string, body T, err error) (*one[T], error) {
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &one[T]{ETag: `"` + tag + `"`, Body: body}, nil
}

// made is the answer to a creation.
type made[T any] struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag" doc:"The object's version, for If-Match."`
	Body     T
}

// created answers with an object that was made, or says why it wasn't.
func created[T any](ctx context.Context, s *server, location, tag string, body T, err error) (*made[T], error) {
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &made[T]{Location: location, ETag: `"` + tag + `"`, Body: body}, nil
}

// none is the answer without a body.
type none struct{}

// remove deletes what a path names, if it is at the version that is meant.
func (s *server) remove(ctx context.Context, m MayMatch, name string,
	do func(ctx context.Context, who directory.Scope, name, match string) error) (*none, error) {
	match, err := m.tag()
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return nil, s.problem(ctx, do(ctx, scope(ctx), name, match))
}

// list is the answer that shows a page.
type list[T any] struct {
	Body struct {
		Items []T    `json:"items" nullable:"false"`
		Next  string `json:"next,omitempty" doc:"Cursor of the next page; there is none at the end. A page may be short and not the last."`
	}
}

// listed answers with a page of a list: of names it for its cursors, tenant narrows it,
// read gives what follows a position and the position of the next page.
func listed[T, V any](ctx context.Context, s *server, p Paged, of, tenant string,
	read func(who directory.Scope, after string) ([]T, string, error), view func(T) V) (*list[V], error) {
	after, err := position(of, p.Cursor)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	who, err := s.narrow(ctx, tenant)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	found, next, err := read(who, after)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return fill(of, found, next, view), nil
}

// listedByDomain is listed for what is ordered by domain and local part.
func listedByDomain[T, V any](ctx context.Context, s *server, p Paged, by ByDomain, what string,
	read func(context.Context, directory.Scope, directory.Page) ([]T, string, error), view func(T) V) (*list[V], error) {
	return listed(ctx, s, p, by.of(what), by.Tenant, func(who directory.Scope, after string) ([]T, string, error) {
		return read(ctx, who, directory.Page{Domain: by.Domain, After: after, Limit: p.limit()})
	}, view)
}

// following is the position after a full page of what is listed by name.
func following[T any](found []T, limit int, name func(T) string) string {
	if len(found) < limit {
		return ""
	}
	return name(found[len(found)-1])
}

// fill turns what was listed into a page.
func fill[T, V any](of string, found []T, next string, view func(T) V) *list[V] {
	l := new(list[V])
	l.Body.Items = make([]V, 0, len(found))
	for _, f := range found {
		l.Body.Items = append(l.Body.Items, view(f))
	}
	l.Body.Next = makeCursor(of, next)
	return l
}
