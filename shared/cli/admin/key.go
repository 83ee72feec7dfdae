package admin

import "github.com/spf13/cobra"

func keys(c *connection) *cobra.Command {
	fields := []string{"id", "name", "tenant", "domain", "mail", "created"}
	create := verb("create", "Create an API key; it is shown once", cobra.NoArgs, nil, nil)
	name := create.Flags().String("name", "", "what it is for")
	tenant := create.Flags().String("tenant", "", "for this tenant (a key of the service makes another of the service by default)")
	domain := create.Flags().String("domain", "", "for this domain of the tenant only")
	mail := create.Flags().Bool("mail", false, "it may read and add mail, too: for import and export")
	create.RunE = func(cmd *cobra.Command, _ []string) error {
		body := object{"name": *name, "tenant": *tenant, "domain": *domain}
		if *mail {
			body["mail"] = true
		}
		return c.create(cmd, "/v1/keys", body, append(fields, "secret")...)
	}
	ids := c.lister("List API keys of the service, or of a tenant", "/v1/keys", []string{"tenant"}, fields...)
	return noun("key", "Administer API keys",
		ids,
		c.shower("show ID", "Show an API key, but not its secret", "keys", "id", fields...),
		create,
		c.deleter("revoke ID", "Revoke an API key at once", "keys", "id", "key %s is revoked"),
	)
}
