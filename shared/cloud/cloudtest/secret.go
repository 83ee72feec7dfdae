package cloudtest

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// Secret makes a secret of Secrets Manager for as long as the test lasts, and gives its ARN.
func Secret(t testing.TB, text string) (arn string) {
	t.Helper()
	client, name := secretsmanager.NewFromConfig(awstest.Config(t)), awstest.Name("secret")
	made, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text})
	porttest.OK(t, err)
	awstest.Cleanup(t, func(ctx context.Context) error {
		_, err := client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: made.ARN, ForceDeleteWithoutRecovery: aws.Bool(true)})
		return err
	})
	return aws.ToString(made.ARN)
}
