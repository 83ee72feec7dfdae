package relay

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/resolver"
)

// Limits of what a domain may make us try.
const (
	maxHosts = 10 // mail exchangers
	maxAddrs = 6  // of one of them
)

// Target is one host that takes a domain's mail.
type Target struct {
	Host  string // its name, "" for an address literal
	Addrs []netip.AddrPort
	// Secure tells that its name was found by DNSSEC, and its addresses: DANE may apply.
	Secure bool
}

// Hosts finds where the mail of a domain goes.
type Hosts struct {
	Resolver *resolver.Resolver
	Self     string // our own name: a host of no more preference than ours would send back to us
	Port     uint16 // of the peers; 0 is 25
	// Allow lets addresses pass that are not public; nil: none.
	Allow []netip.Prefix
}

// Answers about a domain that no host gave.
var (
	noDomain  = Reply{550, "5.1.2", "The domain is not there"}
	nullMX    = Reply{556, "5.1.10", "The domain takes no mail"} // RFC 7505, section 4.2
	notPublic = Reply{550, "5.1.2", "The domain's mail exchanger is at no public address"}
	ourselves = Reply{554, "5.4.6", "The domain's mail comes back to this host, which does not take it"}
)

// Find gives the hosts of a domain in the order in which they are tried; of the same
// preference by chance. A Reply is the error when there are none and never will be,
// kinds.Unavailable when nobody can say now.
//
// RFC 5321, section 5.1
func (h *Hosts) Find(ctx context.Context, domain string) ([]Target, error) {
	if ip, ok := literal(domain); ok {
		addrs := h.public([]netip.Addr{ip})
		if len(addrs) == 0 {
			return nil, notPublic
		}
		return []Target{{Addrs: addrs}}, nil
	}
	list, secure, err := h.Resolver.MX(ctx, domain)
	switch {
	case kinds.Is(err, kinds.NotFound):
		// If an empty list of MXs is returned, the address is treated as if it was associated with an implicit MX RR.
		list, err = []resolver.MX{{Host: domain}}, nil
	case kinds.Is(err, kinds.Invalid), kinds.Is(err, kinds.Limit):
		return nil, noDomain
	case err != nil:
		return nil, err
	case len(list) == 1 && list[0].Host == "":
		return nil, nullMX
	}
	if list = h.before(list); len(list) == 0 {
		return nil, ourselves
	}
	return h.resolve(ctx, list[:min(len(list), maxHosts)], secure)
}

// before orders the hosts, and leaves out what is not better than we are ourselves.
func (h *Hosts) before(list []resolver.MX) []resolver.MX {
	list = slices.Clone(list)
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b resolver.MX) int { return int(a.Preference) - int(b.Preference) })
	for i, mx := range list {
		if h.Self != "" && strings.EqualFold(mx.Host, h.Self) {
			first := slices.IndexFunc(list, func(o resolver.MX) bool { return o.Preference == mx.Preference })
			return list[:min(i, first)]
		}
	}
	return list
}

// resolve finds the addresses of hosts. One that can't be found now is passed over if
// there is another.
func (h *Hosts) resolve(ctx context.Context, list []resolver.MX, secure bool) (targets []Target, err error) {
	err = noDomain
	for _, mx := range list {
		found, authentic, lookup := h.Resolver.Addrs(ctx, mx.Host)
		addrs := h.public(found)
		switch {
		case len(addrs) > 0:
			targets = append(targets, Target{Host: mx.Host, Addrs: addrs, Secure: secure && authentic})
		case lookup != nil && kinds.Of(lookup).Temporary():
			err = lookup
		case len(found) > 0 && err == error(noDomain):
			err = notPublic
		}
	}
	if len(targets) > 0 {
		return targets, nil
	}
	return nil, err
}

// public gives the addresses that may be connected to: who names a host in the DNS must
// not make us talk to what is ours alone, such as the metadata service of a cloud.
func (h *Hosts) public(addrs []netip.Addr) (list []netip.AddrPort) {
	port := h.Port
	if port == 0 {
		port = 25
	}
	for _, a := range addrs {
		if (resolver.Within(a, h.Allow) || resolver.Public(a)) && len(list) < maxAddrs {
			list = append(list, netip.AddrPortFrom(a, port))
		}
	}
	return list
}

// literal reads an address literal: RFC 5321, section 4.1.3.
func literal(domain string) (netip.Addr, bool) {
	in, ok := strings.CutPrefix(domain, "[")
	if !ok || !strings.HasSuffix(in, "]") {
		return netip.Addr{}, false
	}
	in = strings.TrimSuffix(in, "]")
	if six, is := strings.CutPrefix(strings.ToUpper(in), "IPV6:"); is {
		in = six
	}
	a, err := netip.ParseAddr(in)
	return a, err == nil && a.Zone() == ""
}
