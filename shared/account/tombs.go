package account

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// minTombs is how many tombs a mailbox keeps before old ones are merged.
const minTombs = 2048

// graves are the tombs of a mailbox, and what else of it is about single messages but in none
// of their rows. States share them, as they do blocks.
type graves struct {
	owner  *token
	stored atomic.Pointer[piece] // where a snapshot has the very same tombs; nil: nowhere
	cold   bool                  // they are only there
	list   []tomb                // by rising mod
	at     int                   // tombs at which old ones are merged

	readers []readerMarks // by id: what they have seen
	quiet   marks         // sequence numbers from before changes that readers don't see
}

// bury notes an expunged range; tombs come by rising mod.
func (m *Mailbox) bury(t tomb, owner *token) {
	g := m.ownGone(owner)
	g.list = append(g.list, t)
	if len(g.list) >= max(minTombs, g.at) {
		m.mergeTombs()
		g.at = 2 * len(g.list)
	}
}

// ownGone gives the graves for changing.
func (m *Mailbox) ownGone(owner *token) *graves {
	switch old := m.gone; {
	case old == nil:
		m.gone = &graves{owner: owner}
	case old.owner != owner:
		m.gone = &graves{owner: owner, list: slices.Clip(old.list), at: old.at, readers: slices.Clone(old.readers), quiet: old.quiet}
	}
	return m.gone
}

// mergeTombs joins the older half of the tombs where no message is between them. What
// they then say is younger than it was: a client may be told again of what it knows to
// be gone, which RFC 7162, section 3.2.10.1, allows.
func (m *Mailbox) mergeTombs() {
	g := m.gone
	half := len(g.list) / 2
	old, rest := slices.Clone(g.list[:half]), g.list[half:]
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
	g.list = append(merged, rest...)
}
