package service_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/world"
)

// tagged sends a command and gives its tagged response, without the tag.
func (s *session) tagged(t *testing.T, command string) string {
	t.Helper()
	if err := s.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s, "t "+command+"\r\n"); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if rest, ok := strings.CutPrefix(line, "t "); ok {
			return strings.TrimSuffix(rest, "\r\n")
		}
	}
}

// RFC 4314, section 4 has the rights that each command needs: without any of them it is refused,
// with no more than them it is done. Who may not look a mailbox up is told of none.
func TestCommandsNeedTheRightsOfRFC4314(t *testing.T) {
	w := world.New(t)
	login := func(user string) *session {
		return open(t, w, "imaps", "* OK", `a LOGIN `+user+` "`+world.Password+`"`, "a OK")
	}
	alice, bob := login(world.Alice), login(world.Bob)
	box := 0
	for _, c := range []struct {
		command  string
		selected bool
		need     string
	}{
		{"SELECT %s", false, "r"}, {"EXAMINE %s", false, "r"}, {"STATUS %s (MESSAGES)", false, "r"},
		{"CREATE %s/below", false, "k"}, {"DELETE %s", false, "x"},
		{"SETACL %s anyone l", false, "a"}, {"DELETEACL %s anyone", false, "a"}, {"GETACL %s", false, "a"}, {"LISTRIGHTS %s anyone", false, "a"},
		{"APPEND %s {1+}\r\nx", false, "i"}, {"GETQUOTAROOT %s", false, "r"},
		{"GETMETADATA %s /shared/comment", false, "r"}, {`SETMETADATA %s (/shared/comment "x")`, false, "w"},
		{"COPY 1 %s", true, "ri"}, {"MOVE 1 %s", true, "rite"}, {"MOVE 1 INBOX", true, "rte"}, {"EXPUNGE", true, "re"}, {"UID EXPUNGE 1", true, "re"},
		{`STORE 1 +FLAGS (\Seen)`, true, "rs"}, {`STORE 1 +FLAGS (\Deleted)`, true, "rt"}, {`STORE 1 -FLAGS (\Flagged)`, true, "rw"}, {`STORE 1 +FLAGS (word)`, true, "rw"},
		{"REPLACE 1 %s {1+}\r\nx", true, "rite"}, {"FETCH 1 BODY[]", true, "r"}, {"SEARCH ALL", true, "r"}, {"CLOSE", true, "r"},
	} {
		try := func(rights string) string {
			t.Helper()
			box++
			name := fmt.Sprint("box", box)
			for _, setup := range []string{"CREATE " + name, "APPEND " + name + ` (\Flagged) {1+}` + "\r\nx", "SETACL " + name + " anyone p"} {
				if got := alice.tagged(t, setup); !strings.HasPrefix(got, "OK") {
					t.Fatalf("%s: %s", setup, got)
				}
			}
			theirs := `"Other Users/alice/` + name + `"`
			command := c.command
			if strings.Contains(command, "%s") {
				command = strings.Replace(command, "%s", theirs, 1)
				command = strings.Replace(command, theirs+"/below", strings.TrimSuffix(theirs, `"`)+`/below"`, 1)
			}
			// It is selected while it may be read, and what is to be tried is tried then.
			first := rights
			if c.selected {
				first += "lr"
			}
			if got := alice.tagged(t, "SETACL "+name+` bob "`+first+`"`); !strings.HasPrefix(got, "OK") {
				t.Fatal(got)
			}
			if c.selected {
				if got := bob.tagged(t, "SELECT "+theirs); !strings.HasPrefix(got, "OK") {
					t.Fatal(got)
				}
			}
			got := bob.tagged(t, command)
			if c.selected {
				bob.tagged(t, "UNSELECT")
			}
			return got
		}
		if got := try("l" + c.need); !strings.HasPrefix(got, "OK") {
			t.Errorf("%s with l%s: %s", c.command, c.need, got)
		}
		for _, r := range c.need {
			left := strings.ReplaceAll("lrswipkxtea", string(r), "")
			if c.selected && r == 'r' {
				continue // selection ends, see scripts/sharing/lost.txt
			}
			if got := try(left); !strings.HasPrefix(got, "NO [NOPERM]") {
				t.Errorf("%s without %c: %s", c.command, r, got)
			}
			if c.selected {
				continue
			}
			if got := try(strings.ReplaceAll(left, "l", "")); !strings.HasPrefix(got, "NO [NONEXISTENT]") && !strings.HasPrefix(got, "NO [TRYCREATE]") {
				t.Errorf("%s without %c and l: %s", c.command, r, got)
			}
		}
	}
}
