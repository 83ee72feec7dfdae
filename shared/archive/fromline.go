package archive

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// maxFromLine is how long a From_ line may be to count as one.
const maxFromLine = 1 << 10

var months = map[string]time.Month{"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
	"Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}

const weekdays = "Sun Mon Tue Wed Thu Fri Sat"

// fromDate reads the date of a From_ line.
//
// RFC 4155, appendix A: a timestamp indicating the UTC date and time when the message
// was originally received, conformant with the syntax of the traditional UNIX 'ctime'
// output sans timezone
//
// QUIRK: seconds may be missing (old mailers), a zone may stand before the year (Gmail's
// +0000, UUCP's GMT) or after it; the sender may be missing or have blanks.
func fromDate(line []byte) (at time.Time, ok bool) {
	if len(line) > maxFromLine || !bytes.HasPrefix(line, []byte("From ")) {
		return at, false
	}
	words := strings.Fields(string(line[len("From "):]))
	for i := 0; i+4 < len(words); i++ {
		if len(words[i]) == 3 && strings.Contains(weekdays, words[i]) {
			if at, ok = ctime(words[i+1:]); ok {
				return at, true
			}
		}
	}
	return at, false
}

// ctime reads what stands after the day of the week.
func ctime(w []string) (at time.Time, ok bool) {
	month := months[w[0]]
	day, err := strconv.ParseUint(w[1], 10, 8)
	if month == 0 || err != nil || day < 1 || day > 31 {
		return at, false
	}
	var clock [3]uint64
	parts := strings.Split(w[2], ":")
	if len(parts) < 2 || len(parts) > 3 {
		return at, false
	}
	for i, p := range parts {
		if clock[i], err = strconv.ParseUint(p, 10, 8); err != nil || clock[i] > [...]uint64{23, 59, 60}[i] {
			return at, false
		}
	}
	zone := ""
	w = w[3:]
	year, ok := yearOf(w[0])
	if !ok {
		// A zone of one or two words (CET DST) comes first.
		for zone, w = w[0], w[1:]; len(w) > 0 && !ok; w = w[1:] {
			year, ok = yearOf(w[0])
		}
		if !ok {
			return at, false
		}
	} else if len(w) > 1 {
		zone = w[1]
	}
	at = time.Date(year, month, int(day), int(clock[0]), int(clock[1]), int(clock[2]), 0, time.UTC)
	return at.Add(-zoneOffset(zone)), true
}

// yearOf reads four digits, or two as of old.
func yearOf(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	switch {
	case err != nil:
		return 0, false
	case len(s) == 4:
		return int(n), true
	case len(s) == 2 && n < 70:
		return 2000 + int(n), true
	case len(s) == 2:
		return 1900 + int(n), true
	}
	return 0, false
}

// zoneOffset reads +0100; of names it knows none, as most mean different things to
// different people.
func zoneOffset(s string) time.Duration {
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0
	}
	n, err := strconv.ParseUint(s[1:], 10, 16)
	if err != nil || n%100 > 59 || n > 1400 {
		return 0
	}
	d := time.Duration(n/100)*time.Hour + time.Duration(n%100)*time.Minute
	if s[0] == '-' {
		return -d
	}
	return d
}

// separates judges a line that begins with "From " amid messages: rest is what follows
// it in the file, after that an empty line or nothing stands before it.
//
// RFC 4155, appendix A: Each message in the mbox database MUST be immediately preceded
// by a single separator line
//
// QUIRK: some mailers leave out the empty line, some the date; either may be missing
// if a header field follows.
func separates(line, rest []byte, after bool) bool {
	if _, dated := fromDate(line); dated {
		return after || isField(rest)
	}
	if !after || len(line) > maxFromLine || !isField(rest) {
		return false
	}
	words := bytes.Fields(line[len("From "):])
	return len(words) > 0 && (string(words[0]) == "-" || bytes.IndexByte(words[0], '@') > 0)
}

// isField tells whether text begins with a header field, as far as it is there.
func isField(text []byte) bool {
	_, _, ok := header.Name(text)
	return ok
}

// sender gives what stands in the From_ line: the envelope's sender, which a server that
// delivers writes on top.
//
// RFC 5321, section 4.4: When the delivery SMTP server makes the "final delivery" of a
// message, it inserts a return-path line at the beginning of the mail data.
func sender(head []byte) string {
	for f := range header.All(head) {
		if !f.Is("Return-Path") {
			continue
		}
		s := strings.Trim(f.Text(), "<>")
		if s == "" || len(s) > 320 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			break
		}
		return s
	}
	return "MAILER-DAEMON"
}
