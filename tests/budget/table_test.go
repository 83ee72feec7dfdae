//go:build localstack

package budget_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/cloud/price"
)

// table is the budget, as it was counted.
type table struct{ rows []row }

type row struct {
	what, calls string
	usage       price.Usage
}

// background is what a gateway does by itself, again and again: it is among the fixed
// costs of a task.
var background = map[string]bool{"SQS.ReceiveMessage": true, "SQS.TagQueue": true}

// counts runs do, checks which calls the meter has seen meanwhile, and gives what they are
// charged by.
func (b *table) counts(t *testing.T, what string, m *cloudtest.Meter, want string, do func()) price.Usage {
	t.Helper()
	m.Reset()
	do()
	return b.note(t, what, m, want)
}

// note is counts for what has been done since the meter was reset.
func (b *table) note(t *testing.T, what string, m *cloudtest.Meter, want string) price.Usage {
	t.Helper()
	costs := foreground(m.Costs())
	got := calls(costs)
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
	usage := price.Usage{}
	for operation, c := range costs {
		more, err := price.Call(operation, c.Calls, c.Chunks, c.Units)
		if err != nil {
			t.Error(err)
		}
		usage.Add(more, 1)
	}
	b.rows = append(b.rows, row{what, got, usage})
	return usage
}

// foreground is costs without those of the background.
func foreground(costs map[string]cloudtest.Cost) map[string]cloudtest.Cost {
	maps.DeleteFunc(costs, func(operation string, _ cloudtest.Cost) bool { return background[operation] })
	return costs
}

// calls writes costs as the budget does: operations, how often, with which units.
func calls(costs map[string]cloudtest.Cost) string {
	var list []string
	for _, operation := range slices.Sorted(maps.Keys(costs)) {
		c := costs[operation]
		_, name, _ := strings.Cut(operation, ".")
		text := fmt.Sprintf("%s %d", name, c.Calls)
		switch {
		case c.Units > 0:
			text += fmt.Sprintf(" (%v)", c.Units)
		case strings.HasPrefix(operation, "SQS.") && c.Chunks != c.Calls:
			text += fmt.Sprintf(" (%d chunks)", c.Chunks)
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func (b *table) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "| operation | calls (capacity units) | $ per million |\n| --- | --- | ---: |\n")
	for _, r := range b.rows {
		fmt.Fprintf(&s, "| %s | %s | %.2f |\n", r.what, r.calls, 1e6*r.usage.Dollars())
	}
	return s.String()
}
