//go:build localstack

package dynamodb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
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

func TestContractOverAFailingNetwork(t *testing.T) {
	cfg := awstest.Config(t)
	direct, decide := dynamodb.NewFromConfig(cfg), awstest.OneIn(6, awstest.Seed(t), awstest.Faults()...)
	client := dynamodb.NewFromConfig(awstest.Proxy(t, cfg, func(c awstest.Call) awstest.Fault {
		fault := decide(c)
		if strings.HasSuffix(c.Operation, ".UpdateItem") && (fault == awstest.Lost || fault == awstest.Truncated) {
			return awstest.None // a counter would count twice, as it may
		}
		return fault
	}))
	recordstest.Run(t, func(t *testing.T) recordstest.World {
		t.Parallel()
		clock := porttest.NewClock()
		return recordstest.World{Driver: twin.New(client, table(t, direct), clock.Now), Now: clock.Now, Advance: clock.Advance}
	})
}

func TestWhatItCosts(t *testing.T) {
	var m awsclient.Meter
	client := dynamodb.NewFromConfig(m.Attach(awstest.Config(t)))
	d, ctx := twin.New(client, table(t, client), time.Now), t.Context()
	key := func(id string) records.Key { return records.Key{Space: "s", ID: id} }
	put := func(id string, due time.Time, version uint64) func() error {
		return func() error {
			_, err := d.Put(ctx, records.Record{Key: key(id), Value: make([]byte, 500), Due: due}, version)
			return err
		}
	}
	get := func(ids ...string) func() error {
		return func() error {
			var keys []records.Key
			for _, id := range ids {
				keys = append(keys, key(id))
			}
			_, err := d.Get(ctx, keys...)
			return err
		}
	}
	now := time.Now()
	for _, test := range []struct {
		what string
		do   func() error
		want string
	}{
		{"put", put("a", time.Time{}, 0), "map[DynamoDB.PutItem:{1 1 1}]"},
		{"put with a due time", put("b", now, 0), "map[DynamoDB.PutItem:{1 1 2}]"},
		{"put at the same due time", put("b", now, 1), "map[DynamoDB.PutItem:{1 1 1}]"},
		{"put at another due time", put("b", now.Add(-time.Second), 2), "map[DynamoDB.PutItem:{1 1 3}]"},
		{"get", get("a"), "map[DynamoDB.GetItem:{1 1 1}]"},
		{"get of three", get("a", "b", "c"), "map[DynamoDB.BatchGetItem:{1 1 3}]"},
		{"list", func() error { _, err := d.List(ctx, "s", "", "", 100); return err }, "map[DynamoDB.Query:{1 1 1}]"},
		{"due, none", func() error { _, err := d.Due(ctx, "t", now, 100); return err }, "map[DynamoDB.Query:{4 4 2}]"},
		{"due, one", func() error { _, err := d.Due(ctx, "s", now, 100); return err }, "map[DynamoDB.GetItem:{1 1 1} DynamoDB.Query:{4 4 2}]"},
		{"add", func() error { _, err := d.Add(ctx, key("c"), 1, time.Hour); return err }, "map[DynamoDB.UpdateItem:{1 1 1}]"},
		{"delete", func() error { return d.Delete(ctx, key("a"), 1) }, "map[DynamoDB.DeleteItem:{1 1 1}]"},
	} {
		m.Reset()
		porttest.OK(t, test.do())
		if got := fmt.Sprint(m.Costs()); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
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
