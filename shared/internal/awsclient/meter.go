package awsclient

import (
	"context"
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Meter counts what AWS would charge for. The zero value is ready for use.
type Meter struct {
	mu    sync.Mutex
	costs map[string]Cost
}

// Cost is what the calls of one operation have used.
type Cost struct {
	Calls  int     // requests that were sent, those of retries included
	Chunks int     // the same, with each 64 KiB of a request's body as one: SQS's unit
	Units  float64 // read or write units of DynamoDB; those of a failed condition are not told
}

// chunk is how many bytes SQS charges as one request.
const chunk = 64 << 10

// Attach gives a configuration all of whose clients are metered.
func (m *Meter) Attach(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		if err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("MeterUnits", m.units), middleware.Before); err != nil {
			return err
		}
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("MeterCalls", m.calls), middleware.After)
	})
	return cfg
}

// Costs gives what was used since the last Reset by operation ("DynamoDB.PutItem").
func (m *Meter) Costs() map[string]Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.costs)
}

// Reset begins at zero again.
func (m *Meter) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.costs)
}

func (m *Meter) add(ctx context.Context, c Cost) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.costs == nil {
		m.costs = map[string]Cost{}
	}
	name := awsmiddleware.GetServiceID(ctx) + "." + awsmiddleware.GetOperationName(ctx)
	sum := m.costs[name]
	m.costs[name] = Cost{Calls: sum.Calls + c.Calls, Chunks: sum.Chunks + c.Chunks, Units: sum.Units + c.Units}
}

// calls sees every request that goes out.
func (m *Meter) calls(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	c := Cost{Calls: 1, Chunks: 1}
	if r, ok := in.Request.(*smithyhttp.Request); ok && r.ContentLength > 0 {
		c.Chunks = int((r.ContentLength + chunk - 1) / chunk)
	}
	m.add(ctx, c)
	return next.HandleDeserialize(ctx, in)
}

// units asks DynamoDB for what a call has consumed.
func (m *Meter) units(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	const total = types.ReturnConsumedCapacityTotal
	least := 0.0
	switch p := in.Parameters.(type) {
	case *dynamodb.PutItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.UpdateItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.DeleteItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.GetItemInput:
		p.ReturnConsumedCapacity, least = total, unit(p.ConsistentRead)
	case *dynamodb.BatchGetItemInput:
		p.ReturnConsumedCapacity = total
		for _, t := range p.RequestItems {
			least += unit(t.ConsistentRead) * float64(len(t.Keys))
		}
	case *dynamodb.QueryInput:
		p.ReturnConsumedCapacity, least = total, unit(p.ConsistentRead)
	}
	out, md, err := next.HandleInitialize(ctx, in)
	var used []types.ConsumedCapacity
	one := func(c *types.ConsumedCapacity) {
		if c != nil {
			used = append(used, *c)
		}
	}
	switch r := out.Result.(type) {
	case *dynamodb.PutItemOutput:
		one(r.ConsumedCapacity)
	case *dynamodb.UpdateItemOutput:
		one(r.ConsumedCapacity)
	case *dynamodb.DeleteItemOutput:
		one(r.ConsumedCapacity)
	case *dynamodb.GetItemOutput:
		one(r.ConsumedCapacity)
	case *dynamodb.BatchGetItemOutput:
		used = r.ConsumedCapacity
	case *dynamodb.QueryOutput:
		one(r.ConsumedCapacity)
	}
	sum := 0.0
	for _, c := range used {
		sum += aws.ToFloat64(c.CapacityUnits)
	}
	if err == nil {
		// DynamoDB Local takes nothing for reading what isn't there. AWS does.
		sum = max(sum, least)
	}
	if sum > 0 {
		m.add(ctx, Cost{Units: sum})
	}
	return out, md, err
}

// unit is what the smallest read costs.
func unit(consistent *bool) float64 {
	if aws.ToBool(consistent) {
		return 1
	}
	return 0.5
}
