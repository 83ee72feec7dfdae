package admin

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// stats makes the verb that shows what is stored. What has an @ is an account, what has a dot
// is a domain.
func stats(c *connection) *cobra.Command {
	cmd := verb("stats ADDRESS|DOMAIN|TENANT", "Show how much mail an account, a domain or a tenant has, and what storing it takes", cobra.ExactArgs(1), nil,
		func(cmd *cobra.Command, args []string) error {
			collection := "tenants"
			if strings.Contains(args[0], "@") {
				collection = "accounts"
			} else if strings.Contains(args[0], ".") {
				collection = "domains"
			}
			o, _, err := c.call(cmd.Context(), http.MethodGet, at(collection, args[0], "stats"), nil, "", nil)
			if err != nil {
				return err
			}
			return c.show(cmd, o, "accounts", "messages", "bytes", "blobs", "stored", "shared", "compressed", "complete")
		})
	cmd.Long = "Shows the size of all messages as clients see them (bytes), of what is stored of them\n" +
		"(stored), and what it saves that recipients and copies of a message share one object\n" +
		"(shared) and that objects are compressed (compressed). It is complete unless it took more\n" +
		"than 20 seconds: then it is of the accounts that were counted."
	return cmd
}
