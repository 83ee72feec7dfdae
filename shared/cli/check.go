package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/audit"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
)

func newCheck(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check [ADDRESS]", Short: "Check that all mail is there and sound, of one account or of all", Args: cobra.MaximumNArgs(1),
		Long: "Folds the journal of each account and compares it with the account's snapshots and totals,\n" +
			"and looks for every blob that a message refers to, now or within history.window. Blobs that\n" +
			"no account refers to are counted: those of mail on its way, of deleted accounts, and what\n" +
			"writers that died have left.\n\n" +
			"It reads the data folder of a service that is stopped or, with --aws, the service in AWS\n" +
			"that the environment names (GODWIT_AWS_NAME, GODWIT_AWS_BUCKET), which may be running.\n" +
			"Nothing is written but, with --repair, new snapshots in the place of broken ones. The exit\n" +
			"code is 1 when anything is not as it should be.",
		Example: "  godwit check --data /var/lib/godwit\n  godwit check joe@example.org --deep --aws",
	}
	from := &configured{p: p, role: settings.Serve, flags: map[string]string{}}
	from.file = p.variable(fileVariable)
	cmd.Flags().StringVar(&from.file, "config", from.file, "configuration file (YAML; "+fileVariable+")")
	data := cmd.Flags().String("data", "", "folder of the service's data (GODWIT_DATA)")
	aws := cmd.Flags().Bool("aws", false, "check the service in AWS")
	repair := cmd.Flags().Bool("repair", false, "make new snapshots where they are broken")
	deep := cmd.Flags().Bool("deep", false, "read all messages, and compare their checksums")
	output := cmd.Flags().StringP("output", "o", "table", "table or json")
	cmd.MarkFlagsMutuallyExclusive("data", "aws")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *output != "table" && *output != "json" {
			return usage{fmt.Errorf("--output: %q is neither table nor json", *output)}
		}
		if *aws {
			from.role = settings.Gateway
		}
		if *data != "" {
			from.flags["data"] = *data
		}
		s, _, err := from.load()
		if err != nil {
			return err
		}
		ctx, cancel := p.Stop()
		defer cancel()
		var report audit.Report
		check := func(a *audit.Audit) (err error) {
			a.Window, a.Deep, a.Repair = s.HistoryWindow, *deep, *repair
			told := time.Now()
			a.Progress = func(r audit.Report) {
				if time.Since(told) >= 2*time.Second {
					told = time.Now()
					fmt.Fprintf(p.Err, "%d accounts, %d messages, %d blobs checked\n", r.Accounts, r.Messages, r.Blobs)
				}
			}
			if len(args) == 1 {
				report, err = a.One(ctx, args[0])
			} else {
				report, err = a.All(ctx)
			}
			return err
		}
		if *aws {
			err = serve.Running(ctx, cloud.Config{Name: s.AWSName, Bucket: s.AWSBucket, Key: s.AWSKey}, check)
		} else {
			err = serve.Stopped(ctx, s.Data, check)
		}
		if err != nil {
			return err
		}
		if err := showReport(p, report, *output == "json", len(args) == 0); err != nil {
			return err
		}
		if report.Failed > 0 {
			return fmt.Errorf("%d things are not as they should be", report.Failed)
		}
		return nil
	}
	return cmd
}

func showReport(p Process, r audit.Report, asJSON, all bool) error {
	if asJSON {
		e := json.NewEncoder(p.Out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(p.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "accounts:\t%d\nmessages:\t%d\nblobs:\t%d\nbytes:\t%d\n", r.Accounts, r.Messages, r.Blobs, r.Bytes)
	if all {
		fmt.Fprintf(t, "unheld blobs:\t%d\nunheld bytes:\t%d\n", r.Unheld, r.UnheldBytes)
	}
	if r.Repaired > 0 {
		fmt.Fprintf(t, "repaired accounts:\t%d\n", r.Repaired)
	}
	if err := t.Flush(); err != nil || len(r.Problems) == 0 {
		return err
	}
	fmt.Fprintln(t, "\nACCOUNT\tKIND\tPROBLEM")
	for _, problem := range r.Problems {
		fmt.Fprintf(t, "%s\t%s\t%s\n", problem.Account, problem.Kind, problem.What)
	}
	return t.Flush()
}
