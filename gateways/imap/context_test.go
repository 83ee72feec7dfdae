package imap

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var moves = regexp.MustCompile(`(ADDTO|REMOVEFROM) \(([^)]*)\)`)

// follow does to a result what an ESEARCH response says.
func follow(t *testing.T, list []uint32, line string) []uint32 {
	t.Helper()
	for _, m := range moves.FindAllStringSubmatch(line, -1) {
		pairs := strings.Fields(m[2])
		for i := 0; i < len(pairs); i += 2 {
			at, _ := strconv.Atoi(pairs[i])
			for _, uid := range expand(pairs[i+1]) {
				switch {
				case m[1] == "ADDTO" && at == 0:
					list = append(list, uid)
					slices.Sort(list)
				case m[1] == "ADDTO":
					list = slices.Insert(list, at-1, uid)
					at++
				case at == 0:
					list = slices.DeleteFunc(list, func(u uint32) bool { return u == uid })
				default:
					if list[at-1] != uid {
						t.Fatalf("%s: %d is at %d of %v", line, list[at-1], at, list)
					}
					list = slices.Delete(list, at-1, at)
				}
			}
		}
	}
	return list
}

// expand gives the numbers of a set.
func expand(set string) (list []uint32) {
	for r := range strings.SplitSeq(set, ",") {
		first, last, ok := strings.Cut(r, ":")
		if !ok {
			last = first
		}
		lo, _ := strconv.ParseUint(first, 10, 32)
		hi, _ := strconv.ParseUint(last, 10, 32)
		for n := lo; n <= hi; n++ {
			list = append(list, uint32(n))
		}
	}
	return list
}

// Whoever follows the updates has what a new search gives.
func TestAContextIsWhatANewSearchGives(t *testing.T) {
	w := newWorld(t)
	r := w.raw(true)
	r.ask("s", "SELECT INBOX")
	searches := []string{"SORT %s (REVERSE SUBJECT SIZE) UTF-8 UNSEEN", "SEARCH %s OR FLAGGED BODY 3", "SORT %s (DATE) UTF-8 OR SUBJECT 1 UNFLAGGED"}
	known := make([][]uint32, len(searches))
	for i, search := range searches {
		r.ask(fmt.Sprint("ctx", i), "UID "+fmt.Sprintf(search, "RETURN (UPDATE COUNT)"))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for step := range 150 {
		var lines []string
		some := fmt.Sprintf("%d,%d:%d", rnd.IntN(step+1)+1, rnd.IntN(step+1)+1, rnd.IntN(step+1)+1)
		switch rnd.IntN(6) {
		case 0, 1:
			text := fmt.Sprintf("Subject: %d\r\n\r\n%d%s", rnd.IntN(9), rnd.IntN(9), strings.Repeat("x", rnd.IntN(9)))
			lines = r.ask("a", fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text))
		case 2, 3, 4:
			flag := []string{`\Seen`, `\Flagged`, `\Deleted`}[rnd.IntN(3)]
			lines = r.ask("a", "UID STORE "+some+[]string{" +", " -"}[rnd.IntN(2)]+"FLAGS ("+flag+")")
		case 5:
			lines = r.ask("a", "UID EXPUNGE "+some)
		}
		for _, line := range lines {
			for i := range searches {
				if strings.HasPrefix(line, fmt.Sprintf(`* ESEARCH (TAG "ctx%d") UID`, i)) {
					known[i] = follow(t, known[i], line)
				}
			}
		}
		for i, search := range searches {
			var want []uint32
			for _, line := range r.ask("b", "UID "+fmt.Sprintf(search, "RETURN ()")) {
				if _, set, ok := strings.Cut(line, " ALL "); ok {
					want = expand(set)
				}
			}
			if !slices.Equal(known[i], want) {
				t.Fatalf("step %d, search %d: %v, a new one gives %v\n%q", step, i, known[i], want, lines)
			}
		}
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
}
