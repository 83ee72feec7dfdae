package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/godwit-mail/godwit/shared/settings"
)

// configured is where a verb's settings come from.
type configured struct {
	p     Process
	role  settings.Role
	file  string
	flags map[string]string
}

const fileVariable = "GODWIT_CONFIG"

// settingsFlags gives cmd a flag for each setting of the roles, the first of which is the
// one that is loaded, unless another is chosen.
func settingsFlags(p Process, cmd *cobra.Command, roles ...settings.Role) *configured {
	c := &configured{p: p, role: roles[0], flags: map[string]string{}}
	c.file = p.variable(fileVariable)
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.file, "config", c.file, "configuration file (YAML; "+fileVariable+")")
	for _, f := range settings.Table(c.role) {
		if !slices.ContainsFunc(roles, f.For) {
			continue
		}
		v := &settingFlag{to: c.flags, name: f.Flag(), shown: f.Default}
		flag := cmd.Flags().VarPF(v, f.Flag(), "", f.Help+" ("+f.Env()+")")
		if f.Bool {
			flag.NoOptDefVal = "true"
		}
	}
	return c
}

// variable gives a variable of the environment, "" when it isn't there.
func (p *Process) variable(name string) (value string) {
	for _, line := range p.Env {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value = v
		}
	}
	return value
}

func (c *configured) load() (*settings.Settings, settings.Origins, error) {
	s, from, err := settings.Load(c.role, c.file, c.p.Env, c.flags)
	if err != nil {
		return nil, nil, usage{err}
	}
	return s, from, nil
}

// settingFlag keeps the text; package settings judges it, as it does that of a file.
type settingFlag struct {
	to          map[string]string
	name, shown string
}

func (v *settingFlag) Set(s string) error { v.to[v.name], v.shown = s, s; return nil }
func (v *settingFlag) String() string     { return v.shown }
func (v *settingFlag) Type() string       { return "value" }

// flagError says which flag was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return usage{fmt.Errorf("%s: %w; see '%s --help'", cmd.CommandPath(), err, cmd.CommandPath())}
	}
	near := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if near == "" || settings.Distance(name, f.Name) < settings.Distance(name, near) {
			near = f.Name
		}
	})
	// "--address" is near to nothing, but several flags end with it.
	var ends []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if strings.HasSuffix(f.Name, "-"+name) {
			ends = append(ends, "--"+f.Name)
		}
	})
	slices.Sort(ends)
	switch {
	case len(ends) > 0:
		near = strings.Join(ends, " or ")
	case near != "" && settings.Distance(name, near) <= max(2, len(name)/3):
		near = "--" + near
	default:
		return usage{fmt.Errorf("%s: there is no flag --%s; see '%s --help'", cmd.CommandPath(), name, cmd.CommandPath())}
	}
	return usage{fmt.Errorf("%s: there is no flag --%s; did you mean %s?", cmd.CommandPath(), name, near)}
}
