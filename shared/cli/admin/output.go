package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// show prints one thing: a table of names and values, or JSON as the API gave it.
func (c *connection) show(cmd *cobra.Command, o object, fields ...string) error {
	if c.output == "json" {
		return printJSON(cmd.OutOrStdout(), o)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if v := value(o, f); v != "" {
			fmt.Fprintf(w, "%s:\t%s\n", label(f), v)
		}
	}
	return w.Flush()
}

// list prints things: a table with a column for each field, or a JSON array.
func (c *connection) list(cmd *cobra.Command, items []any, fields ...string) error {
	if c.output == "json" {
		return printJSON(cmd.OutOrStdout(), items)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	heads := make([]string, len(fields))
	for i, f := range fields {
		heads[i] = strings.ToUpper(label(f))
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, item := range items {
		o, _ := item.(object)
		cells := make([]string, len(fields))
		for i, f := range fields {
			if cells[i] = value(o, f); cells[i] == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// done says what was done where the API has nothing to show.
func (c *connection) done(cmd *cobra.Command, format string, args ...any) error {
	if c.output == "json" {
		return printJSON(cmd.OutOrStdout(), object{})
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// label is a field's name for people: the last word of its path, without underscores.
func label(field string) string {
	return strings.ReplaceAll(field[strings.LastIndexByte(field, '.')+1:], "_", " ")
}

// value is a field for people; dots lead into objects.
func value(o object, field string) string {
	name, rest, deeper := strings.Cut(field, ".")
	v, ok := o[name]
	if !ok || v == nil {
		return ""
	}
	if deeper {
		inner, _ := v.(object)
		return value(inner, rest)
	}
	switch v := v.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case []any:
		words := make([]string, len(v))
		for i, w := range v {
			words[i] = clean(fmt.Sprint(w))
		}
		return strings.Join(words, ", ")
	case object:
		return ""
	}
	return clean(fmt.Sprint(v))
}

// clean keeps what others have named from moving the cursor or faking a column.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
			return '?'
		}
		return r
	}, s)
}
