package thread

import "strings"

// NormalID gives a message id, with or without its angle brackets, in the form in which it is
// compared: without brackets, comments' blanks and needless quotes. It is "" if it has no at
// sign with something on both sides, as no two such need mean the same message.
//
// RFC 5256, section 3: Implementations of the REFERENCES threading algorithm MUST normalize any msg-id in order to avoid false non-matches due to differences in quoting.
func NormalID(id string) string {
	id = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(id), "<"), ">")
	if strings.ContainsAny(id, " \t\r\n\"\\") {
		id = unquote(id)
	}
	if at := strings.LastIndexByte(id, '@'); at <= 0 || at == len(id)-1 {
		return ""
	}
	return id
}

// unquote takes the quotes out of an id, and what only they allow: the escapes. Blanks go
// where they aren't quoted.
func unquote(id string) string {
	b := make([]byte, 0, len(id))
	quoted := false
	for i := 0; i < len(id); i++ {
		c := id[i]
		switch {
		case c == '"':
			quoted = !quoted
			continue
		case c == '\\' && i+1 < len(id):
			i++
			c = id[i]
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			continue
		}
		b = append(b, c)
	}
	return string(b)
}
