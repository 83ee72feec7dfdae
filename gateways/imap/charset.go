package imap

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-message/charset"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
)

// charsets are those in which a client may say what it looks for.
func charsets() []string {
	return []string{"US-ASCII", "UTF-8", "ISO-8859-1", "ISO-8859-2", "ISO-8859-3", "ISO-8859-4", "ISO-8859-5", "ISO-8859-6", "ISO-8859-7",
		"ISO-8859-8", "ISO-8859-10", "ISO-8859-13", "ISO-8859-14", "ISO-8859-15", "ISO-8859-16", "WINDOWS-1250", "WINDOWS-1251",
		"WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255", "WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258", "KOI8-R",
		"KOI8-U", "BIG5", "EUC-JP", "EUC-KR", "GB2312", "GB18030", "GBK", "ISO-2022-JP", "SHIFT_JIS"}
}

// parseCharset reads the name of a charset.
//
// RFC 9051, section 6.4.4: If the server does not support the specified [CHARSET], it MUST return a tagged NO response (not a BAD). This response SHOULD contain the BADCHARSET response code
func parseCharset(cmd *command) string {
	name := strings.ToUpper(cmd.AString())
	if cmd.Err() == nil && !slices.Contains(charsets(), name) {
		cmd.Fail(badCharset("This charset is not known"))
	}
	return name
}

func badCharset(why string) error {
	return no(imap.ResponseCode("BADCHARSET ("+strings.Join(charsets(), " ")+")"), why)
}

// textIn reads a text that is looked for, in the charset of the command.
func (p *searchParser) textIn() string {
	s := p.AString()
	switch p.charset {
	case "", "US-ASCII", "UTF-8":
		if !utf8.ValidString(s) {
			p.Fail(wire.SyntaxError("A text is not in its charset"))
		}
		return s
	}
	r, err := charset.Reader(p.charset, strings.NewReader(s))
	if err != nil {
		p.Fail(badCharset("This charset can't be read"))
		return ""
	}
	b, err := io.ReadAll(r)
	if err != nil {
		p.Fail(wire.SyntaxError("A text is not in its charset"))
	}
	return string(b)
}
