package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// epochs makes the verb for accounts whose journals were put back to an earlier time. What has
// an @ is an account, what has a dot is a domain.
func epochs(c *connection) *cobra.Command {
	cmd := verb("begin ADDRESS|DOMAIN|TENANT", "Have mail clients read accounts anew, after a journal was put back to an earlier time", cobra.MaximumNArgs(1), nil, nil)
	all := cmd.Flags().Bool("all", false, "all accounts that the key may see")
	id := cmd.Flags().String("id", "", "a word of your own: with the same one within a day, no account begins another epoch")
	cmd.Long = "When the table or file of the journals was put back to an earlier time, clients may know\n" +
		"messages that are no more, by numbers that are given once more to others. A new epoch gives\n" +
		"every mailbox a new UIDVALIDITY, so that they read it anew. Stop gateways and functions while\n" +
		"you put a table back, and begin the epoch before users come back. One that was interrupted is\n" +
		"completed by asking again; with --id, those that are complete are left as they are."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *all == (len(args) == 1) {
			return errors.New("begin an epoch of what: an address, a domain, a tenant, or --all?")
		}
		addresses := args
		if *all || !strings.Contains(args[0], "@") {
			query := url.Values{}
			if !*all && strings.Contains(args[0], ".") {
				query.Set("domain", args[0])
			} else if !*all {
				query.Set("tenant", args[0])
			}
			items, err := c.all(cmd.Context(), "/v1/accounts", query)
			if err != nil {
				return err
			}
			addresses = nil
			for _, item := range items {
				o, _ := item.(object)
				addresses = append(addresses, value(o, "address"))
			}
		}
		var begun []any
		failed := 0
		for _, address := range addresses {
			o, err := c.beginEpoch(cmd.Context(), address, *id)
			if err != nil && len(args) == 1 && len(addresses) == 1 {
				return err
			}
			if err != nil {
				failed++
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", clean(address), err)
				if cmd.Context().Err() != nil {
					break
				}
				continue
			}
			begun = append(begun, o)
		}
		if err := c.list(cmd, begun, "address", "epoch"); err != nil {
			return err
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d accounts have begun no epoch; ask for these again", failed, len(addresses))
		}
		return nil
	}
	return noun("epoch", "Administer epochs of accounts' journals", cmd)
}

// beginEpoch begins one of an account: with an id that isn't empty only once, however often
// it is asked for.
func (c *connection) beginEpoch(ctx context.Context, address, id string) (object, error) {
	r := request{method: http.MethodPost, path: at("accounts", address, "epoch"), header: http.Header{}}
	if id != "" {
		r.header.Set("Idempotency-Key", fmt.Sprintf("epoch-%x", sha256.Sum256([]byte(id+"\x00"+address))))
	}
	o, _, err := c.ask(ctx, r)
	return o, err
}
