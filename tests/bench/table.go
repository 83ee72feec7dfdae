package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// table is what was wanted and what was measured.
type table struct{ rows []row }

type row struct {
	what, goal, godwit, dovecot string
	missed                      bool
}

// add adds a row, and prints it at once for who watches.
func (t *table) add(what, goal, godwit, dovecot string, met bool) {
	t.rows = append(t.rows, row{what, goal, godwit, dovecot, goal != "" && !met})
	fmt.Printf("%-46s  %-34s  godwit %-18s  dovecot %s\n", what, goal, godwit, dovecot)
}

func (t *table) print(to io.Writer) error {
	if len(t.rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tgoal\tgodwit\tdovecot\t")
	missed := 0
	for _, r := range t.rows {
		mark := ""
		if r.missed {
			missed++
			mark = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.what, r.goal, r.godwit, r.dovecot, mark)
	}
	fmt.Fprintf(w, "%d rows, %d goals missed\n", len(t.rows), missed)
	return w.Flush()
}

// timing is what something took, again and again.
type timing []time.Duration

func (t timing) quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(t))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

func (t timing) median() time.Duration { return t.quantile(.5) }

func (t timing) String() string {
	if len(t) == 0 {
		return "-"
	}
	return short(t.median())
}

// short is a time with three digits or so.
func short(d time.Duration) string {
	switch {
	case d > 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d > 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// ratio is ours to theirs; ok is false where there is nothing to compare with.
func (t timing) ratio(theirs timing) (r float64, ok bool) {
	if len(theirs) == 0 || len(t) == 0 {
		return 0, false
	}
	return float64(t.median()) / float64(theirs.median()), true
}
