//go:build localstack

package budget_test

import (
	"fmt"
	"strings"

	"github.com/godwit-mail/godwit/shared/cloud/price"
)

// fixed tells what a month of 730 hours costs before any mail has come: with two gateways,
// and the functions' event sources.
func fixed() string {
	const (
		hours    = 730.0
		seconds  = hours * 3600
		gateways = 2
		// AWS Lambda Developer Guide, "Configuring scaling behavior for SQS event source
		// mappings": "When traffic is low, Lambda scales back the processing to five
		// concurrent batches", and to fewer only where no maximum concurrency is set.
		pollers = 5
		sources = 6 // deliveries, compactions and mail to other hosts, and the dead letters of each
		// Of an egress, which waits for mail and for dead letters.
		receivers = 5
		minutes   = hours * 60
		poll      = 20.0
		sign      = 600.0 // a gateway says that it lives
		safety    = 300.0 // a gateway registers anew for each account that is open, and looks at its tail
		callers   = gateways + 2
		tables    = 2
		// Amazon DynamoDB Developer Guide, "Encryption at rest: How it works": the key of a
		// table is refreshed every five minutes for each connection in use, of which we
		// suppose so many.
		cached      = 300.0
		connections = 8
	)
	var s strings.Builder
	fmt.Fprintf(&s, "| what | $ |\n| --- | ---: |\n")
	for _, f := range []struct {
		what  string
		usage price.Usage
	}{
		{"two tasks of 0.5 vCPU and 1 GB", price.Usage{price.TaskCPU: gateways * 0.5 * hours, price.TaskMemory: gateways * hours}},
		{"a load balancer, with one capacity unit", price.Usage{price.Balancer: hours, price.BalancerCU: hours}},
		{"a key, and the tables' requests to it", price.Usage{price.Key: 1, price.KeyRequest: callers * tables * connections * seconds / cached}},
		{"six event sources that wait for jobs", price.Usage{price.Queue: sources * pollers * seconds / poll}},
		{"looking each minute for mail to other hosts that is due", price.Usage{price.Invocation: minutes, price.Read: minutes * 2, price.Compute: minutes * functionGB * functionSeconds}},
		{"an egress that waits for mail, each, and looks every 10 s for what is due", price.Usage{price.Queue: receivers * seconds / poll, price.Read: seconds / 10 * 2}},
		{"a gateway that waits to be told, each", price.Usage{price.Queue: seconds/poll + seconds/sign + 2*hours}},
		{"an account that somebody has open and nothing happens to, on each gateway", price.Usage{price.Write: seconds / safety, price.Read: seconds / safety}},
	} {
		fmt.Fprintf(&s, "| %s | %.2f |\n", f.what, f.usage.Dollars())
	}
	return s.String()
}
