package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
)

func newGateway(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "gateway smtp,imap,pop3,egress", Short: "Run the listeners of some protocols, over a service in AWS", Args: protocolList,
		Long: "Runs the listeners of the protocols that are named, as one task of a service that 'godwit\n" +
			"deploy' made in AWS: bytes in S3, work over SQS, all else in DynamoDB. Region and\n" +
			"credentials come from where the AWS SDK looks for them, settings mostly from the\n" +
			"environment (GODWIT_AWS_NAME, GODWIT_AWS_BUCKET, ...; 'godwit deploy output' prints them).\n" +
			"egress listens to nobody: it brings mail to the hosts of other domains, which a function\n" +
			"can't, from the address and by the port 25 that its task has.\n" +
			"After SIGTERM new connections are answered with a goodbye and sessions are told to end\n" +
			"one after another, within --drain.",
		Example: "  godwit gateway smtp\n  godwit gateway imap,pop3 --imaps-address=:993 --pop3s-address=:995\n  godwit gateway egress --outbound-way=direct",
	}
	from := settingsFlags(p, cmd, settings.Gateway)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, _, err := from.load()
		if err != nil {
			return err
		}
		ctx, cancel := p.Stop()
		defer cancel()
		service, err := serve.OpenGateway(ctx, s, protocolsOf(args), serve.Options{Log: observe.Logger(p.Err, s.LogFormat, s.LogLevel)})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(p.Out, service.Welcome()); err != nil {
			service.Close()
			return err
		}
		return service.Run(ctx)
	}
	return cmd
}

func protocolsOf(args []string) []string { return strings.Split(strings.Join(args, ","), ",") }

func protocolList(_ *cobra.Command, args []string) error {
	for _, name := range protocolsOf(args) {
		if name != serve.Egress && !slices.Contains(serve.Protocols, name) {
			return fmt.Errorf("some of %s,%s", strings.Join(serve.Protocols, ","), serve.Egress)
		}
	}
	return nil
}
