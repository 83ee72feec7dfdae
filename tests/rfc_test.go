package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var cited = regexp.MustCompile(`\bRFC ([0-9]{3,5})\b`)

// The index says of each RFC what is done. What code cites stands in it, and what is
// done is cited by code, so that neither can outlive the other.
func TestTheIndexOfRFCsAndTheCodeAgree(t *testing.T) {
	index := readIndex(t)
	seen := map[string]string{}
	eachFile(t, func(name string) {
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "tests/") {
			return
		}
		b, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range cited.FindAllSubmatch(b, -1) {
			seen[string(m[1])] = name
		}
	})
	for number, file := range seen {
		if _, ok := index[number]; !ok {
			t.Errorf("%s cites RFC %s, which is not in tests/rfc/index.txt", file, number)
		}
	}
	for number, done := range index {
		if done != "no" && seen[number] == "" {
			t.Errorf("tests/rfc/index.txt says of RFC %s %q, but no code cites it", number, done)
		}
	}
}

// readIndex gives for each RFC's number what is done.
func readIndex(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("rfc/index.txt")
	if err != nil {
		t.Fatal(err)
	}
	index, last := map[string]string{}, ""
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.Split(line, "\t")
		if len(part) < 3 || len(part) > 4 || !slices.Contains([]string{"done", "part", "no"}, part[1]) || part[1] == "part" && len(part) < 4 {
			t.Errorf("index.txt:%d: want NUMBER, done|part|no, title, note (which part must have), with tabs between: %q", i+1, line)
			continue
		}
		if sortable := strings.Repeat("0", max(0, 5-len(part[0]))) + part[0]; sortable <= last {
			t.Errorf("index.txt:%d: %s is not in order, or there twice", i+1, part[0])
		} else {
			last = sortable
		}
		index[part[0]] = part[1]
	}
	if len(index) == 0 {
		t.Fatal("the index is empty")
	}
	return index
}
