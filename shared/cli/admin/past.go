package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const timeHelp = `a time ("2026-05-01T09:41:00Z", "2026-05-01 09:41" here) or how long ago ("90m", "36h")`

// moment reads a time as timeHelp says.
func moment(flag, text string, now time.Time) (string, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago).UTC().Format(time.RFC3339Nano), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC().Format(time.RFC3339Nano), nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t.UTC().Format(time.RFC3339), nil
		}
	}
	return "", fmt.Errorf("--%s: %q is neither %s", flag, text, timeHelp)
}

func history(c *connection, addresses func(*cobra.Command) []string) *cobra.Command {
	cmd := verb("history ADDRESS", "Tell what happened to an account: when, to what, by which protocol", cobra.ExactArgs(1), addresses, nil)
	mailbox := cmd.Flags().String("mailbox", "", "only what happened to this mailbox")
	id := cmd.Flags().String("message", "", "only what happened to the message with this EMAILID")
	since := cmd.Flags().String("since", "", "only from then on: "+timeHelp)
	until := cmd.Flags().String("until", "", "only up to then")
	subjects := cmd.Flags().Bool("subjects", false, "show messages' subjects, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{}
		for name, v := range map[string]string{"mailbox": *mailbox, "message": *id} {
			if v != "" {
				query.Set(name, v)
			}
		}
		for name, v := range map[string]string{"since": *since, "until": *until} {
			if v == "" {
				continue
			}
			t, err := moment(name, v, time.Now())
			if err != nil {
				return err
			}
			query.Set(name, t)
		}
		fields := []string{"time", "what", "mailbox", "to", "flags", "count", "ids", "protocol", "actor"}
		if *subjects {
			query.Set("subjects", "true")
			fields = append(fields, "subjects")
		}
		items, err := c.all(cmd.Context(), at("accounts", args[0], "history"), query)
		if err != nil {
			return err
		}
		if c.output != "json" {
			for _, item := range items {
				o, _ := item.(object)
				o["ids"], o["subjects"] = ofMessages(o, "id"), ofMessages(o, "subject")
			}
		}
		return c.list(cmd, items, fields...)
	}
	return cmd
}

// maxNamed is how many of an event's messages a line of the table names.
const maxNamed = 3

func ofMessages(o object, field string) string {
	list, _ := o["messages"].([]any)
	var words []string
	for _, m := range list {
		m, _ := m.(object)
		if v := value(m, field); v != "" && len(words) < maxNamed {
			words = append(words, v)
		}
	}
	if len(list) > maxNamed && len(words) > 0 {
		words = append(words, "...")
	}
	return strings.Join(words, ", ")
}

func restore(c *connection, addresses func(*cobra.Command) []string) *cobra.Command {
	cmd := verb("restore ADDRESS", "Make an account, or one mailbox of it, as it was at a time; what came later stays", cobra.ExactArgs(1), addresses, nil)
	when := cmd.Flags().String("at", "", timeHelp)
	mailbox := cmd.Flags().String("mailbox", "", "only the messages of the one that had this name then")
	into := cmd.Flags().String("into", "", "restore into a new mailbox, or a tree of them, of this name")
	exact := cmd.Flags().Bool("exact", false, "remove what came later")
	dry := cmd.Flags().Bool("dry-run", false, "only say what would be done")
	since := cmd.Flags().Uint64("since", 0, "go on with a restore that was interrupted: the number it has shown")
	_ = cmd.MarkFlagRequired("at")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := moment("at", *when, time.Now())
		if err != nil {
			return err
		}
		body := object{"at": t, "exact": *exact, "dry_run": *dry, "since": *since}
		for name, v := range map[string]string{"mailbox": *mailbox, "into": *into} {
			if v != "" {
				body[name] = v
			}
		}
		fields := []string{"messages", "bytes", "flags", "removed", "mailboxes_created", "mailboxes_renamed", "mailboxes_deleted", "subscriptions"}
		total := map[string]int64{}
		for {
			o, _, err := c.call(cmd.Context(), http.MethodPost, at("accounts", args[0], "restore"), nil, "", body)
			if err != nil {
				if body["since"] != *since {
					return fmt.Errorf("%w; go on with --at %s --since %v", err, t, body["since"])
				}
				return err
			}
			for _, f := range fields {
				if n, ok := o[f].(json.Number); ok {
					v, _ := n.Int64()
					total[f] += v
					o[f] = total[f]
				}
			}
			if done, _ := o["done"].(bool); done {
				return c.show(cmd, o, fields...)
			}
			// The time is kept as it was read: "an hour ago" does not move.
			body["since"] = o["since"]
			fmt.Fprintf(cmd.ErrOrStderr(), "%d messages are back, going on (since %v)\n", total["messages"], o["since"])
		}
	}
	return cmd
}
