//go:build localstack

package dynamodb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/records"
	twin "github.com/godwit-mail/godwit/shared/records/dynamodb"
	"github.com/godwit-mail/godwit/shared/records/recordstest"
)

func TestContract(t *testing.T) {
	cfg := awstest.Config(t)
	recordstest.Run(t, func(t *testing.T) recordstest.World {
		client, clock := dynamodb.NewFromConfig(cfg), porttest.NewClock()
		return recordstest.World{Driver: twin.New(client, table(t, client), clock.Now), Now: clock.Now, Advance: clock.Advance}
	})
}

// table makes a table such as the deployment makes it.
func table(t *testing.T, client *dynamodb.Client) string {
	t.Helper()
	name := awstest.Name("records")
	attribute := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	keys := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
	}
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			attribute("s", types.ScalarAttributeTypeB), attribute("i", types.ScalarAttributeTypeB),
			attribute("x", types.ScalarAttributeTypeB), attribute("d", types.ScalarAttributeTypeN),
		},
		KeySchema: keys("s", "i"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(twin.Index), KeySchema: keys("x", "d"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}},
	})
	porttest.OK(t, err)
	awstest.Cleanup(t, func(ctx context.Context) error {
		_, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		return err
	})
	return name
}

func TestAGetOfMoreThanOneReplyHoldsIsWhole(t *testing.T) {
	client := dynamodb.NewFromConfig(awstest.Config(t))
	d := twin.New(client, table(t, client), time.Now)
	var keys []records.Key
	for i := range 50 { // 17 MB
		k := records.Key{Space: "s", ID: fmt.Sprint(i)}
		_, err := d.Put(t.Context(), records.Record{Key: k, Value: make([]byte, records.MaxValue)}, 0)
		porttest.OK(t, err)
		keys = append(keys, k)
	}
	got, err := d.Get(t.Context(), keys...)
	porttest.OK(t, err)
	if len(got) != len(keys) || got[49].Key != keys[49] {
		t.Errorf("got %d of %d", len(got), len(keys))
	}
	got, err = d.List(t.Context(), "s", "", "", 1000)
	if err != nil || len(got) != len(keys) {
		t.Errorf("listed %d of %d, %v", len(got), len(keys), err)
	}
}

func TestWhatIsDueIsFoundInEveryShard(t *testing.T) {
	client, clock := dynamodb.NewFromConfig(awstest.Config(t)), porttest.NewClock()
	d := twin.New(client, table(t, client), clock.Now)
	const n = 150
	for i := range n {
		k := records.Key{Space: "s", ID: fmt.Sprint(i)}
		_, err := d.Put(t.Context(), records.Record{Key: k, Due: clock.Now().Add(time.Duration(i) * time.Millisecond)}, 0)
		porttest.OK(t, err)
	}
	for _, limit := range []int{1, 30, 120, n, records.MaxPage} {
		got, err := d.Due(t.Context(), "s", clock.Now().Add(time.Hour), limit)
		porttest.OK(t, err)
		if len(got) != min(limit, n) {
			t.Errorf("%d are due, want %d", len(got), min(limit, n))
		}
		for i, r := range got {
			if r.ID != fmt.Sprint(i) {
				t.Fatalf("with limit %d, number %d is %s", limit, i, r.ID)
			}
		}
	}
}
