package admin

import "github.com/spf13/cobra"

func suppressions(c *connection) *cobra.Command {
	return noun("suppression", "Look after addresses to which no mail is sent any more, as it bounced or their owner complained",
		c.lister("List suppressed addresses", "/v1/suppressions", []string{"tenant"}, "id", "reason", "since", "said"),
		c.deleter("remove ID", "Let an address be sent to again", "suppressions", "id", "%s is sent to again"),
	)
}
