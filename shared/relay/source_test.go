package relay

import (
	"net"
	"net/netip"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestMailLeavesFromOurAddresses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := map[string]bool{}
	dial := DialFrom([]netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")})
	for i := 0; i < 200 && len(seen) < 2; i++ { // by chance
		c, err := dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		there, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		host, _, _ := net.SplitHostPort(there.RemoteAddr().String())
		seen[host] = true
		c.Close()
		there.Close()
	}
	if !seen["127.0.0.2"] || !seen["127.0.0.3"] || len(seen) != 2 {
		t.Errorf("it came from %v", seen)
	}
	if _, err := dial(t.Context(), "tcp", "[::1]:25"); !kinds.Is(err, kinds.Unavailable) {
		t.Errorf("of a family of which we have no address: %v", err)
	}
	if DialFrom(nil) != nil {
		t.Error("without addresses the system chooses")
	}
}
