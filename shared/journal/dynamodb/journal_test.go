//go:build localstack

package dynamodb_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
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

func TestContractOverAFailingNetwork(t *testing.T) {
	cfg := awstest.Config(t)
	direct, seed := dynamodb.NewFromConfig(cfg), awstest.Seed(t)
	client := dynamodb.NewFromConfig(awstest.Proxy(t, cfg, awstest.OneIn(6, seed, awstest.Faults()...)))
	journaltest.Run(t, func(t *testing.T) journaltest.World {
		t.Parallel()
		clock := porttest.NewClock()
		return journaltest.World{Driver: twin.New(client, table(t, direct), clock.Now), Advance: clock.Advance}
	})
}

func TestTroubleWithoutEndIsTemporary(t *testing.T) {
	cfg := awstest.Config(t)
	name := table(t, dynamodb.NewFromConfig(cfg))
	for _, fault := range awstest.Faults() {
		client := dynamodb.NewFromConfig(awstest.Proxy(t, cfg, func(awstest.Call) awstest.Fault { return fault }))
		d := twin.New(client, name, time.Now)
		for what, do := range map[string]func(context.Context) error{
			"append": func(ctx context.Context) error { return d.Append(ctx, "p", journal.Entry{Seq: 1, Op: "op"}) },
			"last":   func(ctx context.Context) error { _, err := d.Last(ctx, "p"); return err },
			"watch":  func(ctx context.Context) error { return d.Watch(ctx, "p", "gateway", time.Hour) },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			if err := do(ctx); !kinds.Is(err, kinds.Unavailable) && !kinds.Is(err, kinds.Throttled) {
				t.Errorf("%s, %s: %v (%v)", fault, what, err, kinds.Of(err))
			}
			cancel()
		}
	}
}

func TestWhatItCosts(t *testing.T) {
	var m awsclient.Meter
	client := dynamodb.NewFromConfig(m.Attach(awstest.Config(t)))
	d, ctx := twin.New(client, table(t, client), time.Now), t.Context()
	kilobyte := make([]byte, 900)
	for seq := uint64(1); seq <= 70; seq++ {
		porttest.OK(t, d.Append(ctx, "p", journal.Entry{Seq: seq, Op: "op", Data: kilobyte}))
	}
	for _, test := range []struct {
		what string
		do   func() error
		want string
	}{
		{"append", func() error { return d.Append(ctx, "p", journal.Entry{Seq: 71, Op: "op", Data: kilobyte}) }, "map[DynamoDB.PutItem:{1 1 1}]"},
		{"last", func() error { _, err := d.Last(ctx, "p"); return err }, "map[DynamoDB.Query:{1 1 1}]"},
		{"read of nothing new", func() error { _, _, err := d.Read(ctx, "p", 71, 100); return err }, "map[DynamoDB.Query:{1 1 1}]"},
		{"read of 16 entries", func() error { _, _, err := d.Read(ctx, "p", 55, 100); return err }, "map[DynamoDB.Query:{1 1 4}]"},
		{"watchers, none", func() error { _, err := d.Watchers(ctx, "p"); return err }, "map[DynamoDB.GetItem:{1 1 1}]"},
		{"watch", func() error { return d.Watch(ctx, "p", "gateway", time.Hour) }, "map[DynamoDB.UpdateItem:{1 1 1}]"},
		{"watchers, one", func() error { _, err := d.Watchers(ctx, "p"); return err }, "map[DynamoDB.GetItem:{1 1 1}]"},
		{"unwatch", func() error { return d.Unwatch(ctx, "p", "gateway") }, "map[DynamoDB.UpdateItem:{1 1 1}]"},
		{"trim of 64", func() error { return d.Trim(ctx, "p", 64) }, "map[DynamoDB.DeleteItem:{64 64 64} DynamoDB.Query:{2 2 16}]"},
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
