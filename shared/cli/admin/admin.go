// Package admin has the command's verbs that administer a running service. They are
// clients of its API and of nothing else.
package admin

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// Commands makes the verbs. Each has its own flags for the connection.
func Commands() []*cobra.Command {
	makers := []func(*connection) *cobra.Command{tenants, domains, accounts, aliases, groups, keys, settings, queue, outgoing, routes, suppressions, stats, epochs, importing, exporting, mailboxes, public}
	list := make([]*cobra.Command, 0, len(makers))
	for _, m := range makers {
		c := &connection{}
		cmd := m(c)
		cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
			if c.output != "table" && c.output != "json" {
				return fmt.Errorf("--output: %q is neither table nor json", c.output)
			}
			return nil
		}
		c.flags(cmd)
		list = append(list, cmd)
	}
	return list
}

// noun makes the command of one kind of thing.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(verbs...)
	return cmd
}

// verb makes one command. args is how many arguments it takes; complete, when set,
// lists what the first may be.
func verb(use, short string, args cobra.PositionalArgs, complete func(*cobra.Command) []string, run func(*cobra.Command, []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: args, RunE: run}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if complete == nil || len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// names completes with a field of all that a list has; what fails completes nothing.
func (c *connection) names(path, field string) func(*cobra.Command) []string {
	return func(cmd *cobra.Command) []string {
		items, err := c.all(cmd.Context(), path, nil)
		if err != nil {
			return nil
		}
		var found []string
		for _, item := range items {
			if o, ok := item.(object); ok {
				found = append(found, value(o, field))
			}
		}
		return found
	}
}

// lister makes the verb that lists things.
func (c *connection) lister(short, path string, filters []string, fields ...string) *cobra.Command {
	cmd := verb("list", short, cobra.NoArgs, nil, nil)
	values := make(map[string]*string, len(filters))
	for _, f := range filters {
		values[f] = cmd.Flags().String(f, "", "only of this "+f)
		_ = cmd.RegisterFlagCompletionFunc(f, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return c.names("/v1/"+f+"s", "name")(cmd), cobra.ShellCompDirectiveNoFileComp
		})
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		for f, v := range values {
			if *v != "" {
				query.Set(f, *v)
			}
		}
		items, err := c.all(cmd.Context(), path, query)
		if err != nil {
			return err
		}
		return c.list(cmd, items, fields...)
	}
	return cmd
}

// shower makes the verb that shows one thing.
func (c *connection) shower(use, short, collection, name string, fields ...string) *cobra.Command {
	return verb(use, short, cobra.ExactArgs(1), c.names(at(collection), name), func(cmd *cobra.Command, args []string) error {
		o, _, err := c.call(cmd.Context(), http.MethodGet, at(collection, args[0]), nil, "", nil)
		if err != nil {
			return err
		}
		return c.show(cmd, o, fields...)
	})
}

// deleter makes the verb that deletes things.
func (c *connection) deleter(use, short, collection, name, said string) *cobra.Command {
	return verb(use, short, cobra.ExactArgs(1), c.names(at(collection), name), func(cmd *cobra.Command, args []string) error {
		if _, _, err := c.call(cmd.Context(), http.MethodDelete, at(collection, args[0]), nil, "", nil); err != nil {
			return err
		}
		return c.done(cmd, said, clean(args[0]))
	})
}

// patcher makes a verb that changes one thing to fixed values.
func (c *connection) patcher(use, short, collection, name string, body object, fields ...string) *cobra.Command {
	return verb(use, short, cobra.ExactArgs(1), c.names(at(collection), name), func(cmd *cobra.Command, args []string) error {
		o, _, err := c.call(cmd.Context(), http.MethodPatch, at(collection, args[0]), nil, "", body)
		if err != nil {
			return err
		}
		return c.show(cmd, o, fields...)
	})
}

// create sends a new thing and shows it.
func (c *connection) create(cmd *cobra.Command, path string, body object, fields ...string) error {
	for k, v := range body {
		if v == "" {
			delete(body, k)
		}
	}
	o, _, err := c.call(cmd.Context(), http.MethodPost, path, nil, "", body)
	if err != nil {
		return err
	}
	return c.show(cmd, o, fields...)
}

// readPassword takes the first line of the input, so that a password is neither in the
// shell's history nor in the list of processes.
func readPassword(cmd *cobra.Command) (string, error) {
	b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 4096))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("no password on standard input")
	}
	return line, nil
}
