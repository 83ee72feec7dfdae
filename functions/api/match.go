package api

import (
	"errors"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

var errNeedsMatch = errors.New("api: If-Match is required")

// MayMatch is the condition of a change that may be unconditional.
type MayMatch struct {
	IfMatch string `header:"If-Match" doc:"ETag of the version meant: any other is left as it is, and the answer is 412."`
}

// MustMatch is the condition of a change that replaces a whole: it can't do without.
type MustMatch struct {
	IfMatch string `header:"If-Match" doc:"ETag of the version that is replaced. Required: without it the answer is 428, with another 412. * is any version."`
}

// tag gives the version that an If-Match names, "" for any.
func tag(header string) (string, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return "", nil
	}
	// RFC 9110, section 13.1.1: If-Match = "*" / #entity-tag; a list can only mean one version here.
	inner, ok := strings.CutPrefix(header, `"`)
	if ok {
		inner, ok = strings.CutSuffix(inner, `"`)
	}
	if !ok || inner == "" || strings.ContainsAny(inner, `"`) {
		// RFC 9110, section 8.8.3.2: a weak tag never matches by the strong comparison that If-Match demands.
		if strings.HasPrefix(header, `W/"`) && strings.HasSuffix(header, `"`) && strings.Count(header, `"`) == 2 {
			return "W/", nil
		}
		return "", kinds.Errorf(kinds.Invalid, "api: If-Match takes one ETag, in double quotes")
	}
	return inner, nil
}

func (m MayMatch) tag() (string, error) { return tag(m.IfMatch) }

func (m MustMatch) tag() (string, error) {
	if m.IfMatch == "" {
		return "", kinds.Wrap(kinds.Invalid, errNeedsMatch, "")
	}
	return tag(m.IfMatch)
}
