package price

import "math"

// The things.
const (
	Write      Name = "dynamodb.write"     // on demand, standard class: an item of up to 1 KB
	Read       Name = "dynamodb.read"      // on demand: 4 KB, consistent; half a unit if it is not
	Put        Name = "s3.put"             // and POST, COPY, LIST, each part of an upload
	Get        Name = "s3.get"             // and HEAD; DELETE is free
	Queue      Name = "sqs.request"        // of a standard queue, for each 64 KiB
	FairQueue  Name = "sqs.fair"           // on top of it, for a message with a group
	Invocation Name = "lambda.request"     //
	Compute    Name = "lambda.compute"     // on arm64: memory times duration
	KeyRequest Name = "kms.request"        // symmetric keys
	Key        Name = "kms.key"            // a customer's key, for a month
	LogBytes   Name = "logs.ingestion"     // CloudWatch, standard class, what is sent to it
	APIRequest Name = "apigateway.request" // REST
	TaskCPU    Name = "fargate.cpu"        // on arm64, for an hour
	TaskMemory Name = "fargate.memory"     // on arm64, for an hour
	Balancer   Name = "nlb.hour"           // a Network Load Balancer
	BalancerCU Name = "nlb.capacity"       // its capacity units, for an hour
)

const million = 1e6

// All gives the table of prices.
func All() []Price {
	return []Price{
		{Write, 0.625, million, "write request unit", "Amazon DynamoDB pricing for on-demand capacity, as quoted by Airbyte", "July 2025; in force since November 2024"},
		{Read, 0.125, million, "read request unit", "Amazon DynamoDB pricing for on-demand capacity, as quoted by Airbyte", "July 2025; in force since November 2024"},
		{Put, 0.005, 1000, "request", "Amazon S3 pricing, S3 Standard, as quoted by C3X", "undated"},
		{Get, 0.0004, 1000, "request", "Amazon S3 pricing, S3 Standard, as quoted by C3X", "undated"},
		{Queue, 0.40, million, "request of 64 KiB", "Amazon SQS pricing, as quoted by CloudBurn", "March 2026"},
		{FairQueue, 0.10, million, "request of 64 KiB", "Amazon SQS pricing, as quoted by CloudBurn", "March 2026"},
		{Invocation, 0.20, million, "request", "AWS Lambda pricing, as quoted by Cloudchipr", "2024"},
		{Compute, 0.0000133334, 1, "GB-second", "AWS Lambda pricing, as quoted by Cloudchipr", "2024"},
		{KeyRequest, 0.03, 10_000, "request", "AWS Key Management Service pricing, as quoted by CloudBurn and Wring", "March 2026"},
		{Key, 1, 1, "key and month", "AWS Key Management Service pricing, as quoted by CloudBurn and Wring", "March 2026"},
		{LogBytes, 0.50, 1e9, "byte", "Amazon CloudWatch pricing, logs of Lambda, as quoted by Duckbill", "May 2025"},
		{APIRequest, 3.50, million, "request", "Amazon API Gateway pricing, REST APIs, as quoted by Appropri8", "December 2025"},
		{TaskCPU, 0.03238, 1, "vCPU-hour", "AWS Fargate pricing, Linux on ARM, as quoted by Vantage", "undated"},
		{TaskMemory, 0.00356, 1, "GB-hour", "AWS Fargate pricing, Linux on ARM, as quoted by Vantage", "undated"},
		{Balancer, 0.0225, 1, "hour", "Elastic Load Balancing pricing, as quoted by ClusterCost", "2025"},
		{BalancerCU, 0.006, 1, "NLCU-hour", "Elastic Load Balancing pricing, as quoted by AWS Negotiations", "May 2026"},
	}
}

// Dollars is what one unit costs, NaN for a name that isn't in the table.
func (n Name) Dollars() float64 {
	for _, p := range All() {
		if p.Name == n {
			return p.Dollars / p.Per
		}
	}
	return math.NaN()
}
