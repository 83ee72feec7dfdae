package admin

import (
	"net/http"

	"github.com/spf13/cobra"
)

func outgoing(c *connection) *cobra.Command {
	fields := []string{"id", "from", "open", "sending", "received", "reason"}
	show := verb("show ID", "Show a mail, and each of its recipients", cobra.ExactArgs(1), c.names("/v1/outgoing", "id"), func(cmd *cobra.Command, args []string) error {
		o, _, err := c.call(cmd.Context(), http.MethodGet, at("outgoing", args[0]), nil, "", nil)
		if err != nil {
			return err
		}
		if c.output != "json" {
			if err := c.show(cmd, o, "id", "tenant", "from", "size", "received", "expires", "sending"); err != nil {
				return err
			}
			to, _ := o["recipients"].([]any)
			return c.list(cmd, to, "address", "state", "tries", "next", "host", "said")
		}
		return c.show(cmd, o)
	})
	retry := verb("retry ID", "Try a mail again now", cobra.ExactArgs(1), c.names("/v1/outgoing", "id"), func(cmd *cobra.Command, args []string) error {
		if _, _, err := c.call(cmd.Context(), http.MethodPost, at("outgoing", args[0], "retry"), nil, "", nil); err != nil {
			return err
		}
		return c.done(cmd, "mail %s is tried again", clean(args[0]))
	})
	return noun("outgoing", "Look after mail on its way to other hosts",
		c.lister("List mail on its way", "/v1/outgoing", []string{"tenant"}, fields...),
		show,
		retry,
		c.deleter("drop ID", "Give a mail up: who hasn't got it doesn't get it, and its sender is told", "outgoing", "id", "mail %s is given up"),
	)
}
