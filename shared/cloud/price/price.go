// Package price knows what AWS asks for what the service uses. Prices are list prices of
// us-east-1 in US dollars, beyond every free tier and before every discount.
package price

import (
	"fmt"
	"maps"
	"slices"
)

// Name is one thing that AWS charges for.
type Name string

// Price is what one unit of a thing costs.
type Price struct {
	Name    Name
	Dollars float64 // for Per units
	Per     float64
	Unit    string
	Source  string // a page of AWS, by its name, or who quotes it
	Date    string // when the source said so, as exactly as it is known
}

// Usage is how many units of each thing were used.
type Usage map[Name]float64

// Add adds more, so many times.
func (u Usage) Add(more Usage, times float64) {
	for name, units := range more {
		u[name] += units * times
	}
}

// Dollars is what the usage costs. A thing without a price is a defect, and costs NaN.
func (u Usage) Dollars() float64 {
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(u)) { // sums of floats depend on their order
		sum += u[name] * name.Dollars()
	}
	return sum
}

// Call gives what is charged for calls of one operation of the SDK ("DynamoDB.PutItem"):
// how many were sent, how many units of 64 KiB they had (of SQS), and which units of
// capacity they consumed (of DynamoDB, which doesn't tell those of a write whose condition
// failed: it is taken for the smallest). The error names an operation that isn't known.
func Call(operation string, calls, chunks int, units float64) (Usage, error) {
	n := float64(calls)
	switch operation {
	case "DynamoDB.PutItem", "DynamoDB.UpdateItem", "DynamoDB.DeleteItem":
		return Usage{Write: max(units, n)}, nil
	case "DynamoDB.GetItem", "DynamoDB.BatchGetItem", "DynamoDB.Query":
		return Usage{Read: units}, nil
	case "S3.PutObject", "S3.CreateMultipartUpload", "S3.UploadPart", "S3.CompleteMultipartUpload":
		return Usage{Put: n, KeyRequest: n * bucketKeyShare}, nil
	case "S3.ListObjectsV2":
		return Usage{Put: n}, nil
	case "S3.GetObject":
		return Usage{Get: n, KeyRequest: n * bucketKeyShare}, nil
	case "S3.HeadObject":
		return Usage{Get: n}, nil
	case "S3.DeleteObject", "S3.AbortMultipartUpload":
		return Usage{}, nil
	case "SQS.SendMessageBatch":
		// So are jobs sent, with their tenant as group.
		return Usage{Queue: float64(chunks), FairQueue: float64(chunks)}, nil
	case "SQS.SendMessage", "SQS.ReceiveMessage", "SQS.DeleteMessage", "SQS.ChangeMessageVisibility", "SQS.GetQueueUrl",
		"SQS.GetQueueAttributes", "SQS.CreateQueue", "SQS.DeleteQueue", "SQS.TagQueue", "SQS.ListQueues", "SQS.ListQueueTags":
		return Usage{Queue: float64(chunks)}, nil
	}
	return nil, fmt.Errorf("price: nobody knows what %s costs", operation)
}

// bucketKeyShare is how many of the requests to an object that is encrypted with a key of
// the bucket ask KMS. AWS on Amazon S3 Bucket Keys: "can reduce AWS KMS request costs by
// up to 99 percent".
const bucketKeyShare = 0.01
