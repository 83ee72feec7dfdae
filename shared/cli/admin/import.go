package admin

import (
	"archive/zip"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// formats are the words for --format.
var formats = []string{string(archive.Maildir), string(archive.Mbox), string(archive.EML), string(archive.Zip)}

func importing(c *connection) *cobra.Command {
	cmd := verb("import ADDRESS PATH", "Add the mail of an archive to an account", cobra.ExactArgs(2), c.names("/v1/accounts", "address"), nil)
	cmd.Long = "Adds the messages of a Maildir, of mbox files, or of .eml files in a folder or zip to an account,\n" +
		"with their folders, flags and dates, while the service runs. What can't be read is reported\n" +
		"and left out, and the exit code is then 1.\n\n" +
		"What was imported before is not added again, also if it was moved, changed or deleted since,\n" +
		"or if the import was ended half-way: to go on, run the same command again.\n\n" +
		"It needs a key that may add mail: the one in the service's data folder may, others are made\n" +
		"with 'godwit key create --mail'."
	cmd.Example = "  godwit import ann@example.org ~/Maildir\n" +
		"  godwit import ann@example.org Takeout/Mail/All.mbox --into Old\n" +
		"  godwit import ann@example.org thunderbird/Mail/Local\\ Folders --mailbox Projects --dry-run\n\n" +
		"  # Amazon WorkMail exports a mailbox as a zip of .eml files to S3:\n" +
		"  aws workmail start-mailbox-export-job --organization-id m-... --entity-id ... --role-arn ... \\\n" +
		"      --kms-key-arn ... --s3-bucket-name exports --s3-prefix ann\n" +
		"  aws s3 cp s3://exports/ann/JOB.zip . && godwit import ann@example.org JOB.zip"
	f := cmd.Flags()
	f.SortFlags = false
	i := &importer{}
	format := f.String("format", "auto", "the form the archive must have: auto, "+strings.Join(formats, ", "))
	f.StringVar(&i.into, "into", "", "a mailbox below which all go (its own messages are those of INBOX)")
	f.StringArrayVar((*[]string)(&i.chosen), "mailbox", nil, "only this mailbox of the archive and those below it; may be repeated")
	f.BoolVar(&i.dry, "dry-run", false, "only tell what would be done")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(append([]string{"auto"}, formats...), cobra.ShellCompDirectiveNoFileComp))
	completePath(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := archive.Open(args[1], archive.Options{MaxMessage: maxMessage})
		if err != nil {
			return err
		}
		defer r.Close()
		if *format != "auto" && string(r.Format()) != *format {
			return fmt.Errorf("--format: %s is %s, not %s", args[1], r.Format(), *format)
		}
		i.mail, i.archive = c.mail(args[0]), r
		i.progress = newProgress(cmd.ErrOrStderr(), sizeOf(args[1]))
		err = i.run(cmd.Context())
		i.progress.clear()
		did := "imported"
		if i.dry {
			did = "would be imported"
		}
		if e := i.report.print(c, cmd, did); e != nil {
			return e
		}
		if err != nil {
			return explained(err)
		}
		return i.report.end()
	}
	return cmd
}

// maxMessage is what is read of a message at most; the service may take less.
const maxMessage = 100 << 20

// completePath lets the shell complete the second argument with files.
func completePath(cmd *cobra.Command) {
	addresses := cmd.ValidArgsFunction
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(given) == 1 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return addresses(cmd, given, begun)
	}
}

// explained adds to an error what its reader can do.
func explained(err error) error {
	if p := (*problem)(nil); errors.As(err, &p) && p.Status == http.StatusForbidden {
		return fmt.Errorf("%w; see 'godwit key create --help'", err)
	}
	return err
}

// sizeOf estimates how many bytes an archive has.
func sizeOf(path string) (total int64) {
	if z, err := zip.OpenReader(path); err == nil {
		defer z.Close()
		for _, f := range z.File {
			total += int64(min(f.UncompressedSize64, maxMessage))
		}
		return total
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0
	}
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

// reasonOf says why a message of an archive can't be had.
func reasonOf(err error, where string) string {
	text := strings.TrimPrefix(err.Error(), "archive: ")
	text = strings.TrimPrefix(text, where+": ")
	if kinds.Is(err, kinds.Denied) || errors.Is(err, os.ErrPermission) {
		return "it may not be read"
	}
	return text
}
