//go:build interop

package interop_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is an atom or string, or a list.
type node struct {
	text string
	list []node
	is   bool // a list
}

// scan reads what stands in a response, up to a closing parenthesis or the end.
func scan(s string) (list []node, rest string) {
	for {
		s = strings.TrimLeft(s, " ")
		switch {
		case s == "":
			return list, ""
		case s[0] == ')':
			return list, s[1:]
		case s[0] == '(':
			var sub []node
			sub, s = scan(s[1:])
			list = append(list, node{list: sub, is: true})
		case s[0] == '"':
			var b strings.Builder
			for s = s[1:]; s != "" && s[0] != '"'; s = s[1:] {
				if s[0] == '\\' && len(s) > 1 {
					s = s[1:]
				}
				b.WriteByte(s[0])
			}
			list, s = append(list, node{text: b.String()}), strings.TrimPrefix(s, `"`)
		default:
			if m := literal.FindStringSubmatch(s); m != nil {
				n, _ := strconv.Atoi(m[1])
				from := len(m[0])
				n = min(n, len(s)-from)
				list, s = append(list, node{text: s[from : from+n]}), s[from+n:]
				continue
			}
			i, depth := 0, 0
			for ; i < len(s); i++ {
				switch c := s[i]; {
				case c == '[':
					depth++
				case c == ']':
					depth--
				case depth == 0 && strings.IndexByte(" ()", c) >= 0:
				default:
					continue
				}
				if depth == 0 && s[i] != ']' {
					break
				}
			}
			list, s = append(list, node{text: s[:i]}), s[i:]
		}
	}
}

var literal = regexp.MustCompile(`^~?\{(\d+)\}\r\n`)

func (n node) String() string {
	if !n.is {
		if n.text == "" || strings.ContainsAny(n.text, " ()\r\n\"") {
			return strconv.Quote(n.text)
		}
		return n.text
	}
	parts := make([]string, len(n.list))
	for i, sub := range n.list {
		parts[i] = sub.String()
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// canonical gives responses as they can be compared: without texts for people and without
// numbers that each server chooses, in one spelling, one order where order says nothing;
// and without what differs everywhere, which differences.txt tells of.
func canonical(responses []string) string {
	var out []string
	sortable := len(responses) > 1
	for _, r := range responses {
		s := canonicalOne(r)
		if s == "" {
			continue
		}
		sortable = sortable && unordered.MatchString(s)
		out = append(out, s)
	}
	if sortable {
		slices.Sort(out)
	}
	return strings.Join(out, " | ")
}

// unordered are the responses to SELECT, LIST and LSUB, and how these end.
var unordered = regexp.MustCompile(`^(\* (FLAGS|\d+ EXISTS|OK|LIST|LSUB)|tag)\b`)

var (
	status   = regexp.MustCompile(`^(\S+) (OK|NO|BAD|BYE)(?: \[([^\]]*)\])?`)
	numbered = regexp.MustCompile(`^(UIDVALIDITY|APPENDUID|COPYUID) \d+|\b(UIDVALIDITY)=\d+`)
	section  = regexp.MustCompile(`[\[( ]"([^"]*)"`)
)

func canonicalOne(r string) string {
	if strings.HasPrefix(r, "+") {
		return "+"
	}
	if m := status.FindStringSubmatch(r); m != nil {
		return canonicalStatus(m[1], m[2], m[3])
	}
	rest, ok := strings.CutPrefix(r, "* ")
	if !ok {
		return r
	}
	list, _ := scan(rest)
	if len(list) == 0 {
		return r
	}
	name := list[0].text
	if len(list) > 1 && name != "" && name[0] >= '0' && name[0] <= '9' {
		name = list[1].text
	}
	switch strings.ToUpper(name) {
	case "CAPABILITY", "ID":
		return "* " + name
	case "RECENT":
		return ""
	case "FLAGS":
		set(list[1:])
	case "LIST", "LSUB":
		set(list[1:2])
	case "STATUS", "FETCH":
		pairs(&list[2])
	case "SEARCH", "SORT":
		for i, n := range list {
			if n.is {
				list[i] = node{text: "MODSEQ"}
			}
		}
	case "ESEARCH":
		if list[1].is {
			list = slices.Delete(list, 1, 2)
		}
		at := 1
		if len(list) > 1 && list[1].text == "UID" {
			at = 2
		}
		sub := node{is: true, list: list[at:]}
		pairs(&sub)
		list = append(list[:at:at], sub)
	}
	s := node{list: list, is: true}.String()
	return "* " + s[1:len(s)-1]
}

func canonicalStatus(tag, kind, code string) string {
	switch {
	case strings.HasPrefix(code, "CAPABILITY"):
		code = ""
	case strings.HasPrefix(code, "PERMANENTFLAGS"):
		list, _ := scan(strings.TrimPrefix(code, "PERMANENTFLAGS "))
		set(list)
		code = "PERMANENTFLAGS " + list[0].String()
	case strings.HasPrefix(code, "UNSEEN"), strings.HasPrefix(code, "HIGHESTMODSEQ"), strings.HasPrefix(code, "MAILBOXID"), strings.HasPrefix(code, "CLIENTBUG"):
		code = ""
	}
	code, _, _ = strings.Cut(code, " (US-ASCII")
	code = numbered.ReplaceAllString(code, "$1$2 n")
	if tag != "*" {
		tag = "tag"
	} else if kind == "OK" && code == "" {
		return ""
	}
	if code != "" {
		return tag + " " + kind + " [" + code + "]"
	}
	return tag + " " + kind
}

// agreed are the keywords that Godwit names in each mailbox.
var agreed = regexp.MustCompile(`^\$(forwarded|junk|mdnsent|notjunk|phishing)$`)

// set sorts the flags or attributes of a list.
func set(list []node) {
	for i := range list {
		keep := list[i].list[:0]
		for _, n := range list[i].list {
			n.text = strings.ToLower(n.text)
			if n.text != `\recent` && n.text != `\marked` && n.text != `\unmarked` && !agreed.MatchString(n.text) {
				keep = append(keep, n)
			}
		}
		slices.SortFunc(keep, func(a, b node) int { return strings.Compare(a.text, b.text) })
		list[i].list = keep
	}
}

// pairs sorts names with values.
func pairs(n *node) {
	type pair struct{ name, value node }
	var list []pair
	for i := 0; i+1 < len(n.list); i += 2 {
		p := pair{n.list[i], n.list[i+1]}
		p.name.text = strings.ToUpper(section.ReplaceAllStringFunc(p.name.text, func(s string) string { return strings.ReplaceAll(s, `"`, "") }))
		switch p.name.text {
		case "FLAGS":
			v := []node{p.value}
			set(v)
			p.value = v[0]
		case "MODSEQ", "HIGHESTMODSEQ", "UIDVALIDITY", "MAILBOXID", "SAVEDATE":
			p.value = node{text: "n"}
		case "BODY", "BODYSTRUCTURE":
			p.value = node{text: strings.ToLower(p.value.String())}
		case "INTERNALDATE":
			if at, err := time.Parse("_2-Jan-2006 15:04:05 -0700", p.value.text); err == nil {
				if p.value.text = at.UTC().Format(time.RFC3339); at.Year() > 2020 {
					p.value.text = "now"
				}
			}
		}
		list = append(list, p)
	}
	if !slices.ContainsFunc(list, func(p pair) bool { return !slices.Contains([]string{"UID", "FLAGS", "MODSEQ"}, p.name.text) }) {
		// The UID is told unasked by one and not by the other.
		list = slices.DeleteFunc(list, func(p pair) bool { return p.name.text == "UID" && len(list) > 1 })
	}
	slices.SortStableFunc(list, func(a, b pair) int { return strings.Compare(a.name.text, b.name.text) })
	n.list, n.is = nil, true
	for _, p := range list {
		n.list = append(n.list, p.name, p.value)
	}
}
