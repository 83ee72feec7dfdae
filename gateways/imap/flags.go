package imap

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
)

// systemFlags are the system flags, in the order of their bits. \Recent is no more.
//
// RFC 9051, section 2.3.2: \Recent: This flag was in use in IMAP4rev1 and is now deprecated.
func systemFlags() []imap.Flag {
	return []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}
}

// flagsOf gives a message's flags and keywords.
func flagsOf(m *account.Message) []imap.Flag {
	list := make([]imap.Flag, 0, 2+len(m.Words))
	for i, f := range systemFlags() {
		if m.Flags&(1<<i) != 0 {
			list = append(list, f)
		}
	}
	for _, w := range m.Words {
		list = append(list, imap.Flag(w))
	}
	return list
}

// mailboxFlags gives the flags that may occur in a mailbox.
func mailboxFlags(m *account.Mailbox) []imap.Flag {
	list := systemFlags()
	for _, w := range m.Keywords {
		list = append(list, imap.Flag(w))
	}
	return list
}

// parseFlags sorts flags into system flags and keywords. \Recent can't be set, but some
// clients send back what older servers gave them.
func parseFlags(list []imap.Flag) (flags account.Flags, words []string, err error) {
next:
	for _, f := range list {
		for i, system := range systemFlags() {
			if strings.EqualFold(string(f), string(system)) {
				flags |= 1 << i
				continue next
			}
		}
		switch {
		case strings.EqualFold(string(f), `\Recent`):
		case strings.HasPrefix(string(f), `\`):
			return 0, nil, bad("No such system flag")
		case account.CheckKeyword(string(f)) != nil:
			return 0, nil, no(imap.ResponseCodeLimit, "This can't be a keyword")
		default:
			words = append(words, string(f))
		}
	}
	return flags, words, nil
}

// hasFlag tells whether a message has a flag or keyword, whatever its case.
func hasFlag(m *account.Message, f imap.Flag) bool {
	for i, system := range systemFlags() {
		if strings.EqualFold(string(f), string(system)) {
			return m.Flags&(1<<i) != 0
		}
	}
	for _, w := range m.Words {
		if strings.EqualFold(w, string(f)) {
			return true
		}
	}
	return false
}
