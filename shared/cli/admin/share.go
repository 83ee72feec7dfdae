package admin

import (
	"net/http"

	"github.com/spf13/cobra"
)

func mailboxes(c *connection) *cobra.Command {
	fields := []string{"mailbox", "with", "rights", "shared_seen"}
	addresses := c.names("/v1/accounts", "address")
	put := func(cmd *cobra.Command, args []string, body object) (object, error) {
		body["mailbox"] = args[1]
		o, _, err := c.call(cmd.Context(), http.MethodPut, at("accounts", args[0], "shares"), nil, "", body)
		return o, err
	}
	share := verb("share ADDRESS MAILBOX", "Let somebody use a mailbox of an account", cobra.ExactArgs(2), addresses, nil)
	with := share.Flags().String("with", "", "an account or group by its address, or anyone: all accounts of the tenant")
	rights := share.Flags().String("rights", "lrs", "what they may do: letters of lrswipkxtea")
	seen := share.Flags().Bool("shared-seen", false, "one mark of what was read for all, and not one for each")
	_ = share.MarkFlagRequired("with")
	share.RunE = func(cmd *cobra.Command, args []string) error {
		body := object{"with": *with, "rights": *rights}
		if cmd.Flags().Changed("shared-seen") {
			body["shared_seen"] = *seen
		}
		o, err := put(cmd, args, body)
		if err != nil {
			return err
		}
		return c.show(cmd, o, fields...)
	}
	unshare := verb("unshare ADDRESS MAILBOX", "Take away what somebody may do with a mailbox", cobra.ExactArgs(2), addresses, nil)
	from := unshare.Flags().String("with", "", "who it is shared with")
	_ = unshare.MarkFlagRequired("with")
	unshare.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := put(cmd, args, object{"with": *from, "rights": ""}); err != nil {
			return err
		}
		return c.done(cmd, "mailbox %s is not shared with %s", clean(args[1]), clean(*from))
	}
	return noun("mailbox", "Share mailboxes within a tenant",
		verb("shares ADDRESS", "List what an account shares", cobra.ExactArgs(1), addresses, func(cmd *cobra.Command, args []string) error {
			o, _, err := c.call(cmd.Context(), http.MethodGet, at("accounts", args[0], "shares"), nil, "", nil)
			if err != nil {
				return err
			}
			items, _ := o["items"].([]any)
			return c.list(cmd, items, fields...)
		}),
		share, unshare)
}

func public(c *connection) *cobra.Command {
	create := verb("create ADDRESS", "Make mailboxes that belong to nobody, which all accounts of the tenant find below Shared/", cobra.ExactArgs(1), nil, nil)
	name := create.Flags().String("name", "", "what they are for")
	anyone := create.Flags().String("anyone", "lrsp", "what all accounts of the tenant may do: letters of lrswipkxtea; with p it takes mail at its address")
	create.RunE = func(cmd *cobra.Command, args []string) error {
		return c.create(cmd, "/v1/accounts", object{"address": args[0], "name": *name, "public": true, "anyone": *anyone}, "address", "name", "public", "id", "created")
	}
	return noun("public", "Administer mailboxes that belong to nobody", create,
		c.deleter("delete ADDRESS", "Delete public mailboxes; for some weeks they can come back", "accounts", "address", "public mailboxes %s are deleted"))
}
