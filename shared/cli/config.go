package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/godwit-mail/godwit/shared/settings"
)

func newConfig(p Process) *cobra.Command {
	config := &cobra.Command{Use: "config", Short: "Show or check the configuration"}
	show := &cobra.Command{
		Use: "show [serve|gateway]", Short: "Print every setting's effective value and where it came from", Args: aRole,
		Long: "Prints every setting of 'godwit serve' or of 'godwit gateway', its effective value and where\n" +
			"that came from.",
	}
	from := settingsFlags(p, show, settings.Serve, settings.Gateway)
	output := show.Flags().StringP("output", "o", "table", "table, json or yaml (which may be used as the configuration file)")
	show.RunE = func(cmd *cobra.Command, role []string) error {
		s, origins, err := from.as(role).load()
		if err != nil {
			return err
		}
		switch *output {
		case "table":
			return showTable(p.Out, s, origins)
		case "json":
			return showJSON(p.Out, s, origins)
		case "yaml":
			return showYAML(p.Out, s, origins)
		}
		return usage{fmt.Errorf("--output: %q is none of table, json, yaml", *output)}
	}
	check := &cobra.Command{
		Use: "check [serve|gateway]", Short: "Tell whether the configuration is right, without starting anything", Args: aRole,
	}
	checked := settingsFlags(p, check, settings.Serve, settings.Gateway)
	check.RunE = func(cmd *cobra.Command, role []string) error {
		s, origins, err := checked.as(role).load()
		if err != nil {
			return err
		}
		set, fields := 0, fieldsOf(s)
		for _, f := range fields {
			if origins[f.Key] != settings.Default {
				set++
			}
		}
		_, err = fmt.Fprintf(p.Out, "the configuration is right: %d settings, %d of them not at their default\n", len(fields), set)
		return err
	}
	config.AddCommand(show, check)
	return config
}

// aRole takes the word for whose settings are meant.
func aRole(_ *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && args[0] != string(settings.Serve) && args[0] != string(settings.Gateway) {
		return fmt.Errorf("serve or gateway")
	}
	return nil
}

// as is c for the role that was named, if one was.
func (c *configured) as(role []string) *configured {
	if len(role) == 1 {
		c.role = settings.Role(role[0])
	}
	return c
}

// fieldsOf are the settings that the process has.
func fieldsOf(s *settings.Settings) (fields []settings.Field) {
	for _, f := range s.Fields() {
		if f.For(s.Role) {
			fields = append(fields, f)
		}
	}
	return fields
}

func showTable(w io.Writer, s *settings.Settings, from settings.Origins) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SETTING\tVALUE\tFROM")
	for _, f := range fieldsOf(s) {
		v := f.String()
		if v == "" {
			v = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Key, v, from[f.Key])
	}
	return t.Flush()
}

func showJSON(w io.Writer, s *settings.Settings, from settings.Origins) error {
	type setting struct {
		Key     string `json:"key"`
		Value   string `json:"value"`
		From    string `json:"from"`
		Default string `json:"default"`
		Help    string `json:"help"`
	}
	var all []setting
	for _, f := range fieldsOf(s) {
		all = append(all, setting{f.Key, f.String(), from[f.Key], f.Default, f.Help})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(all)
}

// showYAML prints a configuration file that gives the same values.
func showYAML(w io.Writer, s *settings.Settings, from settings.Origins) error {
	group := ""
	for _, f := range fieldsOf(s) {
		name, indent := f.Key, ""
		if g, rest, ok := strings.Cut(f.Key, "."); ok {
			if g != group {
				fmt.Fprintf(w, "%s:\n", g)
			}
			group, name, indent = g, rest, "  "
		} else {
			group = ""
		}
		v, err := yaml.Marshal(f.String())
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s# %s\n%s%s: %s # %s\n", indent, f.Help, indent, name, strings.TrimSpace(string(v)), from[f.Key]); err != nil {
			return err
		}
	}
	return nil
}
