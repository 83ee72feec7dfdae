package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/backup"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
)

func newBackup(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup DEST", Short: "Back a whole service up into a folder or an S3 bucket", Args: cobra.ExactArgs(1),
		Long: "Copies all accounts, their mail and the directory into DEST, a folder or s3://BUCKET/PREFIX;\n" +
			"the next time only what is new since then. The service may be running: what is copied of\n" +
			"each account is as it was at some moment of the run. All that is written is read back. A run\n" +
			"that was interrupted is not lost: the same command goes on where it ended.\n\n" +
			"The service is the one in the data folder, or, where --aws-bucket (GODWIT_AWS_BUCKET) is set\n" +
			"and --data is not, the one in AWS. A backup holds all mail and the hashes of passwords and\n" +
			"keys; files of a folder are for their owner alone. Jobs on their way are not in it. Nothing is\n" +
			"ever removed from a backup: begin a new one in another place now and then.",
		Example: "  godwit backup /mnt/disk/mail\n  godwit backup s3://my-backups/mail\n  godwit backup list /mnt/disk/mail",
	}
	from := storeFlags(p, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := from.load()
		if err != nil {
			return err
		}
		ctx, cancel := p.Stop()
		defer cancel()
		moreThreads(p.Env)
		stores, err := serve.ReadStores(ctx, s, observe.Logger(p.Err, s.LogFormat, s.LogLevel))
		if err != nil {
			return err
		}
		defer stores.Close()
		dest, release, err := serve.OpenBackup(ctx, args[0], true)
		if err != nil {
			return err
		}
		defer release()
		shown := newTransfer(p.Err, "entries")
		run, failed, err := backup.Make(ctx, stores.Source(), dest, shown.told)
		shown.end()
		if err != nil {
			return fmt.Errorf("%w\nthe backup is not complete; the same command goes on where this one ended", err)
		}
		fmt.Fprintf(p.Out, "run %d: %d accounts with %d new entries and %d new blobs, %s; read back and right\n",
			run.Number, run.Accounts, run.Entries, run.Blobs, amount(run.Bytes))
		return several(failed, "%d accounts could not be read and are in the backup as they were before:")
	}
	list := &cobra.Command{Use: "list SRC", Short: "List the runs of a backup", Args: cobra.ExactArgs(1)}
	list.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withBackup(args[0], func(ctx context.Context, at blob.Driver) error {
			runs, err := backup.Runs(ctx, at)
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(p.Out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(t, "RUN\tENDED\tACCOUNTS\tENTRIES\tBLOBS\tSIZE")
			for _, r := range runs {
				fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%d\t%s\n", r.Number, r.Ended.UTC().Format("2006-01-02 15:04:05Z"), r.Accounts, r.Entries, r.Blobs, amount(r.Bytes))
			}
			return t.Flush()
		})
	}
	verify := &cobra.Command{Use: "verify SRC", Short: "Read all of a backup and tell what is damaged", Args: cobra.ExactArgs(1)}
	verify.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withBackup(args[0], func(ctx context.Context, at blob.Driver) error {
			shown := newTransfer(p.Err, "steps")
			run, wrong, err := backup.Verify(ctx, at, shown.told)
			shown.end()
			if err == nil {
				err = several(wrong, "%d things are wrong:")
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(p.Out, "all is right, up to run %d of %s\n", run.Number, run.Ended.UTC().Format("2006-01-02 15:04:05Z"))
			return nil
		})
	}
	cmd.AddCommand(list, verify)
	return cmd
}

// withBackup opens a backup for reading.
func (p Process) withBackup(at string, do func(context.Context, blob.Driver) error) error {
	ctx, cancel := p.Stop()
	defer cancel()
	d, release, err := serve.OpenBackup(ctx, at, false)
	if err != nil {
		return err
	}
	defer release()
	return do(ctx, d)
}

const maxShown = 20 // errors of many

// several makes one error of many; title is given how many they are.
func several(list []error, title string) error {
	if len(list) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf(title, len(list))}
	for i, err := range list {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		lines = append(lines, clean(err.Error()))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// stores are the settings that say where a service's stores are.
type stores struct {
	p     Process
	file  string
	flags map[string]string
}

func storeFlags(p Process, cmd *cobra.Command) *stores {
	s := &stores{p: p, flags: map[string]string{}}
	for _, line := range p.Env {
		if v, ok := strings.CutPrefix(line, fileVariable+"="); ok {
			s.file = v
		}
	}
	cmd.Flags().StringVar(&s.file, "config", s.file, "configuration file (YAML; "+fileVariable+")")
	for _, f := range settings.Table(settings.Gateway) {
		switch f.Key {
		case "aws.name", "aws.bucket", "aws.key":
			cmd.Flags().VarPF(&settingFlag{to: s.flags, name: f.Flag(), shown: f.Default}, f.Flag(), "", f.Help+" ("+f.Env()+")")
		}
	}
	for _, f := range settings.Table(settings.Serve) {
		if f.Key == "data" {
			cmd.Flags().VarPF(&settingFlag{to: s.flags, name: f.Flag(), shown: f.Default}, f.Flag(), "", "data folder of the service ("+f.Env()+")")
		}
	}
	return s
}

// load gives the settings, of the gateway's role where the service is in AWS.
func (s *stores) load() (*settings.Settings, error) {
	role := settings.Serve
	if _, folder := s.flags["data"]; !folder {
		if st, _, err := settings.Load(settings.Gateway, s.file, s.p.Env, s.flags); err == nil && st.AWSBucket != "" {
			role = settings.Gateway
		}
	}
	st, _, err := settings.Load(role, s.file, s.p.Env, s.flags)
	if err != nil {
		return nil, usage{err}
	}
	return st, nil
}
