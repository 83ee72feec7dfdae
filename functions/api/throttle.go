package api

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	failuresFree   = 20 // wrong keys of one remote address within throttleWindow
	throttleWindow = time.Minute
	maxRemotes     = 10_000
)

var errWrongKeys = errors.New("api: too many wrong API keys")

// throttle counts wrong keys by remote address, in this process: a key has 160 random
// bits, so this is about noise and load and not about guessing.
type throttle struct {
	now func() time.Time

	mu    sync.Mutex
	began time.Time
	wrong map[netip.Prefix]int
}

// failed notes a wrong key and tells whether there were too many. All is forgotten at
// the end of a window, or when too many addresses would have to be remembered.
func (t *throttle) failed(remote string) bool {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wrong == nil || now.Sub(t.began) >= throttleWindow || len(t.wrong) >= maxRemotes {
		t.began, t.wrong = now, make(map[netip.Prefix]int)
	}
	from := network(remote)
	t.wrong[from]++
	return t.wrong[from] > failuresFree
}

// network is the part of an address that one customer of a provider has to himself.
func network(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}
