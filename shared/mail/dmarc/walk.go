package dmarc

import (
	"context"
	"strings"
)

// Lookup gives the texts at a name in the DNS; none and no error if there are none.
type Lookup func(ctx context.Context, name string) ([]string, error)

// maxLabels is how many labels of a long name are left after the first step up.
//
// RFC 9989, section 4.10: no more than 8 queries for a name of any length.
const maxLabels = 7

// found is a record and where it was.
type found struct {
	domain string
	*Record
}

// walk looks for records at a domain and above it, the lowest first.
func walk(ctx context.Context, lookup Lookup, domain string) ([]found, error) {
	var list []found
	for at := domain; at != ""; at = above(at) {
		texts, err := lookup(ctx, "_dmarc."+at)
		if err != nil {
			return nil, err
		}
		r := only(texts)
		if r == nil {
			continue
		}
		list = append(list, found{at, r})
		if r.PSD != 'u' {
			break
		}
	}
	return list, nil
}

// above gives the next name to be asked for.
func above(domain string) string {
	labels := strings.Split(domain, ".")
	return strings.Join(labels[max(1, len(labels)-maxLabels):], ".")
}

// only gives the record of a name, nil when there is none, or more than one.
func only(texts []string) (r *Record) {
	for _, text := range texts {
		if one := Parse(text); one != nil && r != nil {
			return nil
		} else if one != nil {
			r = one
		}
	}
	return r
}

// organization finds the organizational domain in what a walk from domain found.
//
// RFC 9989, section 4.10.2: that of a record with psd=n; else the one below a record with psd=y; else that of the record with the fewest labels; else the domain itself.
func organization(domain string, list []found) string {
	for _, f := range list {
		switch {
		case f.PSD == 'n':
			return f.domain
		case f.PSD == 'y' && f.domain != domain:
			rest := strings.TrimSuffix(domain, "."+f.domain)
			return rest[strings.LastIndexByte(rest, '.')+1:] + "." + f.domain
		}
	}
	if len(list) > 0 {
		return list[len(list)-1].domain
	}
	return domain
}

// Organization gives the organizational domain of a domain (in lower case, ASCII).
func Organization(ctx context.Context, lookup Lookup, domain string) (string, error) {
	list, err := walk(ctx, lookup, domain)
	return organization(domain, list), err
}
