package price_test

import (
	"math"
	"testing"

	"github.com/godwit-mail/godwit/shared/cloud/price"
)

func TestEachPriceIsComplete(t *testing.T) {
	seen := map[price.Name]bool{}
	for _, p := range price.All() {
		if seen[p.Name] || p.Dollars <= 0 || p.Per <= 0 || p.Unit == "" || p.Source == "" || p.Date == "" {
			t.Errorf("%+v is there twice, or lacks something", p)
		}
		seen[p.Name] = true
	}
}

func TestUsageIsSummed(t *testing.T) {
	u := price.Usage{}
	for operation, n := range map[string]int{"DynamoDB.PutItem": 2, "DynamoDB.Query": 1, "S3.PutObject": 1, "SQS.SendMessageBatch": 1, "S3.DeleteObject": 7} {
		more, err := price.Call(operation, n, n, float64(n))
		if err != nil {
			t.Fatal(err)
		}
		u.Add(more, 1e6)
	}
	// Two writes, a read, a PUT with a hundredth of a request to KMS, a send to a fair queue.
	if want := 2*0.625 + 0.125 + 5 + 0.03 + 0.5; math.Abs(u.Dollars()-want) > 1e-9 {
		t.Errorf("a million cost $%v, want $%v", u.Dollars(), want)
	}
	if _, err := price.Call("DynamoDB.TransactWriteItems", 1, 1, 2); err == nil {
		t.Error("an operation that nobody has priced costs nothing")
	}
	if got := (price.Usage{"moonlight": 1}).Dollars(); !math.IsNaN(got) {
		t.Errorf("a thing without a price costs $%v", got)
	}
}
