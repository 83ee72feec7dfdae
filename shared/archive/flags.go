package archive

import (
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/header"
)

const (
	seen      = `\Seen`
	answered  = `\Answered`
	flagged   = `\Flagged`
	deleted   = `\Deleted`
	draft     = `\Draft`
	forwarded = "$Forwarded"
)

// systemFlags stand before keywords, in this order.
var systemFlags = [...]string{answered, deleted, draft, flagged, seen}

const maxFlags = 200 // of a message; what is more is left out

// sortedFlags gives flags in the order in which items have them, each once. Words that
// IMAP can't have as a flag are left out: \Recent, and what is no atom.
func sortedFlags(in []string) []string {
	var out, words []string
	for _, f := range systemFlags {
		if slices.ContainsFunc(in, func(g string) bool { return strings.EqualFold(f, g) }) {
			out = append(out, f)
		}
	}
	for _, w := range in {
		if isKeyword(w) && len(words) < maxFlags && !slices.ContainsFunc(words, func(g string) bool { return strings.EqualFold(g, w) }) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return append(out, words...)
}

// isKeyword tells whether w is an atom of IMAP.
// RFC 3501, section 9: atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials
func isKeyword(w string) bool {
	for i := range len(w) {
		if c := w[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("(){%*\"\\]", c) >= 0 {
			return false
		}
	}
	return w != "" && len(w) <= 100
}

// checkFlags fails on a flag that could not be read back.
func checkFlags(in []string) ([]string, error) {
	out := sortedFlags(in)
	for _, f := range in {
		if !slices.ContainsFunc(out, func(g string) bool { return strings.EqualFold(f, g) }) {
			return nil, kinds.Errorf(kinds.Invalid, "archive: %q is no flag", f)
		}
	}
	return out, nil
}

// statusFlags reads the flags that mail programs keep in the header of messages in mbox
// files: Status and X-Status (mutt, Dovecot, Pine), X-Keywords (Dovecot, UW), X-Mozilla-Status and
// X-Mozilla-Keys (Thunderbird).
func statusFlags(head []byte) []string {
	var flags []string
	add := func(on bool, f string) {
		if on {
			flags = append(flags, f)
		}
	}
	for f := range header.All(head) {
		switch {
		case f.Is("Status"):
			add(strings.Contains(f.Text(), "R"), seen)
		case f.Is("X-Status"):
			text := f.Text()
			add(strings.Contains(text, "A"), answered)
			add(strings.Contains(text, "F"), flagged)
			add(strings.Contains(text, "D"), deleted)
			add(strings.Contains(text, "T"), draft)
		case f.Is("X-Keywords"), f.Is("X-Mozilla-Keys"):
			flags = append(flags, strings.FieldsFunc(f.Text(), func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })...)
		case f.Is("X-Mozilla-Status"):
			bits, _ := strconv.ParseUint(f.Text(), 16, 16)
			add(bits&1 != 0, seen)
			add(bits&2 != 0, answered)
			add(bits&4 != 0, flagged)
			add(bits&8 != 0, deleted)
			add(bits&0x1000 != 0, forwarded)
		}
	}
	return sortedFlags(flags)
}

// statusFields writes the flags as statusFlags reads them.
func statusFields(flags []string) string {
	status, more, words := "O", "", ""
	for _, f := range flags {
		switch f {
		case seen:
			status = "RO"
		case answered:
			more += "A"
		case flagged:
			more += "F"
		case deleted:
			more += "D"
		case draft:
			more += "T"
		default:
			words += " " + f
		}
	}
	out := "Status: " + status + "\n"
	if more != "" {
		out += "X-Status: " + more + "\n"
	}
	if words != "" {
		out += "X-Keywords:" + words + "\n"
	}
	return out
}
