// Package observe puts a hook round every call of a port: for counting the calls that
// an operation costs, and for metrics.
package observe

import (
	"maps"
	"sync"
	"time"
)

// Hook is told of every call when it has ended: the port ("journal"), the method
// ("Append"), when it began, and its error. It is called by many goroutines at once.
type Hook func(port, method string, start time.Time, err error)

func (h Hook) after(port, method string, start time.Time, err *error) { h(port, method, start, *err) }

// Counter counts calls; its Hook method is a Hook. The zero value is ready for use.
type Counter struct {
	mu    sync.Mutex
	calls map[string]int
}

// Hook counts one call.
func (c *Counter) Hook(port, method string, _ time.Time, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[port+"."+method]++
}

// Calls gives the calls since the last Reset by name ("journal.Append").
func (c *Counter) Calls() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// Total gives how many calls there were to the port, or to all when port is "".
func (c *Counter) Total(port string) (n int) {
	for name, calls := range c.Calls() {
		if port == "" || len(name) > len(port) && name[:len(port)+1] == port+"." {
			n += calls
		}
	}
	return n
}

// Reset begins at zero again.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.calls)
}
