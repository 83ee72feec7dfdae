//go:build interop

// Package interop_test plays the scripts of IMAP against Debian's Dovecot too, and holds
// what it answers against what Godwit does.
package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

func TestMain(m *testing.M) { world.Main(m) }

// differences.txt holds what is known to differ, a line each, with tabs between:
//
//	SCRIPT COMMAND REASON DOVECOT
//
// COMMAND is the line of the script. DOVECOT is what Dovecot answers, as canonical has it,
// at most 200 octets. With * for COMMAND it is an extension that Dovecot does not have, and
// the script is of no use there.
// REASON is a word that a line "REASON: who is right, and why" explains, or several with commas
// between.
func TestDovecotAnswersAsWeDoButForWhatIsListed(t *testing.T) {
	reasons, listed := readDifferences(t)
	w := world.Start(t, world.Config{})
	theirs := startDovecot(t, w)
	scripts, err := filepath.Glob("../scripts/imap/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts")
	}
	extensions := capabilities(t, theirs)
	var found []string
	for _, path := range scripts {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		if extension, whole := listed[name+"\t*"]; whole {
			if !slices.Contains(extensions, extension) {
				found = append(found, name+"\t*")
			}
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range compare(t, w, theirs, name, string(text)) {
			key := name + "\t" + d.said
			found = append(found, key)
			if theirs, ok := listed[key]; !ok || theirs != d.theirs {
				t.Errorf("not listed:\n%s\tREASON\t%s\nours: %s", key, d.theirs, d.ours)
			}
		}
	}
	for key := range listed {
		if !slices.Contains(found, key) {
			t.Errorf("listed, but there is no such difference any more: %s", key)
		}
	}
	t.Logf("%d differences for %d reasons in %d scripts", len(listed), len(reasons), len(scripts))
}

// capabilities are what Dovecot has after a login.
func capabilities(t *testing.T, theirs dialog.World) []string {
	t.Helper()
	theirs.Vars = map[string]string{"password": password}
	said, err := dialog.Record("capability", "c: tls_connect imaps\n-> a LOGIN somebody ${password}\n<... a OK\n-> b CAPABILITY\n<... b OK", theirs)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(said[len(said)-1].Responses[0])
}

type difference struct{ said, ours, theirs string }

// compare plays a script with a new user against both.
func compare(t *testing.T, w *world.World, theirs dialog.World, name, text string) (list []difference) {
	t.Helper()
	user := name + "@demo.test"
	w.Admin("POST", "/v1/accounts", fmt.Sprintf(`{"address":%q,"password":%q}`, user, password))
	ours := w.Dialog()
	ours.Vars["user"], ours.Vars["password"] = user, password
	theirs.Vars = ours.Vars
	a, err := dialog.Record(name, text, ours)
	if err != nil {
		t.Fatal(err)
	}
	b, err := dialog.Record(name, text, theirs)
	if err != nil {
		t.Fatalf("Dovecot: %v", err)
	}
	answers := map[int]string{}
	for _, e := range b {
		answers[e.Line] = canonical(e.Responses)
	}
	smtp := "" // the connection that is none of IMAP
	for _, e := range a {
		name, _, _ := strings.Cut(e.Said, ":")
		if strings.HasSuffix(e.Said, " connect smtp") {
			smtp = name
		}
		if smtp != "" && strings.HasPrefix(e.Said, smtp) {
			continue
		}
		// What is not sent to Dovecot follows from a difference before it.
		mine := canonical(e.Responses)
		if got, sent := answers[e.Line]; sent && got != mine {
			list = append(list, difference{e.Said, mine, strings.TrimRight(got[:min(len(got), 200)], " ")})
		}
	}
	return list
}

func readDifferences(t *testing.T) (reasons map[string]bool, listed map[string]string) {
	t.Helper()
	b, err := os.ReadFile("differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	reasons, listed = map[string]bool{}, map[string]string{}
	used := map[string]bool{}
	for i, line := range strings.Split(string(b), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		part := strings.Split(line, "\t")
		if name, _, ok := strings.Cut(line, ": "); ok && len(part) == 1 {
			reasons[name] = true
			continue
		}
		if len(part) != 4 || slices.ContainsFunc(strings.Split(part[2], ","), func(name string) bool { return !reasons[name] }) {
			t.Errorf("differences.txt:%d: want SCRIPT, COMMAND, a REASON that is explained above, and what Dovecot says, with tabs between: %q", i+1, line)
			continue
		}
		for name := range strings.SplitSeq(part[2], ",") {
			used[name] = true
		}
		listed[part[0]+"\t"+part[1]] = part[3]
	}
	for name := range reasons {
		if !used[name] {
			t.Errorf("differences.txt explains %s, which nothing has", name)
		}
	}
	return reasons, listed
}
