package senderauth

import (
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/dkim"
)

// maxResults is how long the field gets, in octets: signatures for which there is no room
// are left out of it.
const maxResults = 2 << 10

// format composes the Authentication-Results field (RFC 8601). All that is not ours in it
// are domains, selectors and characters of base64, which were checked to be such.
func (j *Judge) format(v *Verdict) string {
	var b strings.Builder
	b.WriteString("Authentication-Results: " + j.cfg.ID)
	add := func(parts ...string) {
		b.WriteString(";\r\n\t" + strings.Join(parts, " "))
	}
	iprev := []string{"iprev=" + string(v.IPRev.Result)}
	if v.IPRev.Name != "" && isName(v.IPRev.Name) {
		iprev = append(iprev, "("+v.IPRev.Name+")")
	}
	add(append(iprev, "policy.iprev="+quoted(v.IPRev.IP.String()))...)
	spf := []string{"spf=" + string(v.SPF.Result)}
	if isName(v.SPF.Domain) {
		spf = append(spf, map[bool]string{true: "smtp.helo=", false: "smtp.mailfrom="}[v.SPF.Hello]+v.SPF.Domain)
	}
	add(spf...)
	dmarc := []string{"dmarc=" + string(v.DMARC.Result)}
	if r := v.DMARC.Record; r != nil {
		dmarc = append(dmarc, "(p="+string(v.DMARC.Policy)+" dis="+string(v.DMARC.Do)+")")
	}
	if isName(v.DMARC.From) {
		dmarc = append(dmarc, "header.from="+v.DMARC.From)
	}
	add(dmarc...)
	if v.ARC.Result != dkim.None {
		add("arc=" + string(v.ARC.Result))
	}
	if len(v.DKIM) == 0 {
		add("dkim=none")
	}
	for _, s := range v.DKIM {
		part := signature(s)
		if b.Len()+len(part) < maxResults {
			add(part)
		}
	}
	b.WriteString("\r\n")
	return b.String()
}

func signature(s dkim.Signature) string {
	parts := []string{"dkim=" + string(s.Result)}
	if s.Reason != "" {
		parts = append(parts, `reason="`+s.Reason+`"`)
	}
	for _, p := range [][2]string{{"header.d=", s.Domain}, {"header.s=", s.Selector}, {"header.a=", s.Algorithm}} {
		if isName(p[1]) {
			parts = append(parts, p[0]+p[1])
		}
	}
	if s.Short != "" && isBase64(s.Short) {
		parts = append(parts, "header.b="+quoted(s.Short))
	}
	return strings.Join(parts, " ")
}

// quoted gives a value that may hold what no token does.
func quoted(s string) string { return `"` + s + `"` }

// isName tells whether s can stand as it is where a domain may.
func isName(s string) bool {
	return s != "" && len(s) <= 253 && madeOf(s, "-_.")
}

func isBase64(s string) bool {
	return madeOf(s, "+/=")
}

// madeOf tells whether s is made of letters, digits and others.
func madeOf(s, others string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return true
}
