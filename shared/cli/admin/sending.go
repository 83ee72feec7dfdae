package admin

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"
)

// identities is what an account may send as beside its own addresses.
func identities(c *connection, addresses func(*cobra.Command) []string) *cobra.Command {
	change := func(edit func(list []any, identity string) []any) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			o, err := c.replace(cmd, at("accounts", args[0], "sending"), at("accounts", args[0], "identities"), func(o object) (any, error) {
				list, _ := o["identities"].([]any)
				return object{"identities": edit(list, args[1])}, nil
			})
			if err != nil {
				return err
			}
			return c.showIdentities(cmd, o)
		}
	}
	return noun("identities", "Say what an account may send as beside its own addresses",
		verb("list ADDRESS", "List an account's identities", cobra.ExactArgs(1), addresses, func(cmd *cobra.Command, args []string) error {
			o, _, err := c.call(cmd.Context(), http.MethodGet, at("accounts", args[0], "sending"), nil, "", nil)
			if err != nil {
				return err
			}
			return c.showIdentities(cmd, o)
		}),
		verb("add ADDRESS IDENTITY", "Let an account send as an address of its tenant, or as all of a domain: *@DOMAIN", cobra.ExactArgs(2), addresses,
			change(func(list []any, identity string) []any { return append(list, identity) })),
		verb("remove ADDRESS IDENTITY", "Take an identity from an account", cobra.ExactArgs(2), addresses,
			change(func(list []any, identity string) []any {
				return slices.DeleteFunc(list, func(v any) bool { return fmt.Sprint(v) == identity })
			})),
	)
}

func (c *connection) showIdentities(cmd *cobra.Command, o object) error {
	list, _ := o["identities"].([]any)
	items := make([]any, len(list))
	for i, v := range list {
		items[i] = object{"identity": v}
	}
	return c.list(cmd, items, "identity")
}

// sending shows, holds and lets go what an account sends to other hosts.
func sending(c *connection, addresses func(*cobra.Command) []string) *cobra.Command {
	cmd := verb("sending ADDRESS", "Show whether an account's mail to other hosts is held, and why; hold it, or let it go", cobra.ExactArgs(1), addresses, nil)
	hold := cmd.Flags().Bool("hold", false, "hold what it sends")
	release := cmd.Flags().Bool("release", false, "let it send again, and let go what is held")
	cmd.MarkFlagsMutuallyExclusive("hold", "release")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		method, path := http.MethodGet, at("accounts", args[0], "sending")
		if *hold {
			method, path = http.MethodPost, at("accounts", args[0], "sending", "hold")
		}
		if *release {
			method, path = http.MethodPost, at("accounts", args[0], "sending", "release")
		}
		o, _, err := c.call(cmd.Context(), method, path, nil, "", nil)
		if err != nil {
			return err
		}
		return c.show(cmd, o, "held", "since", "reason")
	}
	return cmd
}
