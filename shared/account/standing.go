package account

import (
	"bytes"
	"slices"
)

// keepNames is how many deliveries' names a standing keeps at least, in whole entries.
const keepNames = 16

// delivered notes the names of the deliveries of entry seq, which may be none.
func (s *Standing) delivered(seq uint64, names []byte) {
	if s.RecentFrom == 0 {
		s.RecentFrom = 1
	}
	if len(names) == 0 {
		return
	}
	recent := append(slices.Clone(s.Recent), Recent{Seq: seq, Names: names})
	total := 0
	for _, r := range recent {
		total += len(r.Names) / NameSize
	}
	for total-len(recent[0].Names)/NameSize >= keepNames {
		total -= len(recent[0].Names) / NameSize
		s.RecentFrom = recent[0].Seq + 1
		recent = recent[1:]
	}
	s.Recent = slices.Clip(recent)
}

func (s *Standing) equal(o *Standing) bool {
	return s.Totals == o.Totals && s.RecentFrom == o.RecentFrom && s.Closed == o.Closed &&
		s.Suspended == o.Suspended && s.Generation == o.Generation && s.Hold == o.Hold &&
		s.Script == o.Script && s.Snapshot == o.Snapshot &&
		slices.EqualFunc(s.Recent, o.Recent, func(a, b Recent) bool {
			return a.Seq == b.Seq && bytes.Equal(a.Names, b.Names)
		})
}
