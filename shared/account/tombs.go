package account

import (
	"cmp"
	"slices"
)

// minTombs is how many tombs a mailbox keeps before old ones are merged.
const minTombs = 2048

// bury notes an expunged range; tombs come by rising mod.
func (m *Mailbox) bury(t tomb) {
	m.gone = append(m.gone, t)
	if len(m.gone) >= max(minTombs, m.goneAt) {
		m.mergeTombs()
		m.goneAt = 2 * len(m.gone)
	}
}

// mergeTombs joins the older half of the tombs where no message is between them. What
// they then say is younger than it was: a client may be told again of what it knows to
// be gone, which RFC 7162, section 3.2.10.1, allows.
func (m *Mailbox) mergeTombs() {
	half := len(m.gone) / 2
	old, rest := slices.Clone(m.gone[:half]), m.gone[half:]
	slices.SortFunc(old, func(a, b tomb) int { return cmp.Compare(a.first, b.first) })
	merged := old[:1]
	for _, t := range old[1:] {
		last := &merged[len(merged)-1]
		if from, to := m.span(Range{First: last.first, Last: max(last.last, t.last)}); from == to {
			last.last, last.mod = max(last.last, t.last), max(last.mod, t.mod)
			continue
		}
		merged = append(merged, t)
	}
	slices.SortStableFunc(merged, func(a, b tomb) int { return cmp.Compare(a.mod, b.mod) })
	m.gone = append(merged, rest...)
}
