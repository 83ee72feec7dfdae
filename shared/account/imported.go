package account

import (
	"context"
)

// Import is By.Protocol of what brings mail from elsewhere by Deliver. Its deliveries'
// names are looked for by Imported.
const Import = "import"

// Imported gives the names, NameSize bytes each, one after the other, of what imports
// brought with entries after one number up to another, as far as it reads at once: up to
// reached, which is to if it has read all. Entries that have been trimmed are left out.
func (s *Store) Imported(ctx context.Context, ref Ref, after, to uint64) (names []byte, reached uint64, err error) {
	if err := ref.check(); err != nil {
		return nil, 0, err
	}
	if after >= to {
		return nil, to, nil
	}
	items, more, err := s.read(ctx, ref, after, int(min(to-after, page)))
	if err != nil {
		return nil, 0, err
	}
	reached = to
	for _, item := range items {
		if item.Seq > to {
			return names, to, nil
		}
		e, err := decode(item)
		if err != nil {
			return nil, 0, err
		}
		if more {
			reached = e.Seq
		}
		if e.By.Protocol != Import {
			continue
		}
		for i := range e.Ops {
			if add := e.Ops[i].Add; add != nil && len(add.Name) == NameSize {
				names = append(names, add.Name...)
			}
		}
	}
	return names, reached, nil
}
