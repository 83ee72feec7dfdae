package admin

import (
	"net/http"
	"os"

	"github.com/spf13/cobra"
)

func routes(c *connection) *cobra.Command {
	fields := []string{"id", "to", "kind", "way", "smarthost", "rate"}
	whole := []string{"id", "tenant", "domain", "to", "kind", "way", "smarthost", "tls", "username", "has_password", "has_certificate", "configuration_set", "rate", "created"}
	return noun("route", "Say how mail leaves for other hosts",
		c.lister("List routes", "/v1/routes", []string{"tenant"}, fields...),
		c.shower("show ID", "Show a route, but not its password", "routes", "id", whole...),
		setRoute(c, whole),
		c.deleter("remove ID", "Remove a route: what it was for goes by the next that fits", "routes", "id", "route %s is removed"),
	)
}

func setRoute(c *connection, fields []string) *cobra.Command {
	cmd := verb("set direct|smarthost|ses|hold [HOST:PORT]", "Set how some mail leaves; of routes that fit, the one of a domain holds before a tenant's and the service's, then that of the longest --to",
		cobra.RangeArgs(1, 2), func(*cobra.Command) []string {
			return []string{"direct", "smarthost", "ses", "hold"}
		}, nil)
	f := cmd.Flags()
	text := map[string]*string{
		"tenant":            f.String("tenant", "", "for mail of this tenant; of all by default"),
		"domain":            f.String("domain", "", "for mail from this domain of ours"),
		"to":                f.String("to", "*", "for mail to example.net, or to *.example.net for what lies below it"),
		"kind":              f.String("kind", "any", "for submission, forward, dsn or report"),
		"tls":               f.String("tls", "", "of a smarthost: opportunistic, encrypted, verified (default) or implicit"),
		"username":          f.String("username", "", "user by which to log in at the smarthost"),
		"configuration_set": f.String("configuration-set", "", "of SES, which sends its events there"),
	}
	stdin := f.Bool("password-stdin", false, "take the password for the smarthost from standard input; without it, the one that was set stays")
	certificate := f.String("certificate", "", "PEM file of our certificate for the smarthost, and its key")
	rate := f.Int("rate", 0, "messages a minute to one domain, of each process that sends; 0 is any number")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"any", "submission", "forward", "dsn", "report"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("tls", cobra.FixedCompletions([]string{"opportunistic", "encrypted", "verified", "implicit"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := object{"way": args[0]}
		if len(args) == 2 {
			body["smarthost"] = args[1]
		}
		for name, v := range text {
			if *v != "" {
				body[name] = *v
			}
		}
		if *rate != 0 {
			body["rate"] = *rate
		}
		if *stdin {
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			body["password"] = password
		}
		if *certificate != "" {
			pem, err := os.ReadFile(*certificate)
			if err != nil {
				return err
			}
			body["certificate"] = string(pem)
		}
		o, _, err := c.call(cmd.Context(), http.MethodPut, "/v1/routes", nil, "", body)
		if err != nil {
			return err
		}
		return c.show(cmd, o, fields...)
	}
	return cmd
}
