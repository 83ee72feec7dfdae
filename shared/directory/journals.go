package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/account"
)

// Journals gives a store's accounts to the directory.
func Journals(s *account.Store) Accounts { return journals{s} }

type journals struct{ *account.Store }

func (j journals) Access(ctx context.Context, ref account.Ref, by account.By, suspended bool, generation uint32) error {
	a, err := j.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer a.Close()
	_, err = a.Do(ctx, by, func(s *account.State) ([]account.Op, error) {
		if now := s.Standing(); now.Closed != "" || now.Generation >= generation {
			return nil, nil
		}
		return []account.Op{{Access: &account.Access{Suspended: suspended, Generation: generation}}}, nil
	})
	return err
}

func (j journals) Close(ctx context.Context, ref account.Ref, by account.By, reason string) error {
	a, err := j.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer a.Close()
	return a.CloseAccount(ctx, by, reason)
}

func (j journals) Usage(ctx context.Context, ref account.Ref) (account.Totals, error) {
	head, err := j.Head(ctx, ref)
	return head.Standing.Totals, err
}
