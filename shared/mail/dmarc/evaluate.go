package dmarc

import (
	"context"
	"strings"
)

// Message is what is known of a message.
type Message struct {
	From string   // the domain of its author, lower case, ASCII
	SPF  string   // the domain that SPF authenticated, "" if none
	DKIM []string // the domains of good signatures
}

// Outcome is what DMARC says of a message.
type Outcome struct {
	Record       *Record // nil: the domain has no policy
	Domain       string  // where the record is
	Organization string
	Pass         bool
	SPFAligned   bool
	DKIMAligned  bool
	Policy       Policy // what the owner asks for, before Testing is taken into account
}

// Disposition is what the owner wants done with the message.
//
// RFC 9989, section 4.7: with t=y, the policy is applied one level below what is stated.
func (o *Outcome) Disposition() Policy {
	switch {
	case o.Record == nil || o.Pass:
		return NoPolicy
	case !o.Record.Testing:
		return o.Policy
	case o.Policy == Reject:
		return Quarantine
	}
	return NoPolicy
}

// maxAligned is how many domains are looked at for alignment.
const maxAligned = 8

// Evaluate says what DMARC says. exists tells whether the author's domain is there; it is
// asked only if the policy depends on it. An error is one of lookup or exists: nobody
// could say.
func Evaluate(ctx context.Context, lookup Lookup, exists func(ctx context.Context, domain string) (bool, error), m Message) (Outcome, error) {
	list, err := walk(ctx, lookup, m.From)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Organization: organization(m.From, list), Policy: NoPolicy}
	// RFC 9989, section 4.10.1: the record of the domain itself; else of its organization; else of the public suffix.
	for _, f := range list {
		if f.domain == m.From || f.domain == o.Organization || f.PSD == 'y' {
			o.Record, o.Domain = f.Record, f.domain
			break
		}
	}
	if o.Record == nil {
		return o, nil
	}
	if err := o.align(ctx, lookup, m); err != nil {
		return Outcome{}, err
	}
	return o, o.choose(ctx, exists, m.From)
}

// choose sets Policy.
func (o *Outcome) choose(ctx context.Context, exists func(ctx context.Context, domain string) (bool, error), from string) error {
	r := o.Record
	o.Policy = r.Subdomains
	switch {
	case o.Domain == from:
		o.Policy = r.Policy
	case r.NonExistent != r.Subdomains:
		there, err := exists(ctx, from)
		if err != nil {
			return err
		}
		if !there {
			o.Policy = r.NonExistent
		}
	}
	return nil
}

// align holds what was authenticated against the author's domain.
func (o *Outcome) align(ctx context.Context, lookup Lookup, m Message) (err error) {
	if m.SPF != "" {
		if o.SPFAligned, err = o.aligned(ctx, lookup, m.From, m.SPF, o.Record.StrictSPF); err != nil {
			return err
		}
	}
	for _, d := range m.DKIM[:min(len(m.DKIM), maxAligned)] {
		if o.DKIMAligned {
			break
		}
		if o.DKIMAligned, err = o.aligned(ctx, lookup, m.From, d, o.Record.StrictDKIM); err != nil {
			return err
		}
	}
	o.Pass = o.SPFAligned || o.DKIMAligned
	return nil
}

// aligned tells whether a domain that was authenticated may speak for the author's.
//
// RFC 9989, section 4.10.2: in relaxed mode both must have the same organizational domain.
func (o *Outcome) aligned(ctx context.Context, lookup Lookup, from, domain string, strict bool) (bool, error) {
	if from == domain || strict {
		return from == domain, nil
	}
	if domain != o.Organization && !strings.HasSuffix(domain, "."+o.Organization) {
		return false, nil // it can't have the same
	}
	org, err := Organization(ctx, lookup, domain)
	return org == o.Organization, err
}
