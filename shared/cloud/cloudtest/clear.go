package cloudtest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Clear empties the table of records: directory, spool and throttles are as new then. It
// refuses unless the cloud is an emulated one.
func Clear(ctx context.Context, c cloud.Config) error {
	cfg, err := awsclient.Load(ctx)
	if err != nil {
		return err
	}
	if aws.ToString(cfg.BaseEndpoint) == "" {
		return kinds.Errorf(kinds.Invalid, "cloudtest: AWS_ENDPOINT_URL is not set, so this would clear tables in AWS")
	}
	client, table := dynamodb.NewFromConfig(cfg), c.Name+"-records"
	pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true),
		ProjectionExpression: aws.String("s, i")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for items := page.Items; len(items) > 0; {
			n := min(len(items), 25) // as many as one call takes
			writes := make([]types.WriteRequest, n)
			for i, item := range items[:n] {
				writes[i] = types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: item}}
			}
			if _, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: writes}}); err != nil {
				return err
			}
			items = items[n:]
		}
	}
	return nil
}
