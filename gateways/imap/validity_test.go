package imap

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var (
	validityCode = regexp.MustCompile(`^\* OK \[UIDVALIDITY (\d+)\]`)
	bodyLine     = regexp.MustCompile(`^\* \d+ FETCH \(UID (\d+) BODY\[\] \{\d+\}$`)
)

// messages gives the texts in a mailbox by what a client keeps them under; nil: there is none.
func (r *raw) messages(name string) map[string]string {
	found, validity, uid := map[string]string{}, "", ""
	for _, line := range r.ask("s", "EXAMINE "+name) {
		if v := validityCode.FindStringSubmatch(line); v != nil {
			validity = v[1]
		}
	}
	if validity == "" {
		return nil
	}
	for _, line := range r.ask("f", "FETCH 1:* (UID BODY.PEEK[])") {
		if b := bodyLine.FindStringSubmatch(line); b != nil {
			uid = b[1]
		} else if text, ok := strings.CutSuffix(line, ")"); ok && uid != "" {
			found[name+" "+validity+" "+uid] = text
			uid = ""
		}
	}
	r.ask("u", "UNSELECT")
	return found
}

// Sessions make, delete and rename mailboxes as they like. What a client keeps under a name, a
// UIDVALIDITY and a UID is never another message, whatever has had the name since.
//
// RFC 9051, section 2.3.1.1: the combination of mailbox name, UIDVALIDITY, and UID must refer to a single, immutable message on that server forever.
func TestANameAndAValidityAndAUIDAreOneMessageForever(t *testing.T) {
	names := []string{"a", "b", "a/x", "INBOX"}
	for seed := range uint64(4) {
		w := newWorld(t)
		rnd := rand.New(rand.NewPCG(seed, 8))
		list := []*raw{w.raw(true), w.raw(true)}
		known := map[string]string{}
		var trace []string
		made := 0
		for i := range 80 {
			r, name, other := list[rnd.IntN(2)], names[rnd.IntN(len(names))], names[rnd.IntN(len(names)-1)]
			command := ""
			switch rnd.IntN(6) {
			case 0:
				command = "CREATE " + name
			case 1:
				command = "DELETE " + name
			case 2:
				command = "RENAME " + name + " " + other
			case 3:
				r.ask("s", "SELECT "+name)
				command = "MOVE 1 " + other
			default:
				text := fmt.Sprintf("message %d", i)
				command = fmt.Sprintf("APPEND %s {%d+}\r\n%s", name, len(text), text)
			}
			answer := r.ask("o", command)
			trace = append(trace, command+": "+answer[len(answer)-1])
			r.ask("u", "UNSELECT")
			if strings.HasPrefix(answer[len(answer)-1], "o OK") {
				made++
			}
			for _, name := range names {
				for key, text := range list[rnd.IntN(2)].messages(name) {
					if was, ok := known[key]; ok && was != text {
						t.Fatalf("seed %d: %s was %q and is %q\n%s", seed, key, was, text, strings.Join(trace, "\n"))
					}
					known[key] = text
				}
			}
		}
		if made < 30 || len(known) < 20 {
			t.Errorf("seed %d: %d commands were answered OK, %d messages seen", seed, made, len(known))
		}
	}
}
