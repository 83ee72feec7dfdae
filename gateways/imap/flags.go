package imap

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// systemFlag names the system flags, in the order of their bits; "" behind the last.
// \Recent is no more.
//
// RFC 9051, section 2.3.2: \Recent: This flag was in use in IMAP4rev1 and is now deprecated.
func systemFlag(i int) string {
	switch i {
	case 0:
		return `\Seen`
	case 1:
		return `\Answered`
	case 2:
		return `\Flagged`
	case 3:
		return `\Deleted`
	case 4:
		return `\Draft`
	}
	return ""
}

// systemFlagOf gives the bit of a system flag, 0 if it is none.
func systemFlagOf(name string) account.Flags {
	for i := 0; systemFlag(i) != ""; i++ {
		if strings.EqualFold(name, systemFlag(i)) {
			return 1 << i
		}
	}
	return 0
}

// writeFlagsOf writes a message's flags and keywords.
func writeFlagsOf(w *wire.Writer, m *account.Message) {
	sep := "("
	for i := 0; systemFlag(i) != ""; i++ {
		if m.Flags&(1<<i) != 0 {
			w.Raw(sep).Raw(systemFlag(i))
			sep = " "
		}
	}
	for _, word := range m.Words {
		w.Raw(sep).Raw(word)
		sep = " "
	}
	if sep == "(" {
		w.Raw(sep)
	}
	w.Raw(")")
}

const allSystemFlags = `\Seen \Answered \Flagged \Deleted \Draft`

// keywords gives those of a mailbox, and the ones of RFC 9051, section 2.3.2, for which there
// is room.
func keywords(m *account.Mailbox) []string {
	list := slices.Clone(m.Keywords)
	for _, known := range [...]string{"$Forwarded", "$MDNSent", "$Junk", "$NotJunk", "$Phishing"} {
		if len(list) < account.MaxKeywords && !slices.ContainsFunc(m.Keywords, func(w string) bool { return strings.EqualFold(w, known) }) {
			list = append(list, known)
		}
	}
	return list
}

// writeFlags writes the flags that may occur in a mailbox.
func (s *session) writeFlags(m *account.Mailbox) {
	w := s.w().Raw("* FLAGS (" + allSystemFlags)
	for _, word := range keywords(m) {
		w.Raw(" ").Raw(word)
	}
	w.Raw(")\r\n")
}

// parseFlags sorts flags into system flags and keywords. \Recent can't be set, but some
// clients send back what older servers gave them.
func parseFlags(list []string) (flags account.Flags, words []string, err error) {
	for _, f := range list {
		bit := systemFlagOf(f)
		switch {
		case bit != 0:
			flags |= bit
		case strings.EqualFold(f, `\Recent`):
		case strings.HasPrefix(f, `\`):
			return 0, nil, bad("No such system flag")
		case account.CheckKeyword(f) != nil:
			return 0, nil, no(imap.ResponseCodeLimit, "This can't be a keyword")
		default:
			words = append(words, f)
		}
	}
	return flags, words, nil
}

// hasWord tells whether a message has a keyword, whatever its case.
func hasWord(m *account.Message, word string) bool {
	for _, w := range m.Words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}
