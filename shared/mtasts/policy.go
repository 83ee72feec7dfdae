// Package mtasts finds out what a domain asks of those who send it mail: that only certain
// hosts are used, by verified TLS (MTA-STS, RFC 8461). Policies are kept, so that who can
// tamper with the DNS or the way there can't make one go away.
package mtasts

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Mode is how a policy is meant.
type Mode string

// The modes of RFC 8461, section 3.2.
const (
	Enforce Mode = "enforce" // no mail goes by another way
	Testing Mode = "testing" // it does, and is reported
	None    Mode = "none"    // there is no policy any more
)

// Limits of a policy.
const (
	MaxPolicy = 64 << 10 // octets
	maxLines  = 1000
	maxHosts  = 200
	maxTold   = 20 // lines that reports tell
	// RFC 8461, section 3.2: max_age: maximum value of 31557600
	maxAge = 31557600 * time.Second
)

// Policy is a domain's policy.
type Policy struct {
	Mode   Mode
	Hosts  []string // patterns of its mail exchangers, lower case: "mx.example.com", "*.example.net"
	MaxAge time.Duration
	Lines  []string // as it was written, for reports; at most 20 of them
}

// Parse reads a policy; kinds.Invalid when it is none.
//
// RFC 8461, section 3.2: unknown keys are ignored; of a key that stands there twice, but for mx, the first counts.
func Parse(text []byte) (*Policy, error) {
	if len(text) > MaxPolicy {
		return nil, kinds.Errorf(kinds.Invalid, "mtasts: a policy of more than %d octets", MaxPolicy)
	}
	p := &Policy{}
	seen := map[string]string{}
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; n > maxLines {
			return nil, kinds.Errorf(kinds.Invalid, "mtasts: a policy of more than %d lines", maxLines)
		}
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.Trim(key, " \t\r\n"), strings.Trim(value, " \t\r\n")
		if !ok {
			continue
		}
		if key == "mx" {
			if host := pattern(value); host != "" && len(p.Hosts) < maxHosts {
				p.Hosts = append(p.Hosts, host)
			}
		} else if _, twice := seen[key]; !twice {
			seen[key] = value
		}
		if len(p.Lines) < maxTold && len(key)+len(value) < 300 {
			p.Lines = append(p.Lines, strings.ToValidUTF8(key+": "+value, "?"))
		}
	}
	age, err := strconv.ParseUint(seen["max_age"], 10, 32)
	if seen["version"] != "STSv1" || err != nil {
		return nil, kinds.Errorf(kinds.Invalid, "mtasts: the policy has no version STSv1 or no max_age")
	}
	p.MaxAge = min(time.Duration(age)*time.Second, maxAge)
	p.Mode = Mode(seen["mode"])
	if p.Mode != Enforce && p.Mode != Testing && p.Mode != None {
		return nil, kinds.Errorf(kinds.Invalid, "mtasts: the policy has no mode")
	}
	if p.Mode != None && len(p.Hosts) == 0 {
		return nil, kinds.Errorf(kinds.Invalid, "mtasts: the policy names no mail exchanger")
	}
	return p, nil
}

// pattern gives the name of a mail exchanger, or of all that are one label below one; "" if
// it is neither.
func pattern(s string) string {
	base, wild := strings.CutPrefix(s, "*.")
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(base, "."))
	if err != nil || name == "" || strings.Contains(name, "*") {
		return ""
	}
	if name = strings.ToLower(name); wild {
		return "*." + name
	}
	return name
}

// Match tells whether a host is one that the policy names.
//
// RFC 8461, section 4.1: the wildcard stands for exactly one label, the left-most.
func (p *Policy) Match(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, parent, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(p.Hosts, func(have string) bool {
		return have == host || parent != "" && have == "*."+parent
	})
}

var identity = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

// ParseRecord gives the id of the policy that the texts at _mta-sts.DOMAIN announce, "" if
// they announce none.
//
// RFC 8461, section 3.1: if the number of resulting records is not one, the domain has no policy.
func ParseRecord(texts []string) (id string) {
	n := 0
	for _, text := range texts {
		first, rest, _ := strings.Cut(text, ";")
		if strings.TrimRight(first, " \t") != "v=STSv1" {
			continue
		}
		n++
		for field := range strings.SplitSeq(rest, ";") {
			if key, value, _ := strings.Cut(strings.Trim(field, " \t"), "="); key == "id" && id == "" {
				id = value
			}
		}
	}
	if n != 1 || !identity.MatchString(id) {
		return ""
	}
	return id
}
