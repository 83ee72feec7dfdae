package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"
)

func aliases(c *connection) *cobra.Command {
	fields := []string{"address", "target", "created"}
	return noun("alias", "Administer aliases",
		c.lister("List aliases", "/v1/aliases", []string{"tenant", "domain"}, fields...),
		c.shower("show ADDRESS", "Show an alias", "aliases", "address", fields...),
		verb("create ADDRESS TARGET", "Create an address that leads to another", cobra.ExactArgs(2), nil, func(cmd *cobra.Command, args []string) error {
			return c.create(cmd, "/v1/aliases", object{"address": args[0], "target": args[1]}, fields...)
		}),
		verb("lead ADDRESS TARGET", "Lead an alias to another address", cobra.ExactArgs(2), c.names("/v1/aliases", "address"), func(cmd *cobra.Command, args []string) error {
			o, _, err := c.call(cmd.Context(), http.MethodPatch, at("aliases", args[0]), nil, "", object{"target": args[1]})
			if err != nil {
				return err
			}
			return c.show(cmd, o, fields...)
		}),
		c.deleter("delete ADDRESS", "Delete an alias", "aliases", "address", "alias %s is deleted"),
	)
}

func groups(c *connection) *cobra.Command {
	fields := []string{"address", "members", "created"}
	names := c.names("/v1/groups", "address")
	change := func(edit func(members []string, given []string) ([]string, error)) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			o, err := c.replace(cmd, at("groups", args[0]), at("groups", args[0], "members"), func(o object) (any, error) {
				var members []string
				list, _ := o["members"].([]any)
				for _, m := range list {
					members = append(members, fmt.Sprint(m))
				}
				members, err := edit(members, args[1:])
				if members == nil {
					members = []string{}
				}
				return object{"members": members}, err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, o, fields...)
		}
	}
	return noun("group", "Administer groups",
		c.lister("List groups", "/v1/groups", []string{"tenant", "domain"}, fields...),
		c.shower("show ADDRESS", "Show a group", "groups", "address", fields...),
		verb("create ADDRESS [MEMBER...]", "Create an address that leads to others", cobra.MinimumNArgs(1), nil, func(cmd *cobra.Command, args []string) error {
			return c.create(cmd, "/v1/groups", object{"address": args[0], "members": args[1:]}, fields...)
		}),
		verb("add ADDRESS MEMBER...", "Add members to a group", cobra.MinimumNArgs(2), names, change(func(members, given []string) ([]string, error) {
			return append(members, given...), nil
		})),
		verb("remove ADDRESS MEMBER...", "Remove members from a group", cobra.MinimumNArgs(2), names, change(func(members, given []string) ([]string, error) {
			for _, g := range given {
				i := slices.Index(members, g)
				if i < 0 {
					return nil, fmt.Errorf("%s is no member", clean(g))
				}
				members = slices.Delete(members, i, i+1)
			}
			return members, nil
		})),
		c.deleter("delete ADDRESS", "Delete a group", "groups", "address", "group %s is deleted"),
	)
}

// replace reads a thing, edits it and puts the result in place of what was read; when
// somebody else was faster it begins again.
func (c *connection) replace(cmd *cobra.Command, from, to string, edit func(object) (any, error)) (object, error) {
	const tries = 5
	for try := 1; ; try++ {
		o, tag, err := c.call(cmd.Context(), http.MethodGet, from, nil, "", nil)
		if err != nil {
			return nil, err
		}
		body, err := edit(o)
		if err != nil {
			return nil, err
		}
		o, _, err = c.call(cmd.Context(), http.MethodPut, to, nil, tag, body)
		var p *problem
		if errors.As(err, &p) && p.Status == http.StatusPreconditionFailed && try < tries {
			continue
		}
		return o, err
	}
}
