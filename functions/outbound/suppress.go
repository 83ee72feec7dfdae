package outbound

import (
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/spool"
)

// suppress fails recipients to whom mail of the tenant is not sent any more, and takes them
// out of the groups.
func (s *Step) suppress(ctx context.Context, m *spool.Mail, groups map[group][]*spool.Recipient) error {
	var addresses []string
	for _, to := range groups {
		for _, r := range to {
			addresses = append(addresses, r.Address)
		}
	}
	if len(addresses) == 0 {
		return nil
	}
	found, err := s.Spool.SuppressedOf(ctx, m.Tenant, addresses)
	if err != nil || len(found) == 0 {
		return err
	}
	for g, to := range groups {
		groups[g] = slices.DeleteFunc(to, func(r *spool.Recipient) bool {
			a, is := found[r.Address]
			if is {
				s.judge(m, r, relay.Result{Err: refusal(a.Reason)})
			}
			return is
		})
		if len(groups[g]) == 0 {
			delete(groups, g)
		}
	}
	return s.Spool.Note(ctx, m)
}

func refusal(reason string) relay.Reply {
	if reason == spool.Complained {
		return relay.Reply{Code: 550, Enhanced: "5.7.1", Text: "The address is suppressed: its owner has called mail from here spam"}
	}
	return relay.Reply{Code: 550, Enhanced: "5.1.1", Text: "The address is suppressed: mail to it has bounced before"}
}
