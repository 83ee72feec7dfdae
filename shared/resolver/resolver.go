// Package resolver asks the DNS, for all of the service in one place: with its own servers,
// time limit and cache, and with an answer to whether an answer was validated. What comes
// back is hostile and bounded.
package resolver

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Config says whom to ask, and how.
type Config struct {
	// Servers are recursive resolvers, the first is asked first. Empty: those of the system.
	Servers []netip.AddrPort
	// Timeout is how long one question may take, all tries together; 0 is 5 seconds.
	Timeout time.Duration
	// Cache is how many answers are kept; 0 is 10,000, below 0 none.
	Cache int
	// Validating says that the servers validate DNSSEC and that the way to them can't be
	// tampered with (loopback, a VPC's own resolver), so that their word for it counts.
	Validating bool
	Now        func() time.Time // nil: time.Now
}

const (
	defaultTimeout = 5 * time.Second
	defaultCache   = 10_000
	rounds         = 2    // in which each server is asked
	maxRecords     = 500  // of one answer
	maxChain       = 8    // aliases (CNAME) that are followed
	bufferSize     = 1232 // octets over UDP, what no path fragments
)

// Resolver is safe for concurrent use.
type Resolver struct {
	cfg     Config
	cache   cache
	flights singleflight.Group
}

// New gives a resolver.
func New(cfg Config) *Resolver {
	if len(cfg.Servers) == 0 {
		cfg.Servers = systemServers("/etc/resolv.conf")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Cache == 0 {
		cfg.Cache = defaultCache
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Resolver{cfg: cfg, cache: cache{max: cfg.Cache}}
}

// systemServers reads the name servers of a resolv.conf. Where there is none, one on this
// machine is asked, as the C library does.
func systemServers(file string) []netip.AddrPort {
	var servers []netip.AddrPort
	if conf, err := dns.ClientConfigFromFile(file); err == nil {
		for _, s := range conf.Servers {
			if addr, err := netip.ParseAddr(s); err == nil {
				servers = append(servers, netip.AddrPortFrom(addr, 53))
			}
		}
	}
	if len(servers) == 0 {
		servers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	}
	return servers
}

// Answer is what the DNS says of a name.
type Answer struct {
	// Records are of the type that was asked for, at least one.
	Records []dns.RR
	// Name is the name they are of, after aliases; without a dot at the end.
	Name string
	// Authentic tells that the answer, and that there is none, was validated by DNSSEC.
	Authentic bool
}

// Lookup gives the records of one type of a name, aliases followed.
//
// kinds.NotFound: there is no such name, or it has no such records (Authentic is set in
// that case too); kinds.Unavailable: nobody could say; kinds.Invalid: that is no name;
// kinds.Limit: the answer is too large or goes in a circle.
func (r *Resolver) Lookup(ctx context.Context, name string, kind uint16) (Answer, error) {
	name = strings.ToLower(dns.Fqdn(name))
	if _, ok := dns.IsDomainName(name); !ok || len(name) > 254 {
		return Answer{}, kinds.Errorf(kinds.Invalid, "resolver: %.300q is no domain name", name)
	}
	found := Answer{Authentic: true}
	for aliases := 0; aliases <= maxChain; {
		part, err := r.ask(ctx, question{name, kind})
		found.Authentic = found.Authentic && part.authentic
		aliases += part.aliases
		if err != nil {
			return Answer{Authentic: found.Authentic}, err
		}
		if name = part.name; len(part.records) > 0 {
			found.Records, found.Name = part.records, strings.TrimSuffix(name, ".")
			return found, nil
		}
	}
	return Answer{}, kinds.Errorf(kinds.Limit, "resolver: more than %d aliases from %q", maxChain, name)
}

// question is one question. The name is in lower case and ends with a dot.
type question struct {
	name string
	kind uint16
}

// part is what one message said: the records, or the name that must be asked for next.
type part struct {
	records   []dns.RR
	name      string
	aliases   int // that lead there
	authentic bool
	ttl       time.Duration
}

// ask answers from the cache, or asks; who asks the same meanwhile waits for the same.
func (r *Resolver) ask(ctx context.Context, q question) (part, error) {
	if p, err, ok := r.cache.get(q, r.cfg.Now()); ok {
		return p, err
	}
	wait := r.flights.DoChan(q.name+" "+dns.TypeToString[q.kind], func() (any, error) {
		// Not of the caller's context: the answer is for all who wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Timeout)
		defer cancel()
		p, err := r.exchange(ctx, q)
		if err == nil || kinds.Is(err, kinds.NotFound) {
			r.cache.put(q, p, err, r.cfg.Now())
		}
		return p, err
	})
	select {
	case res := <-wait:
		return res.Val.(part), res.Err
	case <-ctx.Done():
		return part{}, kinds.Wrap(kinds.Unavailable, ctx.Err(), "resolver: "+q.name)
	}
}

// exchange asks one server after the other until one answers.
func (r *Resolver) exchange(ctx context.Context, q question) (part, error) {
	servers := slices.Repeat(r.cfg.Servers, rounds)
	each := r.cfg.Timeout / time.Duration(len(servers))
	var last error
	for _, server := range servers {
		msg, err := r.send(ctx, q, server.String(), each)
		if err == nil {
			return r.read(q, msg)
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return part{}, kinds.Wrap(kinds.Unavailable, last, "resolver: "+q.name)
}

// send asks one server: by UDP and, when the answer doesn't fit, by TCP.
func (r *Resolver) send(ctx context.Context, q question, server string, limit time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.kind)
	// RFC 6840, section 5.7: a query with the AD bit asks whether the answer was validated.
	m.AuthenticatedData = r.cfg.Validating
	m.SetEdns0(bufferSize, r.cfg.Validating)
	reply, _, err := (&dns.Client{Timeout: limit, UDPSize: bufferSize}).ExchangeContext(ctx, m, server)
	if err != nil || reply.Truncated {
		reply, _, err = (&dns.Client{Timeout: limit, Net: "tcp"}).ExchangeContext(ctx, m, server)
	}
	switch {
	case err != nil:
		return nil, err
	case !reply.Response || len(reply.Question) != 1 || !strings.EqualFold(reply.Question[0].Name, q.name) || reply.Question[0].Qtype != q.kind:
		return nil, kinds.Errorf(kinds.Unavailable, "answers another question")
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, kinds.Errorf(kinds.Unavailable, "answers %s", dns.RcodeToString[reply.Rcode])
	}
	return reply, nil
}

// read takes from a message what answers the question.
func (r *Resolver) read(q question, m *dns.Msg) (part, error) {
	if len(m.Answer) > maxRecords {
		return part{}, kinds.Errorf(kinds.Limit, "resolver: %d records of %q", len(m.Answer), q.name)
	}
	p := part{name: q.name, authentic: r.cfg.Validating && m.AuthenticatedData, ttl: maxTTL}
	for len(p.records) == 0 {
		next := ""
		for _, rr := range m.Answer {
			if !strings.EqualFold(rr.Header().Name, p.name) || rr.Header().Class != dns.ClassINET {
				continue
			}
			alias, ok := rr.(*dns.CNAME)
			switch {
			case rr.Header().Rrtype == q.kind:
				p.records = append(p.records, rr)
			case ok:
				next = strings.ToLower(alias.Target)
			default:
				continue
			}
			p.ttl = min(p.ttl, time.Duration(rr.Header().Ttl)*time.Second)
		}
		if len(p.records) > 0 || next == "" {
			break
		}
		if p.name, p.aliases = next, p.aliases+1; p.aliases > maxChain {
			return p, kinds.Errorf(kinds.Limit, "resolver: more than %d aliases from %q", maxChain, q.name)
		}
	}
	if len(p.records) == 0 && (p.aliases == 0 || m.Rcode == dns.RcodeNameError) {
		p.ttl = negativeTTL(m)
		return p, kinds.Errorf(kinds.NotFound, "resolver: %q has no %s", q.name, dns.TypeToString[q.kind])
	}
	return p, nil
}

// negativeTTL is how long it is known that something isn't there.
//
// RFC 2308, section 5: the TTL of this record is set from the minimum of the MINIMUM field of the SOA record and the TTL of the SOA itself
func negativeTTL(m *dns.Msg) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(soa.Minttl, soa.Hdr.Ttl)) * time.Second
		}
	}
	return 0
}
