package dkim

import (
	"bytes"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// signature is a DKIM-Signature or an ARC-Message-Signature, read.
type signature struct {
	Signature
	raw          []byte
	tags         tags
	names        []string // h=
	header, body Canonicalization
	bodyHash     []byte
	value        []byte // b=
	expires      time.Time
	partial      bool // l= was given
}

func (s *signature) end(r Result, reason string) { s.Result, s.Reason = r, reason }

// parseSignature reads a field. What can't be read has a Result already.
func parseSignature(f header.Field) *signature {
	s := &signature{raw: f.Raw}
	if len(f.Raw) > maxField {
		s.end(Policy, "the field is too long")
		return s
	}
	var err error
	if s.tags, err = parseTags(string(f.Value)); err != nil {
		s.end(Neutral, "the field can't be read")
		return s
	}
	t := s.tags
	s.Domain, s.Selector = strings.ToLower(t.compact("d")), strings.ToLower(t.compact("s"))
	s.Algorithm, s.names = strings.ToLower(t.compact("a")), t.list("h")
	s.Short = t.compact("b")[:min(8, len(t.compact("b")))]
	if reason := s.read(f.Is("DKIM-Signature")); reason != "" {
		s.end(PermError, reason)
	}
	return s
}

// read takes what is needed from the tags and says what is wrong with them.
func (s *signature) read(isDKIM bool) string {
	t := s.tags
	var okHash, okValue, okExpires, okHeader, okBody bool
	s.bodyHash, okHash = t.base64("bh")
	s.value, okValue = t.base64("b")
	s.expires, okExpires = t.seconds("x")
	made, okMade := t.seconds("t")
	head, body, _ := strings.Cut(t.compact("c"), "/")
	s.header, okHeader = parseCanonicalization(head)
	s.body, okBody = parseCanonicalization(body)
	_, s.partial = t["l"]
	switch {
	case isDKIM && t.compact("v") != "1":
		return "another version"
	case !isDomain(s.Domain) || !isSelector(s.Selector):
		return "no domain or selector"
	case !okHash || !okValue:
		return "no signature or no hash of the body"
	case !okExpires || !okMade || !s.expires.IsZero() && s.expires.Before(made):
		return "its times are not right"
	case !okHeader || !okBody:
		return "another canonicalization"
	case s.Algorithm != "rsa-sha256" && s.Algorithm != "ed25519-sha256": // RFC 8301, section 3.1: rsa-sha1 MUST NOT be used
		return "another algorithm"
	case len(s.names) > maxSigned:
		return "too many names in h="
	case !s.signs("from"):
		return "From is not signed"
	case isDKIM && t["q"] != "" && !contains(t.list("q"), "dns/txt"):
		return "another way to find the key"
	}
	if !isDKIM { // i= is a number there
		return ""
	}
	if s.Identity = t.compact("i"); s.Identity == "" {
		s.Identity = "@" + s.Domain
	}
	// RFC 6376, section 3.5: the domain part of the address MUST be the same as, or a subdomain of, the value of the "d=" tag.
	if d := s.identityDomain(); d != s.Domain && !strings.HasSuffix(d, "."+s.Domain) {
		return "i= is not within d="
	}
	return ""
}

func (s *signature) identityDomain() string {
	return strings.ToLower(s.Identity[strings.LastIndexByte(s.Identity, '@')+1:])
}

func (s *signature) signs(name string) bool { return contains(s.names, name) }

func contains(list []string, s string) bool {
	for _, v := range list {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}

// algorithm is that of the key.
func (s *signature) algorithm() string {
	name, _, _ := strings.Cut(s.Algorithm, "-")
	return name
}

// signed gives what is signed: the fields of h=, and the signature itself without its value.
//
// RFC 6376, section 3.7: the value of the "b=" tag (including all surrounding whitespace) deleted; without a trailing CRLF.
func (s *signature) signed(h *Header) []byte {
	var text []byte
	pick := picker{h, map[string]int{}}
	for _, name := range s.names {
		if raw := pick.next(name); raw != nil {
			text = s.header.field(text, raw)
		}
	}
	return bytes.TrimSuffix(s.header.field(text, withoutValue(s.raw)), []byte("\r\n"))
}

// withoutValue gives a signature field without what stands after b=.
func withoutValue(raw []byte) []byte {
	colon := bytes.IndexByte(raw, ':') + 1
	out := append([]byte(nil), raw[:colon]...)
	for i, part := range bytes.Split(raw[colon:], []byte(";")) {
		if i > 0 {
			out = append(out, ';')
		}
		name, _, ok := bytes.Cut(part, []byte("="))
		if ok && trim(string(name)) == "b" {
			part = part[:len(name)+1]
		}
		out = append(out, part...)
	}
	if !bytes.HasSuffix(out, []byte("\n")) { // b= was the last tag
		out = append(out, "\r\n"...)
	}
	return out
}
