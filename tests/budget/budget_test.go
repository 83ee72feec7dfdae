//go:build localstack

// Package budget_test counts what the service's operations cost in AWS, on LocalStack,
// call by call, and prints it as dollars. A change that costs shows in the diff of this
// test.
package budget_test

import "testing"

// TestBudget is the design's table, as it is. Each operation has its exact calls, with the
// read or write units of DynamoDB in brackets.
func TestBudget(t *testing.T) {
	w, b := newWorld(t), &table{}
	recipients(t, w, b)
	accept(t, w, b)
	deliveries(t, w, b)
	received(t, w, b, tidying(t, newWorld(t), b))
	sending(t, w, b)
	mailboxes(t, w, b)
	pushes(t, w, b)
	administration(t, w, b)
	t.Logf("\n%s\nEach month:\n%s", b, fixed())
}
