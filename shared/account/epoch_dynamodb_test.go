//go:build localstack

package account

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"

	dynamojournal "github.com/godwit-mail/godwit/shared/journal/dynamodb"
)

// twin makes empty journals of the twin that this build is about.
func twin(t *testing.T, clock *porttest.Clock) func() journal.Driver {
	client := dynamodb.NewFromConfig(awstest.Config(t))
	return func() journal.Driver {
		t.Helper()
		name := awstest.Name("journal")
		_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{
				{AttributeName: aws.String("p"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("n"), AttributeType: types.ScalarAttributeTypeN}},
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String("p"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("n"), KeyType: types.KeyTypeRange}}})
		porttest.OK(t, err)
		awstest.Cleanup(t, func(ctx context.Context) error {
			_, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
			return err
		})
		return dynamojournal.New(client, name, clock.Now)
	}
}
