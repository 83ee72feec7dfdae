// Package address reads mail addresses as SMTP sees them (RFC 5321 with the
// internationalisation of RFC 6531) and brings them to the form in which they are
// looked up. It reads no From or To fields: those are package message's.
package address

import (
	"strings"
	"unicode/utf8"

	"github.com/godwit-mail/godwit/shared/kinds"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Limits in octets.
// RFC 5321, section 4.5.3.1.1: The maximum total length of a user name or other local-part is 64 octets.
// RFC 5321, section 4.5.3.1.2: The maximum total length of a domain name or number is 255 octets.
// RFC 5321, section 4.5.3.1.3: The maximum total length of a reverse-path or forward-path is 256 octets (including the punctuation and element separators).
const (
	MaxLocal   = 64
	MaxDomain  = 255
	MaxAddress = 254
)

// Address is one mailbox. The zero value is the null sender.
type Address struct {
	// Local is the local part as given, with its quotes when it has any.
	Local string
	// Domain is lower case and in A-label form; an address literal keeps its brackets.
	// It is empty for the domainless Postmaster and for the null sender.
	Domain string
}

// Parse reads local@domain, or the bare word Postmaster. Errors are kinds.Invalid, and
// kinds.Limit for what is too long.
func Parse(s string) (Address, error) {
	if len(s) > MaxAddress {
		return Address{}, kinds.Errorf(kinds.Limit, "address: %d octets", len(s))
	}
	n, err := scanLocal(s)
	if err != nil {
		return Address{}, err
	}
	if n > MaxLocal && !rewritten(s) {
		return Address{}, kinds.Errorf(kinds.Limit, "address: local part of %d octets", n)
	}
	if n == len(s) {
		// RFC 5321, section 4.5.1: the reserved mailbox name "Postmaster" may be used in a RCPT command without domain qualification
		if strings.EqualFold(s, "postmaster") {
			return Address{Local: s}, nil
		}
		return Address{}, kinds.Errorf(kinds.Invalid, "address: no domain")
	}
	if s[n] != '@' {
		return Address{}, kinds.Errorf(kinds.Invalid, "address: unexpected character in the local part")
	}
	domain, err := ParseDomain(s[n+1:])
	if err != nil {
		return Address{}, err
	}
	a := Address{Local: s[:n], Domain: domain}
	if len(a.Local)+1+len(a.Domain) > MaxAddress {
		return Address{}, kinds.Errorf(kinds.Limit, "address: over %d octets in A-label form", MaxAddress)
	}
	return a, nil
}

// rewritten tells whether an address begins as those do that forwarders make.
// QUIRK: they hold a whole other address, so they are longer than a local part may be;
// who refuses them can't be told of the fate of what was forwarded.
func rewritten(s string) bool {
	s = strings.TrimPrefix(s, `"`)
	return len(s) > 4 && (strings.EqualFold(s[:4], "SRS0") || strings.EqualFold(s[:4], "SRS1"))
}

// scanLocal gives the length of the local part at the start of s.
func scanLocal(s string) (int, error) {
	if s == "" {
		return 0, kinds.Errorf(kinds.Invalid, "address: empty")
	}
	if s[0] == '"' {
		return scanQuoted(s)
	}
	i := 0
	for i < len(s) {
		r, w := utf8.DecodeRuneInString(s[i:])
		// QUIRK: dots may lead, end and double: addresses of docomo.ne.jp and
		// ezweb.ne.jp have them, and those people can't choose another.
		if r == utf8.RuneError && w == 1 || !(r == '.' || isAtext(r)) {
			break
		}
		i += w
	}
	if i == 0 {
		return 0, kinds.Errorf(kinds.Invalid, "address: no local part")
	}
	return i, nil
}

// scanQuoted gives the length of the quoted string at the start of s, quotes included.
func scanQuoted(s string) (int, error) {
	for i := 1; i < len(s); {
		r, w := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"':
			if i == 1 {
				return 0, kinds.Errorf(kinds.Invalid, "address: empty quoted local part")
			}
			return i + 1, nil
		case r == '\\' && i+1 < len(s):
			i++
			if s[i] < ' ' || s[i] > '~' {
				return 0, kinds.Errorf(kinds.Invalid, "address: bad quoted pair")
			}
			i++
		case r == utf8.RuneError && w == 1, r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0:
			return 0, kinds.Errorf(kinds.Invalid, "address: control character or broken UTF-8 in the local part")
		default:
			i += w
		}
	}
	return 0, kinds.Errorf(kinds.Invalid, "address: quote not closed")
}

func isAtext(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	case r < 0x80:
		return r > ' ' && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return r >= 0xa0
}

// ParseDomain brings a domain to its lower-case A-label form, and checks it. An address
// literal keeps its brackets. Errors are kinds.Invalid and kinds.Limit.
func ParseDomain(s string) (string, error) {
	if s == "" {
		return "", kinds.Errorf(kinds.Invalid, "address: empty domain")
	}
	if len(s) > MaxDomain {
		return "", kinds.Errorf(kinds.Limit, "address: domain of %d octets", len(s))
	}
	if s[0] == '[' {
		return parseLiteral(s)
	}
	d := strings.ToLower(s)
	if !isASCII(d) || strings.Contains(d, "xn--") {
		a, err := idna.Lookup.ToASCII(d)
		if err != nil {
			return "", kinds.Errorf(kinds.Invalid, "address: domain is no IDNA name: %w", err)
		}
		d = a
	}
	if len(d) > MaxDomain {
		return "", kinds.Errorf(kinds.Limit, "address: domain over %d octets in A-label form", MaxDomain)
	}
	for label := range strings.SplitSeq(d, ".") {
		if !validLabel(label) {
			return "", kinds.Errorf(kinds.Invalid, "address: bad label in domain")
		}
	}
	return d, nil
}

func validLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		c := l[i]
		// QUIRK: the underscore is no host name character, yet mail comes from such
		// hosts (Windows machine names).
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// parseLiteral recognises an address literal; it doesn't judge the address in it.
func parseLiteral(s string) (string, error) {
	if len(s) < 3 || s[len(s)-1] != ']' {
		return "", kinds.Errorf(kinds.Invalid, "address: literal not closed")
	}
	for i := 1; i < len(s)-1; i++ {
		// RFC 5321, section 4.1.3: dcontent = %d33-90 / %d94-126 ; Printable US-ASCII excl. "[", "\", "]"
		if c := s[i]; c < '!' || c > '~' || c == '[' || c == '\\' || c == ']' {
			return "", kinds.Errorf(kinds.Invalid, "address: bad character in literal")
		}
	}
	return strings.ToLower(s), nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// IsZero tells whether a is the null sender.
func (a Address) IsZero() bool { return a == Address{} }

// IsLiteral tells whether the domain is an address literal, such as [192.0.2.1].
func (a Address) IsLiteral() bool { return strings.HasPrefix(a.Domain, "[") }

// IsPostmaster tells whether the local part is postmaster, in any domain or none.
func (a Address) IsPostmaster() bool { return strings.EqualFold(a.Unquoted(), "postmaster") }

// NeedsUTF8 tells whether a can only be sent with SMTPUTF8.
func (a Address) NeedsUTF8() bool { return !isASCII(a.Local) }

// String is the address as it goes over the wire, without angle brackets.
func (a Address) String() string {
	if a.Domain == "" {
		return a.Local
	}
	return a.Local + "@" + a.Domain
}

// Unquoted is the local part without quotes and backslashes.
func (a Address) Unquoted() string {
	if len(a.Local) < 2 || a.Local[0] != '"' {
		return a.Local
	}
	in := a.Local[1 : len(a.Local)-1]
	if !strings.Contains(in, `\`) {
		return in
	}
	var b strings.Builder
	for i := 0; i < len(in); i++ {
		if in[i] == '\\' && i+1 < len(in) {
			i++
		}
		b.WriteByte(in[i])
	}
	return b.String()
}

// LocalKey is the local part as the directory knows it: unquoted, NFC, lower case.
func (a Address) LocalKey() string {
	l := a.Unquoted()
	if isASCII(l) {
		return strings.ToLower(l)
	}
	// Lower-casing may denormalise and normalising may not lower, so NFC comes last
	// and once more settles it.
	return norm.NFC.String(strings.ToLower(norm.NFC.String(l)))
}

// Key is the whole address as the directory knows it: LocalKey@Domain, or LocalKey
// alone where there is no domain. The last @ divides it.
func (a Address) Key() string {
	if a.Domain == "" {
		return a.LocalKey()
	}
	return a.LocalKey() + "@" + a.Domain
}

// Subaddress splits user+tag@domain into user@domain and tag, at the first plus sign.
// A local part without a plus, or with nothing before it, comes back as it is; ok tells
// whether it was split.
func (a Address) Subaddress() (base Address, tag string, ok bool) {
	l := a.Unquoted()
	i := strings.IndexByte(l, '+')
	if i <= 0 {
		return a, "", false
	}
	return Address{Local: quoteLocal(l[:i]), Domain: a.Domain}, l[i+1:], true
}

// quoteLocal puts quotes round an unquoted local part that needs them.
func quoteLocal(l string) string {
	if n, err := scanLocal(l); err == nil && n == len(l) && l[0] != '"' {
		return l
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(l) + `"`
}

// UnicodeDomain is the domain for the eyes of people: U-labels where they are valid.
func (a Address) UnicodeDomain() string {
	if !strings.Contains(a.Domain, "xn--") {
		return a.Domain
	}
	u, err := idna.Display.ToUnicode(a.Domain)
	if err != nil {
		return a.Domain
	}
	return u
}
