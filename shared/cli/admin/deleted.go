package admin

import (
	"net/http"

	"github.com/spf13/cobra"
)

func deletedAccounts(c *connection) *cobra.Command {
	return verb("deleted DOMAIN", "List a domain's deleted accounts that can come back", cobra.ExactArgs(1), c.names("/v1/domains", "name"),
		func(cmd *cobra.Command, args []string) error {
			items, err := c.all(cmd.Context(), at("domains", args[0], "deleted-accounts"), nil)
			if err != nil {
				return err
			}
			return c.list(cmd, items, "address", "name", "id", "deleted", "until")
		})
}

func undelete(c *connection) *cobra.Command {
	cmd := verb("undelete ADDRESS", "Give a deleted account back its mail and its address", cobra.ExactArgs(1), nil, nil)
	as := cmd.Flags().String("as", "", "at another address")
	id := cmd.Flags().String("id", "", "which of those that had the address; the last one otherwise")
	stdin := cmd.Flags().Bool("password-stdin", false, "set a new password, from standard input; all passwords are kept otherwise")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := object{}
		for name, v := range map[string]string{"as": *as, "id": *id} {
			if v != "" {
				body[name] = v
			}
		}
		if *stdin {
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			body["password"] = password
		}
		o, _, err := c.call(cmd.Context(), http.MethodPost, at("accounts", args[0], "undelete"), nil, "", body)
		if err != nil {
			return err
		}
		return c.show(cmd, o, "address", "name", "suspended", "id", "created")
	}
	return cmd
}
