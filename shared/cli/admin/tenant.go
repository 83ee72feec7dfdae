package admin

import (
	"net/http"

	"github.com/spf13/cobra"
)

func tenants(c *connection) *cobra.Command {
	fields := []string{"name", "suspended", "postmaster", "created"}
	return noun("tenant", "Administer tenants",
		c.lister("List tenants", "/v1/tenants", nil, fields...),
		c.shower("show NAME", "Show a tenant, and what it holds if it has a quota", "tenants", "name", append(fields, sharedUse()...)...),
		c.counter("tenant", "tenants"),
		verb("create NAME", "Create a tenant", cobra.ExactArgs(1), nil, func(cmd *cobra.Command, args []string) error {
			return c.create(cmd, "/v1/tenants", object{"name": args[0]}, fields...)
		}),
		c.patcher("suspend NAME", "Suspend a tenant: nobody of it receives mail or logs in", "tenants", "name", object{"suspended": true}, fields...),
		c.patcher("resume NAME", "End a tenant's suspension", "tenants", "name", object{"suspended": false}, fields...),
		c.pointer("postmaster NAME [ADDRESS]", "Say who gets mail for postmaster in the tenant's domains; nobody without ADDRESS", "tenants", "postmaster", fields...),
		c.deleter("delete NAME", "Delete a tenant that has no domains", "tenants", "name", "tenant %s is deleted"),
	)
}

// pointer makes a verb that sets or clears an address of one thing.
func (c *connection) pointer(use, short, collection, field string, fields ...string) *cobra.Command {
	return verb(use, short, cobra.RangeArgs(1, 2), c.names(at(collection), "name"), func(cmd *cobra.Command, args []string) error {
		o, _, err := c.call(cmd.Context(), http.MethodPatch, at(collection, args[0]), nil, "", object{field: append(args, "")[1]})
		if err != nil {
			return err
		}
		return c.show(cmd, o, fields...)
	})
}
