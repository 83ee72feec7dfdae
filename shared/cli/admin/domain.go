package admin

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"
)

func domains(c *connection) *cobra.Command {
	fields := []string{"name", "tenant", "active", "suspended", "catch_all", "postmaster", "created"}
	whole := append(fields, "proof.type", "proof.name", "proof.value")
	create := verb("create NAME", "Create a domain: active at once with a key of the service, else when its owner is proven", cobra.ExactArgs(1), nil, nil)
	tenant := create.Flags().String("tenant", "", "whose domain it is (the key's own tenant by default)")
	_ = create.RegisterFlagCompletionFunc("tenant", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return c.names("/v1/tenants", "name")(cmd), cobra.ShellCompDirectiveNoFileComp
	})
	create.RunE = func(cmd *cobra.Command, args []string) error {
		return c.create(cmd, "/v1/domains", object{"name": args[0], "tenant": *tenant}, whole...)
	}
	return noun("domain", "Administer domains",
		c.lister("List domains", "/v1/domains", []string{"tenant"}, fields...),
		c.shower("show NAME", "Show a domain, and what it holds if it has a quota", "domains", "name", append(whole, sharedUse()...)...),
		c.counter("domain", "domains"),
		create,
		verb("verify NAME", "Look for the DNS record that proves the domain's owner, and activate it", cobra.ExactArgs(1), c.names("/v1/domains", "name"),
			func(cmd *cobra.Command, args []string) error {
				o, _, err := c.call(cmd.Context(), http.MethodPost, at("domains", args[0], "verify"), nil, "", nil)
				if err != nil {
					return err
				}
				return c.show(cmd, o, whole...)
			}),
		c.domainDNS(),
		c.domainReports(),
		c.patcher("suspend NAME", "Suspend a domain: nobody in it receives mail or logs in", "domains", "name", object{"suspended": true}, fields...),
		c.patcher("resume NAME", "End a domain's suspension", "domains", "name", object{"suspended": false}, fields...),
		c.pointer("catch-all NAME [ADDRESS]", "Say who gets mail for unknown users; it is refused without ADDRESS", "domains", "catch_all", fields...),
		c.pointer("postmaster NAME [ADDRESS]", "Say who gets mail for postmaster; the tenant's or service's without ADDRESS", "domains", "postmaster", fields...),
		c.deleter("delete NAME", "Give up a domain that has no addresses", "domains", "name", "domain %s is given up"),
	)
}

// domainDNS is the verb that tells what a domain needs in the DNS.
func (c *connection) domainDNS() *cobra.Command {
	cmd := verb("dns NAME", "Show what a domain needs in the DNS (MX, SPF, DKIM, DMARC, SRV), and what of it is there", cobra.ExactArgs(1), c.names("/v1/domains", "name"), nil)
	rotate := cmd.Flags().Bool("rotate", false, "make new DKIM keys first; those in use go on until the new ones are found in the DNS")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		method, path := http.MethodGet, at("domains", args[0], "dns")
		if *rotate {
			method, path = http.MethodPost, at("domains", args[0], "dns", "rotate")
		}
		o, _, err := c.call(cmd.Context(), method, path, nil, "", nil)
		if err != nil {
			return err
		}
		records, _ := o["records"].([]any)
		return c.list(cmd, records, "found", "type", "name", "value")
	}
	return cmd
}

// domainReports is the verb that tells what others have reported.
func (c *connection) domainReports() *cobra.Command {
	cmd := verb("reports NAME", "Show what other hosts have reported of a domain: mail in its name (DMARC), TLS with its hosts", cobra.ExactArgs(1), c.names("/v1/domains", "name"), nil)
	days := cmd.Flags().Int("days", 30, "how far back")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, _, err := c.call(cmd.Context(), http.MethodGet, at("domains", args[0], "reports")+"?days="+strconv.Itoa(*days), nil, "", nil)
		if err != nil {
			return err
		}
		list, _ := o["reports"].([]any)
		for _, r := range list {
			if r, ok := r.(object); ok {
				causes, _ := r["causes"].([]any)
				if len(causes) > 0 {
					worst, _ := causes[0].(object)
					r["worst"] = worst["name"]
				}
			}
		}
		return c.list(cmd, list, "begin", "kind", "reporter", "passed", "failed", "worst")
	}
	return cmd
}
