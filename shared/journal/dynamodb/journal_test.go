//go:build localstack

package dynamodb_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/journal/journaltest"
	"github.com/godwit-mail/godwit/shared/kinds"

	twin "github.com/godwit-mail/godwit/shared/journal/dynamodb"
)

func TestContract(t *testing.T) {
	cfg := awstest.Config(t)
	journaltest.Run(t, func(t *testing.T) journaltest.World {
		client, clock := dynamodb.NewFromConfig(cfg), porttest.NewClock()
		return journaltest.World{Driver: twin.New(client, table(t, client), clock.Now), Advance: clock.Advance}
	})
}

// table makes a table such as the deployment makes it.
func table(t *testing.T, client *dynamodb.Client) string {
	t.Helper()
	name := awstest.Name("journal")
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("p"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("n"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("p"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("n"), KeyType: types.KeyTypeRange},
		},
	})
	porttest.OK(t, err)
	awstest.Cleanup(t, func(ctx context.Context) error {
		_, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		return err
	})
	return name
}

func TestWatchersAreNoEntries(t *testing.T) {
	client := dynamodb.NewFromConfig(awstest.Config(t))
	d := twin.New(client, table(t, client), porttest.NewClock().Now)
	porttest.OK(t, d.Watch(t.Context(), "p", "gateway", time.Hour))
	_, err := d.Last(t.Context(), "p")
	porttest.Kind(t, err, kinds.NotFound)
	for seq := uint64(1); seq <= 3; seq++ {
		porttest.OK(t, d.Append(t.Context(), "p", journal.Entry{Seq: seq, Op: "op"}))
	}
	porttest.OK(t, d.Trim(t.Context(), "p", 2))
	if got, more, err := d.Read(t.Context(), "p", 0, 10); err != nil || more || len(got) != 1 || got[0].Seq != 3 {
		t.Errorf("read %v, more %v, %v", got, more, err)
	}
	if names, err := d.Watchers(t.Context(), "p"); err != nil || !slices.Equal(names, []string{"gateway"}) {
		t.Errorf("after the trim it is watched by %q, %v", names, err)
	}
}

func TestRegistrationsThatHaveEndedAreRemoved(t *testing.T) {
	client, clock := dynamodb.NewFromConfig(awstest.Config(t)), porttest.NewClock()
	name := table(t, client)
	d := twin.New(client, name, clock.Now)
	for _, dead := range []string{"dead-1", "dead-2"} {
		porttest.OK(t, d.Watch(t.Context(), "p", dead, time.Minute))
	}
	clock.Advance(2 * time.Minute)
	porttest.OK(t, d.Watch(t.Context(), "p", "alive", time.Minute))
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &name})
	porttest.OK(t, err)
	if len(out.Items) != 1 || len(out.Items[0]) != 3 { // its key, and who is alive
		t.Errorf("there is %v", out.Items)
	}
}
