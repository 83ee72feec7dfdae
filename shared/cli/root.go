// Package cli is the godwit command: its verbs, its flags, what it prints and its exit
// codes. Verbs only wire; what they do lives elsewhere.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/cli/admin"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // it was tried and failed
	exitUsage   = 2 // it was not tried: an unknown verb, flag or setting, or a wrong value
)

// Process is what a verb has of the world.
type Process struct {
	Args     []string // without the command's own name
	Env      []string // NAME=value
	In       io.Reader
	Out, Err io.Writer
	// Stop gives a context that ends when the process is asked to end, and what to call
	// when it is no longer needed. The second request ends the process at once.
	Stop func() (context.Context, context.CancelFunc)
}

// usage is the error of a command that can't be understood.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// Main runs the command and gives the exit code. Errors are printed to p.Err, one a
// line.
func Main(p Process) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintln(p.Err, "godwit:", line)
		}
	}
	if u := (usage{}); errors.As(err, &u) {
		return exitUsage
	}
	return exitFailure
}

func newRoot(p Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "godwit",
		Short: "A mail service in one process",
		Long: "Godwit receives, stores and serves mail: SMTP in, IMAP and POP3 out, an HTTP API to\n" +
			"administer it. 'godwit serve' runs all of it on one machine with its data in one folder.",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(newServe(p), newGateway(p), newConfig(p), newCheck(p), newDeploy(p), newBackup(p), newRestoreFrom(p), newVersion())
	root.AddCommand(admin.Commands()...)
	strict(root)
	return root
}

// strict makes mistakes in words and flags errors of one line that say what was
// probably meant, in cmd and all below it.
func strict(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(flagError)
	if args := cmd.Args; args != nil {
		cmd.Args = func(c *cobra.Command, a []string) error {
			if err := args(c, a); err != nil {
				_, takes, _ := strings.Cut(c.Use, " ")
				if takes == "" {
					takes = "no argument"
				}
				return usage{fmt.Errorf("'%s' takes %s, and was given %s; see '%[1]s --help'", c.CommandPath(), takes, given(a))}
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.SuggestionsMinimumDistance = 2
		cmd.RunE = func(c *cobra.Command, a []string) error {
			if len(a) == 0 {
				return c.Help()
			}
			return usage{fmt.Errorf("there is no %q in '%s'%s", a[0], c.CommandPath(), meant(c.SuggestionsFor(a[0]), c.CommandPath()))}
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

func given(args []string) string {
	if len(args) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", args)
}

func meant(words []string, path string) string {
	if len(words) == 0 {
		return "; see '" + path + " --help'"
	}
	return "; did you mean " + strings.Join(words, " or ") + "?"
}
