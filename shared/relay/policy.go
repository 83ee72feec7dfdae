package relay

import (
	"context"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mtasts"
)

// Policies finds what domains ask of those who send to them; *mtasts.Cache.
type Policies interface {
	Find(ctx context.Context, domain string) (mtasts.Found, error)
}

// Applied is the policy by which a connection was made, as reports tell it (RFC 8460,
// section 4.4).
type Applied struct {
	Type  string   // "tlsa", "sts" or "no-policy-found"
	Text  []string // the TLSA records, or the lines of the policy
	Hosts []string // patterns of an MTA-STS policy
}

var noPolicy = Applied{Type: "no-policy-found"}

// Session is what came of beginning TLS with a host, for reports.
type Session struct {
	Domain string // to which mail was sent
	Policy Applied
	Host   string // that was connected to, "" if that was not done
	Remote string // its address
	Local  string // and ours
	Result string // "" is success, else a result type of RFC 8460, section 4.3
	Why    string // in words, one line
}

// demand is what must be so of a connection to a host, and what is told of it.
type demand struct {
	Security
	dane    *dane // the certificate is held against its records; nil: against authorities
	domain  string
	applied Applied
	// watched tells that a certificate which is not verified is told, though it is taken
	// (MTA-STS in testing).
	watched bool
	tell    func(Session) // nil: nobody is told
}

// against is the answer where a policy keeps mail from a host: it may be mended, so the
// mail is tried again.
func against(host, why string) Reply {
	return Reply{451, "4.7.5", "The policy of the domain keeps mail from " + host + ": " + clean(why)}
}

// demand says how a host must be connected to.
//
// RFC 8461, section 2: where DANE and MTA-STS both apply, what MTA-STS allows must not override what DANE refuses.
func (s *Sender) demand(ctx context.Context, domain string, sts mtasts.Found, t Target, e *Envelope) (demand, error) {
	want := demand{domain: domain, applied: noPolicy, tell: s.Tell}
	if e.TLSOptional {
		// RFC 8689, section 5: the policies of the recipient's domain, be it DANE or MTA-STS, are ignored.
		want.tell = nil
		return want, nil
	}
	if t.Secure {
		d, err := s.dane(ctx, domain, t)
		if err != nil {
			s.told(Session{Domain: domain, Policy: Applied{Type: "tlsa"}, Host: t.Host, Result: "dnssec-invalid", Why: "its TLSA records can't be looked up"})
			return want, against(t.Host, "its TLSA records can't be looked up")
		}
		if d != nil {
			want.dane, want.applied = d, Applied{Type: "tlsa", Text: d.text}
			want.Security = Verified
			if len(d.usable) == 0 {
				// RFC 7672, section 2.2: where no record is usable, TLS is mandatory, unauthenticated.
				want.Security = Encrypted
			}
		}
	}
	named := t.Secure || strings.EqualFold(t.Host, domain) // nobody could have put in another host
	if p := sts.Policy; p != nil && p.Mode != mtasts.None {
		match := p.Match(t.Host)
		named = named || match
		if want.dane == nil {
			want.applied = Applied{Type: "sts", Text: p.Lines, Hosts: p.Hosts}
			want.watched = true
			if p.Mode == mtasts.Enforce {
				want.Security = Verified
			}
			if !match {
				s.told(Session{Domain: domain, Policy: want.applied, Host: t.Host, Result: "validation-failure", Why: "the policy does not name the host"})
				if p.Mode == mtasts.Enforce {
					return want, against(t.Host, "it does not name it")
				}
				want.tell = nil // once is enough
			}
		}
	}
	if e.RequireTLS {
		// RFC 8689, section 4.2.1: the host is known by DNSSEC or MTA-STS, and its certificate is verified.
		if !named {
			return want, needsPolicy
		}
		if want.Security < Verified {
			want.Security, want.dane = Verified, nil
		}
	}
	return want, nil
}

// told tells of a session.
func (s *Sender) told(session Session) {
	if s.Tell != nil {
		s.Tell(session)
	}
}

// policy gives what MTA-STS says of a domain, and tells if that can't be known.
func (s *Sender) policy(ctx context.Context, domain string, e *Envelope) (mtasts.Found, error) {
	if s.Policies == nil || s.Smarthost != nil || e.TLSOptional || strings.HasPrefix(domain, "[") {
		return mtasts.Found{}, nil
	}
	found, err := s.Policies.Find(ctx, domain)
	if found.Trouble != nil {
		result := "sts-policy-fetch-error"
		switch kinds.Of(found.Trouble) {
		case kinds.Invalid:
			result = "sts-policy-invalid"
		case kinds.Denied:
			result = "sts-webpki-invalid"
		}
		s.told(Session{Domain: domain, Policy: Applied{Type: "sts"}, Result: result, Why: clean(found.Trouble.Error())})
	}
	return found, err
}
