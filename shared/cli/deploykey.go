package cli

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/settings"
)

// newDeployKey makes the service's first key: whoever may write its tables may have one.
func newDeployKey(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Make a key of the service in AWS, and print it once", Args: cobra.NoArgs,
		Long: "Makes an API key that may do everything in the service that the settings name, and prints\n" +
			"it. It is written to the service's table with your AWS credentials, so it needs no other\n" +
			"key: this is how the first one is made. 'godwit key delete' takes it back.",
		Example: "  eval \"$(godwit deploy output --env)\"\n  export GODWIT_KEY=$(godwit deploy key)",
	}
	note := cmd.Flags().String("note", "made by 'godwit deploy key'", "what 'godwit key list' shows it as")
	from := settingsFlags(p, cmd, settings.Gateway)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st, _, err := from.load()
		if err != nil {
			return err
		}
		ctx, cancel := p.Stop()
		defer cancel()
		log := observe.Logger(p.Err, st.LogFormat, st.LogLevel)
		aws, err := cloud.Open(ctx, cloud.Config{Name: st.AWSName, Bucket: st.AWSBucket, Key: st.AWSKey, Log: log})
		if err != nil {
			return err
		}
		accounts := account.New(account.Config{Journal: aws.Journal, Notify: aws.Notify, Blobs: blob.Store{Driver: aws.Blobs}, Log: log})
		dir := directory.New(directory.Config{Records: aws.Records, Accounts: directory.Journals(accounts), Now: time.Now, Log: log,
			LookupTXT: net.DefaultResolver.LookupTXT})
		_, secret, err := dir.CreateMailKey(ctx, directory.ServiceScope("system"), "", "", *note)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.Out, secret)
		return err
	}
	return cmd
}
