package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Epoch is one that an account has begun.
type Epoch struct {
	Address string `json:"address"`
	Epoch   uint32 `json:"epoch"`
}

func (s *server) epoch(api huma.API) {
	op := operation(http.MethodPost, "/v1/accounts/{address}/epoch", "begin-epoch", "Begin a new epoch of an account whose journal was put back to an earlier time", http.StatusOK)
	op.Description = "All its mailboxes get new UIDVALIDITYs, so that no client takes a message for one that was lost. Clients read them anew. " +
		"Asked again under the same Idempotency-Key within a day, it begins no other."
	huma.Register(api, op, func(ctx context.Context, in *AccountPath) (*one[Epoch], error) {
		before, err := s.dir.Account(ctx, scope(ctx), in.Address)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		a, begun, err := s.dir.BeginEpoch(ctx, scope(ctx), in.Address, func(ctx context.Context, begun account.Begun) error {
			return s.index().inherit(ctx, before.Ref, begun)
		})
		switch {
		case kinds.Is(err, kinds.NotFound):
			err = kinds.Errorf(kinds.Conflict, "api: nothing is left of the account: it was made later")
		case kinds.Is(err, kinds.Conflict): // others write to it: it is to be asked again, and no answer that is kept
			err = kinds.Wrap(kinds.Unavailable, err, "")
		}
		return shown(ctx, s, a.Tag, Epoch{in.Address, begun.Ref.Epoch}, err)
	})
}

// inherit takes over the names of what was imported before an epoch began, but for those of
// entries that were lost.
func (x index) inherit(ctx context.Context, from account.Ref, to account.Begun) error {
	for after := ""; ; {
		list, err := x.records.List(ctx, x.key(from, 0).Space, "", after, maxKnown)
		if err != nil {
			return err
		}
		for i := range list {
			last, k, err := decodeKnown(&list[i])
			if err != nil {
				return err
			}
			if last > to.Valid {
				return nil // they are in order
			}
			if err := x.note(ctx, to.Ref, k.After, last, k.Names); err != nil {
				return err
			}
			after = list[i].ID
		}
		if len(list) < maxKnown {
			return nil
		}
	}
}
