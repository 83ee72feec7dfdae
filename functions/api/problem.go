package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// A problem's type is this and the general word of its kind.
const problemType = "urn:godwit:problem:"

// statusOf is where kinds become HTTP.
func statusOf(k kinds.Kind) int {
	switch k {
	case kinds.Invalid, kinds.Limit:
		return http.StatusUnprocessableEntity
	case kinds.NotFound, kinds.Closed:
		return http.StatusNotFound
	case kinds.Exists, kinds.Conflict:
		return http.StatusConflict
	case kinds.Denied, kinds.Suspended:
		return http.StatusForbidden
	case kinds.Unauthenticated:
		return http.StatusUnauthorized
	case kinds.Quota:
		return http.StatusInsufficientStorage
	case kinds.Unavailable, kinds.Throttled: // the service is told to slow down, not who asks it
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// problem is the answer to an error, in the form of RFC 9457. What the client did wrong is explained; of what
// went wrong here it gets the general word, and the log the whole story.
func (s *server) problem(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	kind := kinds.Of(err)
	p := &huma.ErrorModel{Type: problemType + kind.String(), Status: statusOf(kind)}
	text, explained := strings.CutPrefix(err.Error(), "directory: ")
	if !explained {
		text, explained = strings.CutPrefix(text, "api: ")
	}
	switch {
	case errors.Is(err, directory.ErrStale):
		p.Type, p.Status, p.Detail = problemType+"stale", http.StatusPreconditionFailed, "It was changed meanwhile: read it again."
	case errors.Is(err, errWrongKeys):
		p.Status, p.Detail = http.StatusTooManyRequests, text
	case errors.Is(err, errNeedsMatch):
		p.Type, p.Status, p.Detail = problemType+"match-required", http.StatusPreconditionRequired, "This request needs an If-Match with the ETag of the version it changes."
	case p.Status == http.StatusNotFound:
		p.Detail = "There is no such object."
	case kind == kinds.Quota:
		p.Detail = "There is no room for it."
	case p.Status >= 500:
		p.Detail = "The service could not do it; trying again may help."
		s.log.ErrorContext(ctx, "api request failed", "kind", kind.String(), "err", err)
	case explained:
		p.Detail = text
	default:
		p.Detail = strings.ReplaceAll(kind.String(), "-", " ")
		if a, ok := strings.CutPrefix(err.Error(), "address: "); ok {
			p.Detail = "address: " + a
		}
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// nameProblem gives the problems that huma makes a type as all others have.
func nameProblem(_ huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*huma.ErrorModel); ok && p.Type == "" {
		p.Type = problemType + "invalid"
	}
	return v, nil
}

// writeProblem answers outside of huma.
func writeProblem(w http.ResponseWriter, err error) {
	p := new(huma.ErrorModel)
	if !errors.As(err, &p) {
		p = &huma.ErrorModel{Type: problemType + "internal", Status: http.StatusInternalServerError, Title: http.StatusText(http.StatusInternalServerError)}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
