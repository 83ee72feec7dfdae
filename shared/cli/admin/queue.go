package admin

import (
	"net/http"

	"github.com/spf13/cobra"
)

func queue(c *connection) *cobra.Command {
	fields := []string{"id", "tenant", "from", "failures", "parked", "reason"}
	whole := []string{"id", "tenant", "from", "recipients", "size", "received", "parked", "failures", "reason"}
	retry := verb("retry ID", "Try a parked job again", cobra.ExactArgs(1), c.names("/v1/queue", "id"), nil)
	duplicate := retry.Flags().Bool("may-duplicate", false, "even if it can't be told any more which mailboxes have the message already")
	retry.RunE = func(cmd *cobra.Command, args []string) error {
		if _, _, err := c.call(cmd.Context(), http.MethodPost, at("queue", args[0], "retry"), nil, "", object{"may_duplicate": *duplicate}); err != nil {
			return err
		}
		return c.done(cmd, "job %s is tried again", clean(args[0]))
	}
	return noun("queue", "Look after jobs that could not be done and were parked",
		c.lister("List parked jobs", "/v1/queue", []string{"tenant"}, fields...),
		c.shower("show ID", "Show a parked job", "queue", "id", whole...),
		retry,
		c.deleter("drop ID", "Drop a parked job: its message is lost", "queue", "id", "job %s is dropped"),
	)
}
