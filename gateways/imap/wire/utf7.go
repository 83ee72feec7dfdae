package wire

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// RFC 3501, section 5.1.3: "," is used instead of "/".
var utf7Base64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// EncodeUTF7 writes a mailbox name as IMAP4rev1 has it.
//
// RFC 3501, section 5.1.3: In modified UTF-7, printable US-ASCII characters, except for
// "&", represent themselves; that is, characters with octet values 0x20-0x25 and
// 0x27-0x7e. The character "&" (0x26) is represented by the two-octet sequence "&-".
func EncodeUTF7(s string) string {
	var b strings.Builder
	for s != "" {
		plain := strings.IndexFunc(s, func(r rune) bool { return !printable(r) || r == '&' })
		if plain < 0 {
			plain = len(s)
		}
		b.WriteString(s[:plain])
		if s = s[plain:]; s == "" {
			break
		}
		if s[0] == '&' {
			b.WriteString("&-")
			s = s[1:]
			continue
		}
		n := strings.IndexFunc(s, printable)
		if n < 0 {
			n = len(s)
		}
		var octets []byte
		for _, u := range utf16.Encode([]rune(s[:n])) {
			octets = append(octets, byte(u>>8), byte(u))
		}
		b.WriteByte('&')
		b.WriteString(utf7Base64.EncodeToString(octets))
		b.WriteByte('-')
		s = s[n:]
	}
	return b.String()
}

func printable(r rune) bool { return 0x20 <= r && r <= 0x7e }

// DecodeUTF7 reads a mailbox name; ok is false if it is not in modified UTF-7.
//
// QUIRK: characters that are not ASCII are taken as they are: go-imap's client writes so to
// any server that has IMAP4rev2, before it has enabled it.
//
// QUIRK: BASE64 of printable characters is taken, although "Modified BASE64 MUST NOT be
// used to represent any printing US-ASCII character which can represent itself": some
// servers wrote folders so, and no other name is meant.
func DecodeUTF7(s string) (name string, ok bool) {
	var b strings.Builder
	for s != "" {
		if s[0] != '&' {
			if s[0] < utf8.RuneSelf && !printable(rune(s[0])) {
				return "", false
			}
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		n := strings.IndexByte(s, '-')
		switch {
		case n < 0:
			return "", false
		case n == 1:
			b.WriteByte('&')
		default:
			octets, err := utf7Base64.DecodeString(s[1:n])
			if err != nil || len(octets)%2 != 0 {
				return "", false
			}
			units := make([]uint16, len(octets)/2)
			for i := range units {
				units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
			}
			for _, r := range utf16.Decode(units) {
				if r == utf8.RuneError { // also half a surrogate pair
					return "", false
				}
				b.WriteRune(r)
			}
		}
		s = s[n+1:]
	}
	return b.String(), utf8.ValidString(b.String())
}
