package admin

import (
	"net/http"

	"github.com/spf13/cobra"
)

// sharedUse is what the accounts of a domain or tenant may hold together, and do.
func sharedUse() []string {
	return []string{"quota", "message_quota", "usage.messages", "usage.bytes", "usage.counted"}
}

// counter makes the verb that corrects the sum of a domain or tenant.
func (c *connection) counter(what, collection string) *cobra.Command {
	return verb("count NAME", "Ask all accounts of a "+what+" what they hold, and correct its sum", cobra.ExactArgs(1), c.names(at(collection), "name"),
		func(cmd *cobra.Command, args []string) error {
			o, _, err := c.call(cmd.Context(), http.MethodPost, at(collection, args[0], "count"), nil, "", nil)
			if err != nil {
				return err
			}
			return c.show(cmd, o, "messages", "bytes", "counted")
		})
}
