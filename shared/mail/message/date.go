package message

import (
	"strconv"
	"strings"
	"time"
)

// ParseDate reads the date of RFC 5322 with its obsolete forms and common deviations; the
// zero time if it can't.
func ParseDate(s string) time.Time {
	t := tokens{s: s}
	var words [8]string
	n := 0
	for n < len(words) && t.i < 1000 {
		t.blanks()
		if t.i >= len(t.s) {
			break
		}
		if c := t.s[t.i]; c == ',' || c == '.' {
			t.i++
			continue
		}
		start := t.i
		for t.i < len(t.s) && strings.IndexByte(" \t\r\n,(", t.s[t.i]) < 0 {
			t.i++
		}
		w := t.s[start:t.i]
		if n > 0 && (w[0] == ':' || strings.HasSuffix(words[n-1], ":")) {
			words[n-1] += w // RFC 5322, appendix A.6.3: 09(comment):   55  :  06
			continue
		}
		words[n] = w
		n++
	}
	w := words[:n]
	if len(w) > 0 && !digit(w[0]) && len(w[0]) >= 3 {
		if _, isMonth := month(w[0]); !isMonth {
			w = w[1:] // day of the week
		}
	}
	if len(w) == 1 || len(w) == 2 && strings.Contains(w[0], "-") && !strings.Contains(w[1], ":") {
		if d, err := time.Parse(time.RFC3339, w[0]); err == nil {
			return d
		}
	}
	// QUIRK: 02-Jan-2006, and the order of asctime: Jan 2 15:04:05 2006.
	if len(w) > 0 {
		if p := strings.Split(w[0], "-"); len(p) == 3 {
			w = append(p, w[1:]...)
		}
	}
	if len(w) >= 4 {
		if _, ok := month(w[0]); ok && strings.Contains(w[2], ":") {
			asc := []string{w[1], w[0], w[3], w[2]}
			w = append(asc, w[4:]...)
		}
	}
	if len(w) < 4 {
		return time.Time{}
	}
	day, err := strconv.Atoi(w[0])
	mon, ok := month(w[1])
	year, yerr := strconv.Atoi(w[2])
	if err != nil || !ok || yerr != nil || day < 1 || day > 31 {
		return time.Time{}
	}
	// RFC 5322, section 4.3: If a two digit year is encountered whose value is between 00 and 49, the year is interpreted by adding 2000
	switch {
	case len(w[2]) == 2 && year < 50:
		year += 2000
	case len(w[2]) <= 3:
		year += 1900
	}
	hms := strings.Split(w[3], ":")
	if year < 1900 || year > 9999 || len(hms) < 2 || len(hms) > 3 {
		return time.Time{}
	}
	var c [3]int
	for i, v := range hms {
		c[i], err = strconv.Atoi(v)
		if err != nil || c[i] < 0 {
			return time.Time{}
		}
	}
	if c[0] > 23 || c[1] > 59 || c[2] > 60 {
		return time.Time{}
	}
	z := time.UTC
	if len(w) > 4 {
		z = zone(w[4])
	}
	d := time.Date(year, mon, day, c[0], c[1], c[2], 0, z)
	if d.Day() != day && c[2] != 60 { // 31 February
		return time.Time{}
	}
	return d
}

func digit(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

func month(s string) (time.Month, bool) {
	if len(s) < 3 {
		return 0, false
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", lower(s[:3]))
	return time.Month(i/3 + 1), i >= 0 && i%3 == 0
}

// zone reads +hhmm or one of the old names.
//
// RFC 5322, section 4.3: Other multi-character (usually between 3 and 5) alphabetic time zones have been used in Internet messages. Any such time zone whose meaning is not known SHOULD be considered equivalent to "-0000"
func zone(s string) *time.Location {
	if len(s) >= 5 && (s[0] == '+' || s[0] == '-') {
		d := strings.Replace(s[1:], ":", "", 1)
		n, err := strconv.Atoi(d)
		if err != nil || len(d) != 4 || n%100 > 59 || n/100 > 23 {
			return time.UTC
		}
		off := n/100*3600 + n%100*60
		if s[0] == '-' {
			off = -off
		}
		if off == 0 {
			return time.UTC
		}
		return time.FixedZone("", off)
	}
	switch strings.ToUpper(s) {
	case "EDT":
		return time.FixedZone("EDT", -4*3600)
	case "EST", "CDT":
		return time.FixedZone("", -5*3600)
	case "CST", "MDT":
		return time.FixedZone("", -6*3600)
	case "MST", "PDT":
		return time.FixedZone("", -7*3600)
	case "PST":
		return time.FixedZone("PST", -8*3600)
	}
	return time.UTC
}
