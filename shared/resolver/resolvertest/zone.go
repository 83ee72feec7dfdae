// Package resolvertest has a name server on loopback that knows what a test tells it.
package resolvertest

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/godwit-mail/godwit/shared/resolver"
)

// Server is a name server that answers like a validating resolver. Safe for concurrent use.
type Server struct {
	Addr netip.AddrPort

	mu       sync.Mutex
	records  map[string][]dns.RR
	silent   map[string]bool // names of which nothing is ever said
	broken   map[string]bool // names that are answered with SERVFAIL
	insecure map[string]bool // zones without DNSSEC
	asked    map[string]int
}

// Start gives a server that ends with the test. Each line is a record as in a zone file,
// with full names: "example.com. 300 IN MX 10 mx.example.com."
func Start(t testing.TB, lines ...string) *Server {
	t.Helper()
	packets, streams := listen(t)
	addr := packets.LocalAddr().(*net.UDPAddr).AddrPort()
	s := &Server{Addr: addr, records: map[string][]dns.RR{}, silent: map[string]bool{}, broken: map[string]bool{}, insecure: map[string]bool{}, asked: map[string]int{}}
	for _, line := range lines {
		s.Add(t, line)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: streams, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = server.ActivateAndServe()
		}()
		<-started
		t.Cleanup(func() {
			_ = server.Shutdown()
			<-ended
		})
	}
	return s
}

// listen takes a port that is free for both UDP and TCP.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if streams, err := net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, streams
		}
		packets.Close()
	}
	t.Fatal("no port is free for a name server")
	return nil, nil
}

// Servers is where a resolver finds it.
func (s *Server) Servers() []netip.AddrPort { return []netip.AddrPort{s.Addr} }

// Resolver gives a resolver that asks this server, and no other.
func (s *Server) Resolver(t testing.TB) *resolver.Resolver {
	t.Helper()
	r := resolver.New(resolver.Config{Servers: s.Servers(), Timeout: 30 * time.Second, Validating: true})
	return r
}

// Add adds a record.
func (s *Server) Add(t testing.TB, line string) {
	t.Helper()
	rr, err := dns.NewRR(line)
	if err != nil || rr == nil {
		t.Fatalf("%q is no record: %v", line, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToLower(rr.Header().Name)
	s.records[name] = append(s.records[name], rr)
}

// Remove removes all records of a name.
func (s *Server) Remove(name string) { s.set(func() { delete(s.records, key(name)) }) }

// Silence has the server never say anything of a name.
func (s *Server) Silence(name string) { s.set(func() { s.silent[key(name)] = true }) }

// Break has the server answer SERVFAIL for a name, until it is mended.
func (s *Server) Break(name string, broken bool) { s.set(func() { s.broken[key(name)] = broken }) }

// Insecure has the server answer for a name, and all below it, as not validated.
func (s *Server) Insecure(name string) { s.set(func() { s.insecure[key(name)] = true }) }

// Asked tells how often a name was asked for, whatever the type.
func (s *Server) Asked(name string) (n int) {
	s.set(func() { n = s.asked[key(name)] })
	return n
}

func key(name string) string { return strings.ToLower(dns.Fqdn(name)) }

func (s *Server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// ServeDNS is dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name := key(q.Question[0].Name)
	s.mu.Lock()
	s.asked[name]++
	silent := s.silent[name]
	if s.broken[name] {
		m.Rcode = dns.RcodeServerFailure
	} else {
		s.answer(m, name, q.Question[0].Qtype)
	}
	s.mu.Unlock()
	if silent {
		return
	}
	m.RecursionAvailable = true
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(opt.UDPSize(), opt.Do())
		if _, packets := w.LocalAddr().(*net.UDPAddr); packets {
			m.Truncate(int(opt.UDPSize()))
		}
	}
	_ = w.WriteMsg(m)
}

// answer follows aliases as a recursive resolver does, though not for ever.
func (s *Server) answer(m *dns.Msg, name string, kind uint16) {
	m.AuthenticatedData = true
	for range 4 {
		for zone := range s.insecure {
			if dns.IsSubDomain(zone, name) {
				m.AuthenticatedData = false
			}
		}
		next := ""
		for _, rr := range s.records[name] {
			if rr.Header().Rrtype == kind {
				m.Answer = append(m.Answer, rr)
			} else if alias, ok := rr.(*dns.CNAME); ok {
				m.Answer, next = append(m.Answer, rr), key(alias.Target)
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	if len(s.records[name]) == 0 && !s.parent(name) {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		soa, _ := dns.NewRR(". 60 IN SOA ns. admin. 1 60 60 60 60")
		m.Ns = append(m.Ns, soa)
	}
}

// parent tells whether there is anything below a name.
//
// RFC 8020, section 2: a name that has others below it exists
func (s *Server) parent(name string) bool {
	for other := range s.records {
		if dns.IsSubDomain(name, other) {
			return true
		}
	}
	return false
}
