// Package senderauth judges who really sent a message that comes from another host: by
// SPF, DKIM, DMARC, ARC and the peer's reverse name, while the message streams in.
package senderauth

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/resolver"
)

// maxTime is how long all look-ups for one message may take together, the time in which its
// bytes come not counted.
const maxTime = 15 * time.Second

// Config says how mail is judged.
type Config struct {
	Resolver *resolver.Resolver
	// ID is the authserv-id, our host name.
	ID string
	// Sealers are domains whose ARC seal is believed: when they say that DMARC passed before
	// they changed a message, as mailing lists do, its failure here does not count.
	Sealers []string
	MaxTime time.Duration    // of all look-ups for one message together; 0 is 15 s
	Now     func() time.Time // nil: time.Now
}

// Judge is safe for concurrent use.
type Judge struct {
	cfg Config
	dns resolver.Net
}

// New gives a judge.
func New(cfg Config) *Judge {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxTime == 0 {
		cfg.MaxTime = maxTime
	}
	return &Judge{cfg, resolver.Net{Resolver: cfg.Resolver}}
}

// Peer is who hands over a message, and what he says.
type Peer struct {
	IP    netip.Addr
	Hello string          // his name in EHLO or HELO
	From  address.Address // the reverse-path, zero for the null sender
}

// Trial is the judgement of one message. It is an io.Writer of the message's bytes as they
// come, and must be ended by Cancel. Not safe for concurrent use.
type Trial struct {
	*dkim.Verifier
	judge  *Judge
	peer   Peer
	ctx    context.Context
	cancel context.CancelFunc
	spf    chan SPF
	iprev  chan IPRev
}

// Begin begins to judge: what is asked of the peer alone is looked up while his message
// comes, in at most Config.MaxTime.
func (j *Judge) Begin(ctx context.Context, p Peer) *Trial {
	t := &Trial{judge: j, peer: p, spf: make(chan SPF, 1), iprev: make(chan IPRev, 1)}
	t.Verifier = dkim.NewVerifier(j.dns.LookupTXT, j.cfg.Now())
	t.ctx, t.cancel = context.WithCancel(ctx)
	aside(t, t.spf, func(ctx context.Context) SPF { return j.spf(ctx, p) })
	aside(t, t.iprev, func(ctx context.Context) IPRev { return j.iprev(ctx, p.IP) })
	return t
}

// aside does something meanwhile.
func aside[T any](t *Trial, to chan T, do func(context.Context) T) {
	go func() {
		ctx, cancel := context.WithTimeout(t.ctx, t.judge.cfg.MaxTime)
		defer cancel()
		to <- do(ctx)
	}()
}

// Cancel ends all that is still being looked up.
func (t *Trial) Cancel() { t.cancel() }

// Verdict is what came of it.
type Verdict struct {
	IPRev IPRev
	SPF   SPF
	DKIM  []dkim.Signature
	ARC   dkim.Chain
	DMARC DMARC
	// Results is the Authentication-Results field, with its line end.
	Results string
}

// Proves tells whether the reverse-path was found to be who sent the message: its domain says
// that the peer may send for it, or has signed the message, itself or the one above it.
func (v *Verdict) Proves(from address.Address) bool {
	domain := ascii(from.Domain)
	if domain == "" {
		return false
	}
	if v.SPF.Result == spf.Pass && !v.SPF.Hello && v.SPF.Domain == domain {
		return true
	}
	for _, s := range v.DKIM {
		if s.Result == dkim.Pass && (domain == s.Domain || strings.HasSuffix(domain, "."+s.Domain)) {
			return true
		}
	}
	return false
}

// DMARC is what became of the policy of the author's domain.
type DMARC struct {
	Result dkim.Result // None, Pass, Fail, TempError or PermError
	From   string      // the author's domain
	dmarc.Outcome
	// Do is what is to be done with the message.
	Do dmarc.Policy
	// Sealer is the domain whose seal is believed instead of the policy, "" if none is.
	Sealer string
}

// Finish judges the message, after its last byte; from are its authors.
func (t *Trial) Finish(from []message.Address) Verdict {
	ctx, cancel := context.WithTimeout(t.ctx, t.judge.cfg.MaxTime)
	defer cancel()
	_ = t.Close()
	v := Verdict{DKIM: t.Verify(ctx), ARC: t.VerifyARC(ctx), SPF: <-t.spf, IPRev: <-t.iprev}
	v.DMARC = t.judge.dmarc(ctx, &v, authors(t.Header(), from))
	v.Results = t.judge.format(&v)
	return v
}

// authors gives the domain of each author, nil if it can't be told who they are.
//
// RFC 5322, section 3.6: From is there once; a message with two shows one to its reader and another to who checks it.
func authors(h *dkim.Header, from []message.Address) []string {
	if len(h.All("From")) != 1 {
		return nil
	}
	var list []string
	for _, a := range from {
		if a.Group != "" || a.End {
			continue
		}
		domain := ascii(a.Domain)
		if domain == "" {
			return nil
		}
		if len(list) == 0 || list[len(list)-1] != domain {
			list = append(list, domain)
		}
	}
	return list
}

// ascii gives a domain in lower case and ASCII, "" if it is none.
func ascii(domain string) string {
	a, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || !strings.Contains(a, ".") {
		return ""
	}
	return strings.ToLower(a)
}

// SPF is what the domain of the reverse-path says of the peer.
type SPF struct {
	Result spf.Result
	Domain string // that was asked
	Hello  bool   // it is the one of EHLO, as there is no reverse-path
}

// spf is RFC 7208.
//
// RFC 7208, section 2.4: When the reverse-path is null, this document defines the "MAIL FROM" identity to be the mailbox composed of the local-part "postmaster" and the "HELO" identity.
func (j *Judge) spf(ctx context.Context, p Peer) SPF {
	s := SPF{Domain: ascii(p.From.Domain)}
	local := p.From.Local
	if p.From.IsZero() {
		s = SPF{Domain: ascii(p.Hello), Hello: true}
		local = "postmaster"
	}
	if s.Domain == "" {
		s.Result = spf.None
		return s
	}
	s.Result, _ = spf.CheckHostWithSender(p.IP.Unmap().AsSlice(), p.Hello, local+"@"+s.Domain, spf.WithContext(ctx), spf.WithResolver(j.dns))
	if ctx.Err() != nil {
		s.Result = spf.TempError
	}
	return s
}

// IPRev is whether the peer's address has a name that leads back to it.
type IPRev struct {
	Result dkim.Result // Pass, Fail, TempError, PermError
	IP     netip.Addr
	Name   string // that does
}

// maxNames is how many names of an address are looked at.
const maxNames = 5

// iprev is RFC 8601, section 3.
func (j *Judge) iprev(ctx context.Context, ip netip.Addr) IPRev {
	ip = ip.Unmap().WithZone("")
	r := IPRev{Result: dkim.Fail, IP: ip}
	names, err := j.cfg.Resolver.PTR(ctx, ip)
	switch {
	case kinds.Is(err, kinds.NotFound):
		r.Result = dkim.PermError
	case err != nil:
		r.Result = dkim.TempError
	}
	for _, name := range names[:min(len(names), maxNames)] {
		addrs, _, err := j.cfg.Resolver.Addrs(ctx, name)
		if err != nil && !kinds.Is(err, kinds.NotFound) {
			r.Result = dkim.TempError
		}
		for _, a := range addrs {
			if a == ip {
				r.Result, r.Name = dkim.Pass, name
				return r
			}
		}
	}
	return r
}

// maxAuthors is of how many authors the domains are asked.
const maxAuthors = 3

// dmarc holds what was authenticated against the policies of the authors' domains. The one
// that is the least content counts.
//
// RFC 9989: a message whose From has several domains is held against each.
func (j *Judge) dmarc(ctx context.Context, v *Verdict, authors []string) DMARC {
	worst := DMARC{Result: dkim.PermError, Do: dmarc.NoPolicy}
	if len(authors) == 0 || len(authors) > maxAuthors {
		return worst
	}
	m := dmarc.Message{}
	if v.SPF.Result == spf.Pass {
		m.SPF = v.SPF.Domain
	}
	for _, s := range v.DKIM {
		if s.Result == dkim.Pass {
			m.DKIM = append(m.DKIM, s.Domain)
		}
	}
	for i, from := range authors {
		m.From = from
		if d := j.author(ctx, m); i == 0 || worse(d, worst) {
			worst = d
		}
	}
	if worst.Result == dkim.Fail && worst.Do != dmarc.NoPolicy {
		if worst.Sealer = j.believed(v.ARC); worst.Sealer != "" {
			worst.Do = dmarc.NoPolicy
		}
	}
	return worst
}

func worse(a, b DMARC) bool {
	rank := map[dmarc.Policy]int{dmarc.Quarantine: 1, dmarc.Reject: 2}
	if rank[a.Do] != rank[b.Do] {
		return rank[a.Do] > rank[b.Do]
	}
	return a.Result != dkim.Pass && b.Result == dkim.Pass
}

// author asks one domain.
func (j *Judge) author(ctx context.Context, m dmarc.Message) DMARC {
	d := DMARC{From: m.From, Result: dkim.TempError, Do: dmarc.NoPolicy}
	o, err := dmarc.Evaluate(ctx, j.policies(m.From), j.exists, m)
	if err != nil {
		return d
	}
	d.Outcome, d.Do = o, o.Disposition()
	switch {
	case o.Record == nil:
		d.Result = dkim.None
	case o.Pass:
		d.Result = dkim.Pass
	default:
		d.Result = dkim.Fail
	}
	return d
}

// policies looks DMARC records up. That of a public suffix only counts if it says that it
// is one: else who may register below it would all be one organization.
func (j *Judge) policies(from string) dmarc.Lookup {
	return func(ctx context.Context, name string) ([]string, error) {
		texts, _, err := j.cfg.Resolver.TXT(ctx, name)
		domain := strings.TrimPrefix(name, "_dmarc.")
		if suffix, listed := publicsuffix.PublicSuffix(domain); listed && suffix == domain && domain != from {
			kept := texts[:0:0]
			for _, text := range texts {
				if r := dmarc.Parse(text); r != nil && r.PSD == 'y' {
					kept = append(kept, text)
				}
			}
			texts = kept
		}
		if kinds.Is(err, kinds.Unavailable) {
			return nil, err
		}
		return texts, nil // a name that can't be asked for has none
	}
}

// exists tells whether a domain has any of the records that mail is sent by.
func (j *Judge) exists(ctx context.Context, domain string) (bool, error) {
	_, _, err := j.cfg.Resolver.MX(ctx, domain)
	if kinds.Is(err, kinds.NotFound) {
		_, _, err = j.cfg.Resolver.Addrs(ctx, domain)
	}
	if kinds.Is(err, kinds.NotFound) {
		return false, nil
	}
	return true, err
}

// believed gives the last sealer of a good chain, if it is one that is believed and says
// that DMARC passed.
func (j *Judge) believed(c dkim.Chain) string {
	if c.Result != dkim.Pass {
		return ""
	}
	last := c.Seals[len(c.Seals)-1]
	for _, trusted := range j.cfg.Sealers {
		if strings.EqualFold(trusted, last.Domain) && passed(last.Results, "dmarc") {
			return last.Domain
		}
	}
	return ""
}

// passed tells whether results have METHOD=pass.
func passed(results, method string) bool {
	for part := range strings.SplitSeq(strings.ToLower(results), ";") {
		first, _, _ := strings.Cut(strings.TrimSpace(part), " ")
		if first == method+"=pass" {
			return true
		}
	}
	return false
}
