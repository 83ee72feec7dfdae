package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const inboxName = "INBOX"

// canonical gives a name as it is kept: INBOX is INBOX in any case.
// RFC 9051, section 5.1: The case-insensitive mailbox name INBOX is a special name
// reserved to mean "the primary mailbox for this user on this server".
func canonical(name string) string {
	if strings.EqualFold(name, inboxName) {
		return inboxName
	}
	if len(name) > len(inboxName) && name[len(inboxName)] == '/' && strings.EqualFold(name[:len(inboxName)], inboxName) {
		return inboxName + name[len(inboxName):]
	}
	return name
}

// CheckName gives the name as it is kept: Unicode NFC, INBOX in capitals, no separator
// at its end. kinds.Invalid for a name that no mailbox may have, kinds.Limit for one
// that is too long or too deep.
func CheckName(name string) (string, error) {
	if len(name) > 2*MaxMailboxName {
		return "", kinds.Errorf(kinds.Limit, "account: a mailbox name of %d bytes", len(name))
	}
	if !utf8.ValidString(name) {
		return "", kinds.Errorf(kinds.Invalid, "account: a mailbox name that is no UTF-8")
	}
	name = canonical(norm.NFC.String(strings.TrimSuffix(name, "/")))
	levels := strings.Split(name, "/")
	switch {
	case len(name) > MaxMailboxName:
		return "", kinds.Errorf(kinds.Limit, "account: a mailbox name of %d bytes", len(name))
	case len(levels) > MaxMailboxDepth:
		return "", kinds.Errorf(kinds.Limit, "account: a mailbox name of %d levels", len(levels))
	}
	for _, level := range levels {
		if level == "" {
			return "", kinds.Errorf(kinds.Invalid, "account: a mailbox name with an empty level")
		}
	}
	for _, r := range name {
		// Controls and the line separators are no text for people, and the wildcards of
		// LIST would name more than this mailbox.
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError || r == '*' || r == '%' {
			return "", kinds.Errorf(kinds.Invalid, "account: a mailbox name with character %U", r)
		}
	}
	return name, nil
}

// CheckKeyword fails unless the word may be a keyword: an atom of IMAP, no system flag.
func CheckKeyword(word string) error {
	if word == "" || len(word) > MaxKeyword {
		return kinds.Errorf(kinds.Limit, "account: a keyword of %d bytes", len(word))
	}
	for i := range len(word) {
		if c := word[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("(){%*\"\\]", c) >= 0 {
			return kinds.Errorf(kinds.Invalid, "account: a keyword with byte %#x", c)
		}
	}
	return nil
}
