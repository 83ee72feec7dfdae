package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

// DecodeText gives raw header text for people: encoded words (RFC 2047) decoded, as far
// as they can be, and valid UTF-8.
func DecodeText(raw string) string {
	if strings.Contains(raw, "=?") {
		d := mime.WordDecoder{CharsetReader: charset.Reader}
		if t, err := d.DecodeHeader(raw); err == nil {
			return validUTF8(t)
		}
	}
	return guessUTF8(raw)
}

// guessUTF8 takes raw 8-bit text for UTF-8, and for Latin-1 if it isn't.
func guessUTF8(s string) string {
	t, err := toUTF8([]byte(s), "")
	if err != nil {
		return validUTF8(s)
	}
	return t
}

// toUTF8 converts text of a charset; without one it is UTF-8 or else windows-1252.
func toUTF8(b []byte, cs string) (string, error) {
	cs = lower(strings.Trim(cs, " '\""))
	if cs == "" || cs == "us-ascii" || cs == "ascii" || cs == "utf-8" || cs == "utf8" {
		// The text may be cut in the middle of a character.
		for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
			if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) && utf8.Valid(b[:len(b)-i]) {
					b = b[:len(b)-i]
				}
				break
			}
		}
		if v := string(b); validUTF8(v) == v || strings.HasPrefix(cs, "utf") {
			return validUTF8(v), nil
		}
		cs = "windows-1252"
	}
	r, err := charset.Reader(cs, bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	// An error in the middle leaves what was before it, which is what can be said.
	t, _ := io.ReadAll(r)
	return validUTF8(string(t)), nil
}

// decodeText gives the text at the beginning of the part's body, of which raw is a piece.
func (p *Part) decodeText(raw []byte) string {
	var r io.Reader = bytes.NewReader(raw)
	switch p.Encoding {
	case "quoted-printable":
		if i := bytes.LastIndexByte(raw, '='); i >= 0 && i > len(raw)-3 {
			r = bytes.NewReader(raw[:i]) // an escape that is cut
		}
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(onlyBase64(raw)))
	}
	// Broken encoding: what came before the break.
	text, _ := io.ReadAll(r)
	t, err := toUTF8(text, p.Param("charset"))
	if err != nil { // unknown charset: most share ASCII
		return validUTF8(string(text))
	}
	return t
}

// onlyBase64 leaves out all that isn't of the alphabet, as RFC 2045, section 6.8 has it,
// and what comes after the padding or can't be decoded.
func onlyBase64(raw []byte) []byte {
	out := raw[:0:0]
	for _, c := range raw {
		if c == '=' {
			break
		}
		if isLetter(c) || '0' <= c && c <= '9' || c == '+' || c == '/' {
			out = append(out, c)
		}
	}
	switch len(out) % 4 {
	case 1:
		out = out[:len(out)-1]
	case 2:
		out = append(out, "=="...)
	case 3:
		out = append(out, '=')
	}
	return out
}
