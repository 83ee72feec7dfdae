package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func outgoing(c *connection) *cobra.Command {
	fields := []string{"id", "from", "open", "held", "sending", "received", "reason"}
	show := verb("show ID", "Show a mail, and each of its recipients", cobra.ExactArgs(1), c.names("/v1/outgoing", "id"), func(cmd *cobra.Command, args []string) error {
		o, _, err := c.call(cmd.Context(), http.MethodGet, at("outgoing", args[0]), nil, "", nil)
		if err != nil {
			return err
		}
		if c.output != "json" {
			if err := c.show(cmd, o, "id", "tenant", "kind", "from", "size", "received", "expires", "sending"); err != nil {
				return err
			}
			to, _ := o["recipients"].([]any)
			return c.list(cmd, to, "address", "state", "tries", "next", "way", "host", "said")
		}
		return c.show(cmd, o)
	})
	list := verb("list", "List mail on its way", cobra.NoArgs, nil, nil)
	meant := c.selection(list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		for name, v := range meant {
			if *v != "" {
				query.Set(name, *v)
			}
		}
		items, err := c.all(cmd.Context(), "/v1/outgoing", query)
		if err != nil {
			return err
		}
		return c.list(cmd, items, fields...)
	}
	route := c.changer("route [ID]", "Choose another way for mail", "route", "goes another way", func(cmd *cobra.Command) func() (object, error) {
		way := cmd.Flags().String("way", "", "direct, ses, default (of mail for which there is no route) or routes (what they say)")
		by := cmd.Flags().String("route", "", "id of the route to take instead")
		_ = cmd.RegisterFlagCompletionFunc("way", cobra.FixedCompletions([]string{"direct", "ses", "default", "routes"}, cobra.ShellCompDirectiveNoFileComp))
		return func() (object, error) {
			if (*way == "") == (*by == "") {
				return nil, fmt.Errorf("give --way or --route")
			}
			return object{"way": *way, "route": *by}, nil
		}
	})
	return noun("outgoing", "Look after mail on its way to other hosts", list, show,
		c.changer("retry [ID]", "Try mail again now", "retry", "is tried again", nil),
		c.changer("hold [ID]", "Hold mail: it stays, and its time does not run, until it is released", "hold", "is held", nil),
		c.changer("release [ID]", "Let mail go on that is held", "release", "goes on", nil),
		route,
		c.changer("drop [ID]", "Give mail up: who hasn't got it doesn't get it, and its sender is told", "drop", "is given up", nil),
	)
}

// selection adds the flags that pick mails.
func (c *connection) selection(cmd *cobra.Command) map[string]*string {
	return map[string]*string{
		"tenant":    cmd.Flags().String("tenant", "", "mail of this tenant"),
		"domain":    cmd.Flags().String("domain", "", "mail to recipients in this domain"),
		"recipient": cmd.Flags().String("recipient", "", "mail to this recipient"),
		"from":      cmd.Flags().String("from", "", "mail from this domain"),
	}
}

// changer makes a verb that changes one mail, or all that are picked.
func (c *connection) changer(use, short, action, said string, more func(*cobra.Command) func() (object, error)) *cobra.Command {
	cmd := verb(use, short, cobra.MaximumNArgs(1), c.names("/v1/outgoing", "id"), nil)
	meant := c.selection(cmd)
	every := cmd.Flags().Bool("all", false, "all mail")
	extra := func() (object, error) { return object{}, nil }
	if more != nil {
		extra = more(cmd)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := extra()
		if err != nil {
			return err
		}
		body["action"] = action
		picked := false
		query := url.Values{}
		for name, v := range meant {
			picked = picked || *v != ""
			if name == "tenant" && *v != "" {
				query.Set(name, *v)
			} else if name != "tenant" {
				body[name] = *v
			}
		}
		for name, v := range body {
			if v == "" {
				delete(body, name)
			}
		}
		if len(args) == 1 {
			if query.Has("tenant") || *every {
				return fmt.Errorf("give an ID, or --tenant or --all")
			}
			if _, _, err := c.call(cmd.Context(), http.MethodPost, at("outgoing", args[0], "change"), nil, "", body); err != nil {
				return err
			}
			return c.done(cmd, "mail %s "+said, clean(args[0]))
		}
		if picked == *every {
			return fmt.Errorf("say which mail: an ID, --tenant, --domain, --recipient, --from, or else --all")
		}
		return c.changeAll(cmd, query, body, said)
	}
	return cmd
}

// changeAll changes all mails that are picked, page by page.
func (c *connection) changeAll(cmd *cobra.Command, query url.Values, body object, said string) error {
	var changed, busy int64
	for {
		o, _, err := c.call(cmd.Context(), http.MethodPost, "/v1/outgoing", query, "", body)
		if err != nil {
			return err
		}
		changed, busy = changed+count(o, "changed"), busy+count(o, "busy")
		next, _ := o["next"].(string)
		if next == "" {
			break
		}
		query.Set("cursor", next)
	}
	return c.done(cmd, "of %d mails each "+said+"; %d are being sent and stay as they are", changed, busy)
}

func count(o object, field string) int64 {
	number, _ := o[field].(json.Number)
	n, _ := number.Int64()
	return n
}
