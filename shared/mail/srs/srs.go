// Package srs rewrites the reverse-path of mail that is sent on to another host, so that
// it names a domain for which that host may find us to be the sender (SPF), and finds from
// such a path where a notification goes back to: the Sender Rewriting Scheme, in the form
// that libsrs2 and postsrsd use.
//
//	SRS0=HASH=TT=DOMAIN=LOCAL@us           of LOCAL@DOMAIN
//	SRS1=HASH=OTHER==HASH=TT=DOMAIN=LOCAL@us  of what OTHER has rewritten before
//
// A path of another who rewrites is not wrapped again and again: SRS1 names the first.
package srs

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

const (
	// MaxAge is for how long a path leads back, in whole days.
	MaxAge = 21 * 24 * time.Hour
	// hashLength is in characters of base64. libsrs2 has four, which who tries a million finds.
	hashLength = 6
	base32     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	stamps     = 1024 // days after which they begin anew
	day        = 24 * 60 * 60
	separators = "=+-" // that others may use after the tag
)

// Scheme rewrites and finds back. Safe for concurrent use.
type Scheme struct {
	// Keys are secrets: by the first paths are made, by any they are known again.
	Keys [][]byte
}

// Rewrite gives the path at domain for mail of from. kinds.Invalid, kinds.Limit: it can't
// be written so, as that of an address literal or one that is too long.
func (s Scheme) Rewrite(from address.Address, domain string, now time.Time) (address.Address, error) {
	local, quoted := unquote(from.Local)
	var path string
	if other, rest, ok := guarded(local, from.Domain); ok {
		path = "SRS1=" + s.hash(s.Keys[0], other, rest) + "=" + other + "=" + rest
	} else {
		stamp := stampOf(now)
		path = "SRS0=" + s.hash(s.Keys[0], stamp, from.Domain, local) + "=" + stamp + "=" + from.Domain + "=" + local
	}
	if quoted {
		path = `"` + path + `"`
	}
	return address.Parse(path + "@" + domain)
}

// guarded tells of a path that another has rewritten who was the first to do so, and what
// he put after SRS0.
func guarded(local, domain string) (other, rest string, ok bool) {
	switch tag(local) {
	case "SRS0":
		return domain, local[4:], true
	case "SRS1":
		_, rest, ok = strings.Cut(local[5:], "=")
		other, rest, _ = strings.Cut(rest, "=")
		if d, err := address.ParseDomain(other); ok && err == nil && d[0] != '[' && begins(rest) {
			return other, rest, true
		}
	}
	return "", "", false
}

// begins tells whether s can stand after SRS0.
func begins(s string) bool { return s != "" && strings.IndexByte(separators, s[0]) >= 0 }

// Is tells whether a local part looks like one that was rewritten, by whomever.
func Is(local string) bool {
	local, _ = unquote(local)
	return tag(local) != ""
}

func tag(local string) string {
	if len(local) < 6 || strings.IndexByte(separators, local[4]) < 0 {
		return ""
	}
	if t := strings.ToUpper(local[:4]); t == "SRS0" || t == "SRS1" {
		return t
	}
	return ""
}

// Restore gives the address to which a local part that we have made leads back. Others may
// have changed its case. kinds.Invalid: we have not made it; kinds.Closed: it was made too
// long ago.
func (s Scheme) Restore(local string, now time.Time) (address.Address, error) {
	local, quoted := unquote(local)
	back, domain := "", ""
	switch tag(local) {
	case "SRS0":
		part := strings.SplitN(local[5:], "=", 4)
		if len(part) < 4 || !s.made(part[0], part[1], part[2], part[3]) {
			return address.Address{}, notOurs()
		}
		if !fresh(part[1], now) {
			return address.Address{}, kinds.Errorf(kinds.Closed, "srs: the path is too old")
		}
		domain, back = part[2], part[3]
	case "SRS1":
		part := strings.SplitN(local[5:], "=", 3)
		if len(part) < 3 || !begins(part[2]) || !s.made(part[0], part[1], part[2]) {
			return address.Address{}, notOurs()
		}
		domain, back = part[1], "SRS0"+part[2]
	default:
		return address.Address{}, notOurs()
	}
	if quoted {
		back = `"` + back + `"`
	}
	a, err := address.Parse(back + "@" + domain)
	if err != nil || a.Domain == "" || a.IsLiteral() {
		return address.Address{}, notOurs()
	}
	return a, nil
}

func notOurs() error { return kinds.Errorf(kinds.Invalid, "srs: not a path of ours") }

// unquote takes the quotes off a local part. What is in them keeps its backslashes.
func unquote(local string) (in string, quoted bool) {
	if len(local) >= 2 && local[0] == '"' && local[len(local)-1] == '"' {
		return local[1 : len(local)-1], true
	}
	return local, false
}

func (s Scheme) made(hash string, parts ...string) bool {
	found := 0
	for _, key := range s.Keys {
		found |= subtle.ConstantTimeCompare([]byte(lower(hash)), []byte(lower(s.hash(key, parts...))))
	}
	return found == 1
}

// hash is the beginning of an HMAC-SHA1 of the parts in lower case: hosts on the way may
// change the case of a local part.
func (s Scheme) hash(key []byte, parts ...string) string {
	h := hmac.New(sha1.New, key)
	for _, p := range parts {
		h.Write([]byte(lower(p)))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))[:hashLength]
}

// lower changes letters of ASCII only.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// stampOf is the day, two characters that come again after 1024 days.
func stampOf(now time.Time) string {
	n := now.Unix() / day % stamps
	return string([]byte{base32[n>>5], base32[n&31]})
}

// fresh tells whether a stamp is of today or of the days before.
func fresh(stamp string, now time.Time) bool {
	if len(stamp) != 2 {
		return false
	}
	stamp = strings.ToUpper(stamp)
	high, low := strings.IndexByte(base32, stamp[0]), strings.IndexByte(base32, stamp[1])
	if high < 0 || low < 0 {
		return false
	}
	// A day ahead is of who has a clock that is.
	age := (now.Unix()/day - int64(high<<5|low) + 1) % stamps
	return age >= 0 && age <= int64(MaxAge.Hours())/24+1
}
