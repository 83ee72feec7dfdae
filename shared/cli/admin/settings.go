package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// settingNames are the settings, and what each takes.
func settingNames() []string {
	return []string{"quota=", "messages=", "domain-quota=", "domain-messages=", "tenant-quota=", "tenant-messages=", "quota-warnings=",
		"protocols=", "scram=", "subaddresses=", "openid-issuer=", "openid-audience=", "openid-claim=",
		"from-check=", "sent-copy=", "sending=", "domain-sending=", "tenant-sending=", "brake="}
}

// inGroup tells whether a setting is a group of numbers, and which.
func inGroup(name string) []string {
	switch name {
	case "sending", "domain_sending", "tenant_sending":
		return []string{"messages_hour", "messages_day", "recipients_hour", "recipients_day"}
	case "brake":
		return []string{"failures", "of", "burst", "factor"}
	}
	return nil
}

func settings(c *connection) *cobra.Command {
	var tenant, domain, account string
	path := func() (string, error) {
		var given []string
		for collection, name := range map[string]string{"tenants": tenant, "domains": domain, "accounts": account} {
			if name != "" {
				given = append(given, at(collection, name, "settings"))
			}
		}
		switch len(given) {
		case 0:
			return "/v1/settings", nil
		case 1:
			return given[0], nil
		}
		return "", fmt.Errorf("give one of --tenant, --domain and --account")
	}
	cmd := noun("settings", "Show and change settings: of the service, or of a tenant, a domain or an account",
		verb("show", "Show settings, set here and in effect", cobra.NoArgs, nil, func(cmd *cobra.Command, _ []string) error {
			p, err := path()
			if err != nil {
				return err
			}
			o, _, err := c.call(cmd.Context(), "GET", p, nil, "", nil)
			if err != nil {
				return err
			}
			return c.showSettings(cmd, o)
		}),
		verb("set NAME=VALUE...", "Set quota=BYTES (or 500M, 2G) and messages=NUMBER of an account, the same with domain- or tenant- before it of all accounts together, quota-warnings=on|off, protocols=imap,pop3,submission, scram=on|off, subaddresses=on|off, openid-issuer=URL|none with openid-audience=TEXT and openid-claim=NAME, from-check=on|off, sent-copy=on|off, sending=messages-hour:NUMBER,messages-day:NUMBER,recipients-hour:NUMBER,recipients-day:NUMBER (the same with domain- or tenant- before it of all accounts together), brake=failures:PERCENT,of:RECIPIENTS,burst:RECIPIENTS,factor:NUMBER, each of them off; NAME= inherits again",
			cobra.MinimumNArgs(1), func(*cobra.Command) []string { return settingNames() }, func(cmd *cobra.Command, args []string) error {
				p, err := path()
				if err != nil {
					return err
				}
				o, err := c.replace(cmd, p, p, func(o object) (any, error) {
					own, _ := o["own"].(object)
					if own == nil {
						own = object{}
					}
					for _, a := range args {
						if err := setting(own, a); err != nil {
							return nil, err
						}
					}
					return own, nil
				})
				if err != nil {
					return err
				}
				return c.showSettings(cmd, o)
			}),
	)
	f := cmd.PersistentFlags()
	f.StringVar(&tenant, "tenant", "", "of this tenant")
	f.StringVar(&domain, "domain", "", "of this domain")
	f.StringVar(&account, "account", "", "of this account")
	for flag, from := range map[string]func(*cobra.Command) []string{"tenant": c.names("/v1/tenants", "name"), "domain": c.names("/v1/domains", "name"), "account": c.names("/v1/accounts", "address")} {
		_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return from(cmd), cobra.ShellCompDirectiveNoFileComp
		})
	}
	return cmd
}

// showSettings prints one line for each setting.
func (c *connection) showSettings(cmd *cobra.Command, o object) error {
	if c.output == "json" {
		return printJSON(cmd.OutOrStdout(), o)
	}
	var items []any
	for _, n := range settingNames() {
		name := strings.TrimSuffix(n, "=")
		field := strings.ReplaceAll(name, "-", "_") // as the API has it
		field = strings.Replace(field, "openid_", "openid.", 1)
		effective, own := value(o, "effective."+field), value(o, "own."+field)
		if numbers := inGroup(field); numbers != nil {
			effective, own = groupText(o["effective"], field, numbers), groupText(o["own"], field, numbers)
		}
		item := object{"setting": name, "effective": first(effective, "none"), "set_here": own}
		items = append(items, item)
	}
	return c.list(cmd, items, "setting", "effective", "set_here")
}

// setting changes one of the settings as it was typed.
func setting(own object, typed string) error {
	name, text, ok := strings.Cut(typed, "=")
	if !ok || !slices.Contains(settingNames(), name+"=") {
		return fmt.Errorf("%q: settings are %s", typed, strings.Join(settingNames(), " "))
	}
	if field, ok := strings.CutPrefix(name, "openid-"); ok {
		provider(own, field, text)
		return nil
	}
	name = strings.ReplaceAll(name, "-", "_")
	if text == "" {
		delete(own, name)
		return nil
	}
	if numbers := inGroup(name); numbers != nil {
		g, err := group(numbers, text)
		own[name] = g
		return err
	}
	switch name {
	case "messages", "domain_messages", "tenant_messages":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%s is a number of messages, not %q", typed[:len(typed)-len(text)-1], text)
		}
		own[name] = n
	case "quota", "domain_quota", "tenant_quota":
		n, err := size(text)
		if err != nil {
			return err
		}
		own[name] = n
	case "protocols":
		if own[name] = strings.Split(text, ","); text == "none" {
			own[name] = []string{}
		}
	default:
		switch text {
		case "on", "yes", "true":
			own[name] = true
		case "off", "no", "false":
			own[name] = false
		default:
			return fmt.Errorf("%s is on or off, not %q", name, text)
		}
	}
	return nil
}

// group reads numbers by their names: messages-hour:100,recipients-day:1000. What isn't named
// is 0; off is none of them.
func group(numbers []string, text string) (object, error) {
	o := object{}
	for _, n := range numbers {
		o[n] = 0
	}
	for part := range strings.SplitSeq(text, ",") {
		if text == "off" {
			break
		}
		name, digits, _ := strings.Cut(part, ":")
		n, err := strconv.ParseInt(digits, 10, 64)
		if name = strings.ReplaceAll(name, "-", "_"); err != nil || n < 0 || !slices.Contains(numbers, name) {
			return nil, fmt.Errorf("%q is not NAME:NUMBER with one of %s", part, strings.ReplaceAll(strings.Join(numbers, " "), "_", "-"))
		}
		o[name] = n
	}
	return o, nil
}

// groupText is a group of some settings as it is typed; "" if it isn't among them.
func groupText(of any, name string, numbers []string) string {
	all, _ := of.(object)
	o, ok := all[name].(object)
	if !ok {
		return ""
	}
	var parts []string
	for _, n := range numbers {
		if x := o[n]; x != nil && fmt.Sprint(x) != "0" {
			parts = append(parts, strings.ReplaceAll(n, "_", "-")+":"+fmt.Sprint(x))
		}
	}
	if len(parts) == 0 {
		return "off"
	}
	return strings.Join(parts, ",")
}

// provider changes a field of the OpenID provider, which is inherited as a whole: without
// an issuer here there is nothing here.
func provider(own object, field, text string) {
	p, _ := own["openid"].(object)
	if p == nil {
		p = object{}
	}
	switch {
	case field == "issuer" && text == "none":
		p = object{"issuer": ""}
	case text == "":
		delete(p, field)
	default:
		p[field] = text
	}
	if own["openid"] = p; len(p) == 0 || field == "issuer" && text == "" {
		delete(own, "openid")
	}
}

// size reads bytes, with a K, M, G or T (or KiB, MiB, GiB, TiB) for 1024 and its powers.
func size(text string) (int64, error) {
	digits, shift := text, 0
	short := strings.TrimSuffix(text, "iB")
	if i := strings.IndexByte("KMGT", last(short)&^0x20); i >= 0 {
		digits, shift = short[:len(short)-1], 10*(i+1)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return 0, fmt.Errorf("quota is a number of bytes, such as 500MiB or 2G, not %q", text)
	}
	return n << shift, nil
}

func last(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}
