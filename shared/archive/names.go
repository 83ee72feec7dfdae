package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	inbox   = "INBOX"
	maxName = 4000 // bytes of a mailbox name
)

func isControl(r rune) bool { return unicode.IsControl(r) }

// checkName fails for a mailbox that can't be written.
func checkName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError) || strings.ContainsFunc(name, isControl) || strings.Count(name, "/") >= maxDepth {
		return kinds.Errorf(kinds.Invalid, "archive: %.100q is no name of a mailbox", name)
	}
	for level := range strings.SplitSeq(name, "/") {
		if level == "" {
			return kinds.Errorf(kinds.Invalid, "archive: %.100q has an empty level", name)
		}
	}
	return nil
}

// mailboxName puts levels together. INBOX is in capitals.
//
// RFC 9051, section 5.1: The case-insensitive mailbox name INBOX is a special name
// reserved to mean "the primary mailbox for this user on this server".
func mailboxName(levels []string) string {
	var b strings.Builder
	for i, level := range levels {
		if i > 0 {
			b.WriteByte('/')
		} else if strings.EqualFold(level, inbox) {
			level = inbox
		}
		b.WriteString(level)
	}
	return b.String()
}

// canonical gives a mailbox's name as items have it.
func canonical(name string) string { return mailboxName(strings.Split(name, "/")) }

// clean makes a level of what a file's name says: UTF-8 (other octets are taken as
// Windows-1252), without controls and separators. It may be empty.
func clean(level string) string {
	if !utf8.ValidString(level) {
		level, _ = charmap.Windows1252.NewDecoder().String(level)
	}
	return strings.Map(func(r rune) rune {
		if r == '/' || r == utf8.RuneError || isControl(r) {
			return '_'
		}
		return r
	}, level)
}

// reserved are names that a file can't have on Windows.
var reserved = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true, "com1": true, "com2": true, "com3": true,
	"com4": true, "com5": true, "com6": true, "com7": true, "com8": true, "com9": true, "lpt1": true, "lpt2": true, "lpt3": true,
	"lpt4": true, "lpt5": true, "lpt6": true, "lpt7": true, "lpt8": true, "lpt9": true,
	// These make a folder look like a Maildir.
	"cur": true, "new": true, "tmp": true}

// escape makes a file name of a level, for any system. What it can't hold becomes %XX.
func escape(level string) string {
	const hexDigits = "0123456789ABCDEF"
	first := level
	if dot := strings.IndexByte(level, '.'); dot >= 0 {
		first = level[:dot]
	}
	odd := reserved[strings.ToLower(strings.TrimRight(first, " "))]
	suffix := len(level)
	for _, s := range []string{".mbox", ".eml", ".jsonl", ".sbd", ".msf"} {
		if len(level) >= len(s) && strings.EqualFold(level[len(level)-len(s):], s) {
			suffix = len(level) - len(s)
		}
	}
	var b strings.Builder
	for i := range len(level) {
		c := level[i]
		end := i == 0 || i == len(level)-1
		if c < ' ' || c == 0x7f || strings.IndexByte(`<>:"/\|?*%`, c) >= 0 || end && (c == '.' || c == ' ') || i == 0 && (c == '~' || odd) || i == suffix {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape undoes escape, also of names that other programs made. A name in which not
// every "%" can be undone is left as it is.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			b.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return name
		}
		c, err := hex.DecodeString(name[i+1 : i+3])
		if err != nil || c[0] == '/' {
			return name
		}
		b.WriteByte(c[0])
		i += 2
	}
	return b.String()
}

// layout gives each mailbox a path, no two the same on any file system.
type layout struct {
	taken map[string]string // lower case to the path as it is; also of the folders above
	paths map[string]string // mailbox to path
}

func newLayout() layout { return layout{map[string]string{}, map[string]string{}} }

const (
	longestLevel = 200 // bytes of a file's name, which may be 255 with what is added
	longestPath  = 800
)

// path gives a mailbox's path, and whether its name can be read back from it.
func (l *layout) path(mailbox string) (path string, plain bool) {
	if p, ok := l.paths[mailbox]; ok {
		return p, !strings.HasPrefix(p, "~")
	}
	levels := strings.Split(mailbox, "/")
	for i, level := range levels {
		levels[i] = escape(level)
		plain = (i == 0 || plain) && len(levels[i]) <= longestLevel
	}
	path = strings.Join(levels, "/")
	plain = plain && len(path) <= longestPath
	for i := 1; i <= len(levels) && plain; i++ {
		prefix := strings.Join(levels[:i], "/")
		other, ok := l.taken[strings.ToLower(prefix)]
		plain = !ok || other == prefix
	}
	if plain {
		for i := 1; i <= len(levels); i++ {
			prefix := strings.Join(levels[:i], "/")
			l.taken[strings.ToLower(prefix)] = prefix
		}
	} else {
		path = hashed(mailbox)
	}
	l.paths[mailbox] = path
	return path, plain
}

// hashed names a mailbox whose name does not fit.
func hashed(mailbox string) string {
	sum := sha256.Sum256([]byte(mailbox))
	return "~" + hex.EncodeToString(sum[:12])
}
