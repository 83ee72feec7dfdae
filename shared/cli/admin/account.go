package admin

import (
	"net/http"
	"slices"

	"github.com/spf13/cobra"
)

func accounts(c *connection) *cobra.Command {
	fields := []string{"address", "name", "suspended", "id", "created"}
	whole := []string{"address", "name", "tenant", "suspended", "id", "quota", "message_quota", "usage.messages", "usage.bytes", "created"}
	create := verb("create ADDRESS", "Create an account; its password is generated and shown once", cobra.ExactArgs(1), nil, nil)
	name := create.Flags().String("name", "", "whose account it is")
	stdin := create.Flags().Bool("password-stdin", false, "take the password from standard input")
	create.RunE = func(cmd *cobra.Command, args []string) error {
		body := object{"address": args[0], "name": *name}
		if *stdin {
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			body["password"] = password
		}
		return c.create(cmd, "/v1/accounts", body, append(fields, "password")...)
	}
	addresses := c.names("/v1/accounts", "address")
	rename := verb("rename ADDRESS NAME", "Say whose account it is", cobra.ExactArgs(2), addresses, func(cmd *cobra.Command, args []string) error {
		o, _, err := c.call(cmd.Context(), http.MethodPatch, at("accounts", args[0]), nil, "", object{"name": args[1]})
		if err != nil {
			return err
		}
		return c.show(cmd, o, fields...)
	})
	password := verb("password ADDRESS", "Set the password to a line of standard input, and end the account's sessions", cobra.ExactArgs(1), addresses,
		func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			if _, _, err := c.call(cmd.Context(), http.MethodPut, at("accounts", args[0], "password"), nil, "", object{"password": password}); err != nil {
				return err
			}
			return c.done(cmd, "%s has a new password", clean(args[0]))
		})
	return noun("account", "Administer accounts",
		c.lister("List accounts", "/v1/accounts", []string{"tenant", "domain"}, fields...),
		c.shower("show ADDRESS", "Show an account and what it holds", "accounts", "address", whole...),
		create, rename, password, identities(c, addresses), sending(c, addresses),
		appPasswords(c, addresses), history(c, addresses), restore(c, addresses),
		c.patcher("suspend ADDRESS", "Suspend an account: it receives nothing and can't log in", "accounts", "address", object{"suspended": true}, fields...),
		c.patcher("resume ADDRESS", "End an account's suspension", "accounts", "address", object{"suspended": false}, fields...),
		c.deleter("delete ADDRESS", "Delete an account and free its address; for some weeks it can come back", "accounts", "address", "account %s is deleted"),
		deletedAccounts(c), undelete(c),
	)
}

func appPasswords(c *connection, addresses func(*cobra.Command) []string) *cobra.Command {
	fields := []string{"id", "name", "protocols", "created"}
	listed := append(slices.Clip(fields), "last_used")
	create := verb("create ADDRESS", "Make a random password for one program; it is shown once", cobra.ExactArgs(1), addresses, nil)
	name := create.Flags().String("name", "", "what it is for")
	protocols := create.Flags().StringSlice("protocol", nil, "only for submission, imap or pop3; may be repeated")
	_ = create.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{"submission", "imap", "pop3"}, cobra.ShellCompDirectiveNoFileComp))
	create.RunE = func(cmd *cobra.Command, args []string) error {
		body := object{"name": *name}
		if len(*protocols) > 0 {
			body["protocols"] = *protocols
		}
		return c.create(cmd, at("accounts", args[0], "app-passwords"), body, append(fields, "password")...)
	}
	return noun("app-password", "Administer passwords for single programs",
		verb("list ADDRESS", "List an account's app passwords", cobra.ExactArgs(1), addresses, func(cmd *cobra.Command, args []string) error {
			o, _, err := c.call(cmd.Context(), http.MethodGet, at("accounts", args[0], "app-passwords"), nil, "", nil)
			if err != nil {
				return err
			}
			items, _ := o["items"].([]any)
			return c.list(cmd, items, listed...)
		}),
		create,
		verb("revoke ADDRESS ID", "Revoke an app password, and end the account's sessions", cobra.ExactArgs(2), addresses, func(cmd *cobra.Command, args []string) error {
			if _, _, err := c.call(cmd.Context(), http.MethodDelete, at("accounts", args[0], "app-passwords", args[1]), nil, "", nil); err != nil {
				return err
			}
			return c.done(cmd, "app password %s is revoked", clean(args[1]))
		}),
	)
}
