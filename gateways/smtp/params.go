package smtp

import (
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/dsn"
)

// cutKeyword takes a keyword such as "FROM:" off the start of args, without regard to case.
// QUIRK: a space after the colon is taken; Windows' and many devices' mailers send one.
func cutKeyword(args, keyword string) (rest string, ok bool) {
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return "", false
	}
	return strings.TrimLeft(args[len(keyword):], " "), true
}

// maxParams is how many parameters MAIL may have.
const maxParams = 20

// params are what MAIL said beside the sender.
type params struct {
	size     int64 // announced, 0 if it wasn't
	utf8     bool
	eightBit bool
	needsTLS bool   // REQUIRETLS
	ret      string // RET, "" if it wasn't given
	envID    string // ENVID, likewise
}

// parseParams reads the parameters of MAIL. What is wrong with them is in the reply.
func parseParams(s string, maxSize int64) (p params, bad *reply) {
	if s != "" && s[0] != ' ' {
		return p, &syntax
	}
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(s) {
		key, value, has := strings.Cut(word, "=")
		key = strings.ToUpper(key)
		if seen[key] || len(seen) >= maxParams {
			return p, &syntax
		}
		seen[key] = true
		switch key {
		case "SIZE":
			// RFC 1870, section 4: size-value ::= 1*20DIGIT
			n, err := strconv.ParseUint(value, 10, 64)
			if len(value) > 20 || err != nil && !isDigits(value) {
				return p, &syntax
			}
			if err != nil || n > uint64(maxSize) {
				return p, &tooLarge
			}
			p.size = int64(n)
		case "BODY":
			v := strings.ToUpper(value)
			if v != "7BIT" && v != "8BITMIME" {
				return p, &syntax
			}
			p.eightBit = v == "8BITMIME"
		case "SMTPUTF8":
			if has {
				return p, &syntax
			}
			p.utf8 = true
		case "REQUIRETLS":
			// RFC 8689, section 2: the parameter has no value
			if has {
				return p, &syntax
			}
			p.needsTLS = true
		case "RET":
			var err error
			if p.ret, err = dsn.ParseReturn(value); err != nil {
				return p, &syntax
			}
		case "ENVID":
			if dsn.CheckEnvID(value) != nil {
				return p, &syntax
			}
			p.envID = value
		case "AUTH":
			// Taken from anybody, believed from nobody (RFC 4954, section 5).
			if value == "" {
				return p, &syntax
			}
		default:
			return p, &badParameter
		}
	}
	return p, nil
}

// wish is what RCPT said beside the recipient: what its sender wants to be told.
type wish struct {
	notify string // NOTIFY, "" if it wasn't given
	origin string // ORCPT, likewise
}

// parseWish reads the parameters of RCPT.
func parseWish(s string, utf8 bool) (w wish, bad *reply) {
	if s != "" && s[0] != ' ' {
		return w, &syntax
	}
	for word := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key = strings.ToUpper(key); {
		case key == "NOTIFY" && w.notify == "":
			w.notify, err = dsn.ParseNotify(value)
		case key == "ORCPT" && w.origin == "":
			err = dsn.CheckOrigin(value, utf8)
			w.origin = value
		case key == "NOTIFY" || key == "ORCPT":
			return w, &syntax
		default:
			return w, &badParameter
		}
		if err != nil {
			return w, &syntax
		}
	}
	return w, nil
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
