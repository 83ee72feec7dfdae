package cloud

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
)

// Secret reads a secret of AWS Secrets Manager by its name or ARN: its text, without the end
// of a line behind it. "" is read without a call as "".
func Secret(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	cfg, err := awsclient.Load(ctx)
	if err != nil {
		return "", err
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return "", awsclient.Err(err, "read the secret")
	}
	return strings.TrimRight(aws.ToString(out.SecretString), "\r\n"), nil
}
