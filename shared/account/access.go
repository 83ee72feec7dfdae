package account

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// SetAccess suspends the account or lets it in again. Where that changes, or bump asks
// for it (a new password), the generation rises, which ends the sessions of a lower one.
func (a *Account) SetAccess(ctx context.Context, by By, suspended, bump bool) error {
	_, err := a.Do(ctx, by, func(s *State) ([]Op, error) {
		st := s.standing
		if st.Suspended == suspended && !bump {
			return nil, nil
		}
		return []Op{{Access: &Access{Suspended: suspended, Generation: st.Generation + 1}}}, nil
	})
	return err
}

// CloseAccount closes the account ("deleted", "moved"): no delivery and no change comes
// after it. A reason of "" opens it again.
func (a *Account) CloseAccount(ctx context.Context, by By, reason string) error {
	if len(reason) > 100 {
		return kinds.Errorf(kinds.Limit, "account: a reason of %d bytes to close", len(reason))
	}
	_, err := a.Do(ctx, by, func(s *State) ([]Op, error) {
		if s.standing.Closed == reason {
			return nil, nil
		}
		return []Op{{Close: &Close{Reason: reason}}}, nil
	})
	return err
}
