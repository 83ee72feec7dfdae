package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/backup"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/serve"
)

func newRestoreFrom(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore-from SRC", Short: "Restore one account, a domain or all from a backup", Args: cobra.ExactArgs(1),
		Long: "Writes accounts of a backup (a folder or s3://BUCKET/PREFIX) into a service: into the data\n" +
			"folder, which must not be in use and is made where there is none, or into the one in AWS,\n" +
			"which may be running (--aws-bucket or GODWIT_AWS_BUCKET, without --data). Missing tenants and\n" +
			"domains are made as the backup has them.\n\n" +
			"What is restored is a new account with the passwords, settings, mail, flags and dates of the\n" +
			"backup: mail clients see it as one that is new and read it afresh, so they never take one\n" +
			"message for another. An address that is taken is refused before anything is written: restore\n" +
			"it --as another one, or leave out what is there with --skip-existing. After an interruption,\n" +
			"the same command with --skip-existing goes on.",
		Example: "  godwit restore-from /mnt/disk/mail --dry-run\n" +
			"  godwit restore-from /mnt/disk/mail --account ann@example.com --as ann.old@example.com\n" +
			"  godwit restore-from s3://my-backups/mail --domain example.com",
	}
	var what backup.Choice
	var run int
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&what.Account, "account", "", "only the account of this address")
	f.StringVar(&what.As, "as", "", "the address that the account gets")
	f.StringVar(&what.Domain, "domain", "", "only the accounts, aliases and groups of this domain")
	f.IntVar(&run, "run", 0, "as it was after this run ('godwit backup list SRC'); 0 is the newest")
	f.BoolVar(&what.DryRun, "dry-run", false, "only tell what would be restored")
	f.BoolVar(&what.Existing, "skip-existing", false, "leave addresses that are taken as they are")
	f.BoolVar(&what.Partial, "partial", false, "where the backup is damaged, leave single messages out and name them")
	to := storeFlags(p, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := to.load()
		if err != nil {
			return err
		}
		if what.Account != "" && what.Domain != "" || what.As != "" && what.Account == "" || run < 0 {
			return usage{fmt.Errorf("--account (and --as with it) or --domain, not both")}
		}
		return p.withBackup(args[0], func(ctx context.Context, at blob.Driver) error {
			b, err := backup.Open(ctx, at, run)
			if err != nil {
				return err
			}
			for _, err := range b.Damaged {
				fmt.Fprintln(p.Err, clean(err.Error()))
			}
			stores, err := serve.OpenStores(ctx, s, observe.Logger(p.Err, s.LogFormat, s.LogLevel))
			if err != nil {
				return err
			}
			defer stores.Close()
			shown := newTransfer(p.Err, "accounts")
			out, err := b.Restore(ctx, stores.Target(), what, shown.told)
			shown.end()
			return p.restored(b, out, what.DryRun, err)
		})
	}
	return cmd
}

// restored tells what became of each account.
func (p Process) restored(b *backup.Backup, out backup.Outcome, dry bool, err error) error {
	var wrong []error
	done := 0
	word := "restored"
	if dry {
		word = "would be restored"
	}
	for _, a := range out.Accounts {
		name := a.Address
		if a.As != a.Address {
			name += " as " + a.As
		}
		switch {
		case a.Err != nil:
			wrong = append(wrong, fmt.Errorf("%s: %w", name, a.Err))
		case a.Exists:
			fmt.Fprintf(p.Out, "%s: is there already, left as it is\n", name)
		case a.Done:
			done++
			fmt.Fprintf(p.Out, "%s: %s, %d messages in %d mailboxes, %s\n", name, word, a.Totals.Messages, a.Totals.Mailboxes, amount(a.Totals.Bytes))
		}
		for _, lost := range a.Lost {
			wrong = append(wrong, fmt.Errorf("%s: left out a message: %w", name, lost))
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "%d accounts %s from run %d of %s; %d other records\n", done, word, b.Run.Number, b.Run.Ended.UTC().Format("2006-01-02 15:04:05Z"), out.Others)
	return several(wrong, "%d things could not be restored:")
}
