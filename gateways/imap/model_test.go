package imap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mirror is what a client knows that believes every response, and checks each against what
// it knew before.
type mirror struct {
	*raw
	t       *testing.T
	name    string
	uids    []uint32 // by sequence number; 0 if it is not known
	flags   map[uint32]string
	mods    map[uint32]uint64
	highest uint64 // of all MODSEQs told
	tag     int
	trace   []string
	failed  bool
}

func (m *mirror) fail(format string, args ...any) {
	m.t.Helper()
	m.failed = true
	m.t.Errorf("%s: %s\nafter:\n%s", m.name, fmt.Sprintf(format, args...), strings.Join(m.trace[max(0, len(m.trace)-30):], "\n"))
}

var (
	countLine  = regexp.MustCompile(`^\* (\d+) (EXISTS|EXPUNGE)$`)
	fetchLine  = regexp.MustCompile(`^\* (\d+) FETCH \((.*)\)$`)
	uidItem    = regexp.MustCompile(`UID (\d+)`)
	flagsItem  = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	modseqItem = regexp.MustCompile(`MODSEQ \((\d+)\)`)
	searchLine = regexp.MustCompile(`^\* SEARCH((?: \d+)*)(?: \(MODSEQ \d+\))?$`)
)

func numeral(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// do gives a command, believes what comes, and gives what the model does not take in.
func (m *mirror) do(command string) (status string, others []string) {
	m.t.Helper()
	m.tag++
	tag := fmt.Sprintf("%s%d", m.name, m.tag)
	// RFC 9051, section 7.5.1: An EXPUNGE response MUST NOT be sent [...] while responding to a FETCH, STORE, or SEARCH command.
	quiet := regexp.MustCompile(`^(FETCH|STORE|SEARCH)`).MatchString(command)
	m.trace = append(m.trace, command)
	for _, line := range m.ask(tag, command) {
		m.trace = append(m.trace, "  "+line)
		if c := countLine.FindStringSubmatch(line); c != nil {
			m.counted(numeral(c[1]), c[2] == "EXPUNGE", quiet, line)
		} else if f := fetchLine.FindStringSubmatch(line); f != nil {
			m.fetched(numeral(f[1]), f[2], line)
		} else if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			status = rest
		} else {
			others = append(others, line)
		}
	}
	if m.err != nil {
		m.fail("the session ended: %v", m.err)
	}
	return status, others
}

func (m *mirror) counted(n uint32, expunge, quiet bool, line string) {
	switch {
	case expunge && quiet:
		m.fail("%q while numbers are in use", line)
	case expunge && (n == 0 || int(n) > len(m.uids)):
		m.fail("%q of %d messages", line, len(m.uids))
	case expunge:
		m.uids = slices.Delete(m.uids, int(n)-1, int(n))
	case int(n) < len(m.uids):
		m.fail("%q without EXPUNGE, of %d", line, len(m.uids))
	default:
		m.uids = append(m.uids, make([]uint32, int(n)-len(m.uids))...)
	}
}

func (m *mirror) fetched(n uint32, items, line string) {
	if n == 0 || int(n) > len(m.uids) {
		m.fail("%q of %d messages", line, len(m.uids))
		return
	}
	known := &m.uids[n-1]
	if u := uidItem.FindStringSubmatch(items); u != nil {
		uid := numeral(u[1])
		if *known != 0 && *known != uid {
			m.fail("%q names UID %d, which was %d", line, uid, *known)
		}
		for i, other := range m.uids {
			if other != 0 && (i < int(n)-1 && other >= uid || i > int(n)-1 && other <= uid) {
				m.fail("%q is out of order: number %d is %d", line, i+1, other)
			}
		}
		*known = uid
	}
	if f := flagsItem.FindStringSubmatch(items); f != nil && *known != 0 {
		words := strings.Fields(f[1])
		slices.Sort(words)
		m.flags[*known] = strings.Join(words, " ")
	}
	if s := modseqItem.FindStringSubmatch(items); s != nil && *known != 0 {
		mod, _ := strconv.ParseUint(s[1], 10, 64)
		if mod < m.mods[*known] {
			m.fail("%q: the mod-sequence was %d", line, m.mods[*known])
		}
		m.mods[*known] = mod
		m.highest = max(m.highest, mod)
	}
}

// pick gives the number of a message whose UID is known.
func (m *mirror) pick(rnd *rand.Rand) (seq int, uid uint32) {
	for range 20 {
		if len(m.uids) == 0 {
			break
		}
		if i := rnd.IntN(len(m.uids)); m.uids[i] != 0 {
			return i + 1, m.uids[i]
		}
	}
	return 0, 0
}

// step gives one random command. Its responses must be about the message that the number
// named when it was given.
func (m *mirror) step(rnd *rand.Rand) {
	seq, uid := m.pick(rnd)
	flag := []string{`\Seen`, `\Flagged`, `\Answered`, `\Deleted`, `$Work`, `$Later`}[rnd.IntN(6)]
	sign := []string{"+", "-", "+", ""}[rnd.IntN(4)]
	if seq == 0 {
		seq, uid = 0, 0
	}
	switch op := rnd.IntN(14); {
	case op == 0 || len(m.uids) < 4:
		m.do("APPEND INBOX (" + flag + ") {4+}\r\ntext")
	case op == 1:
		m.do("NOOP")
	case uid == 0:
		m.do("FETCH 1:* (UID FLAGS MODSEQ)")
	case op == 2:
		m.do("EXPUNGE")
	case op == 3:
		m.do(fmt.Sprintf("UID EXPUNGE %d", uid))
	case op == 4:
		m.do(fmt.Sprintf("MOVE %d INBOX", seq))
	case op == 5:
		m.do(fmt.Sprintf("UID COPY %d INBOX", uid))
	case op == 6:
		m.do(fmt.Sprintf("UID STORE %d %sFLAGS (%s)", uid, sign, flag))
	case op == 7:
		m.do(fmt.Sprintf("STORE %d %sFLAGS.SILENT (%s)", seq, sign, flag))
		delete(m.flags, uid) // others may have changed it too
	case op == 8:
		m.do(fmt.Sprintf("STORE %d (UNCHANGEDSINCE %d) %sFLAGS (%s)", seq, m.mods[uid], sign, flag))
	case op == 9:
		m.search(seq, uid)
	case op == 10:
		m.do(fmt.Sprintf("COPY %d:%d Archive", seq, min(seq+2, len(m.uids))))
	case op == 11:
		m.do("UID FETCH 1:* (FLAGS MODSEQ)")
	default:
		m.do(fmt.Sprintf("FETCH %d (UID FLAGS MODSEQ)", seq))
	}
}

// search asks for a message by number: what is found is that message, or nothing.
func (m *mirror) search(seq int, uid uint32) {
	_, others := m.do(fmt.Sprintf("UID SEARCH %d", seq))
	for _, line := range others {
		if f := searchLine.FindStringSubmatch(line); f != nil && strings.TrimSpace(f[1]) != "" && numeral(strings.TrimSpace(f[1])) != uid {
			m.fail("number %d is UID %d, but is found as %q", seq, uid, line)
		}
	}
}

// settle learns all there is.
func (m *mirror) settle() {
	m.do("NOOP")
	m.do("FETCH 1:* (UID FLAGS MODSEQ)")
	maps.DeleteFunc(m.flags, func(uid uint32, _ string) bool { return !slices.Contains(m.uids, uid) })
}

// Several sessions do what they like with one mailbox. Each believes what it is told; no
// response may contradict an earlier one, and in the end all know the same.
func TestWhateverSessionsDoEachIsToldTheTruth(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t)
			rnd := rand.New(rand.NewPCG(seed, 7))
			list := make([]*mirror, 3)
			for i := range list {
				m := &mirror{raw: w.raw(true), t: t, name: string(rune('a' + i)), flags: map[uint32]string{}, mods: map[uint32]uint64{}}
				m.do("SELECT INBOX (CONDSTORE)")
				list[i] = m
			}
			failed := func() bool { return slices.ContainsFunc(list, func(m *mirror) bool { return m.failed }) }
			for i := 0; i < 250 && !failed(); i++ {
				list[rnd.IntN(len(list))].step(rnd)
			}
			for _, m := range list {
				m.settle()
			}
			for _, m := range list[1:] {
				if !slices.Equal(m.uids, list[0].uids) || !maps.Equal(m.flags, list[0].flags) {
					t.Errorf("%s knows %v %v,\n%s knows %v %v", list[0].name, list[0].uids, list[0].flags, m.name, m.uids, m.flags)
				}
			}
			agree(t, list[0])
		})
	}
}

// agree holds STATUS and ESEARCH against what the session knows.
func agree(t *testing.T, m *mirror) {
	t.Helper()
	unseen := 0
	for _, flags := range m.flags {
		if !slices.Contains(strings.Fields(flags), `\Seen`) {
			unseen++
		}
	}
	_, status := m.do("STATUS INBOX (MESSAGES UNSEEN HIGHESTMODSEQ)")
	want := fmt.Sprintf("* STATUS INBOX (MESSAGES %d UNSEEN %d HIGHESTMODSEQ ", len(m.uids), unseen)
	if len(status) != 1 || !strings.HasPrefix(status[0], want) {
		t.Errorf("%q, want %s", status, want)
	} else if got, _ := strconv.ParseUint(strings.TrimSuffix(status[0][len(want):], ")"), 10, 64); got < m.highest {
		t.Errorf("HIGHESTMODSEQ %d, but a message has %d", got, m.highest)
	}
	_, found := m.do("UID SEARCH RETURN (COUNT MIN MAX) UNSEEN")
	if len(found) != 1 || !strings.Contains(found[0], fmt.Sprintf(" COUNT %d", unseen)) {
		t.Errorf("%q, want COUNT %d", found, unseen)
	}
}
