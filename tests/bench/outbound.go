package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/tests/process"
)

// Addresses of the other hosts. All are on this machine.
const (
	sinkHost    = "127.0.0.2" // smtp-sink
	refusedHost = "127.0.0.3" // where nobody listens
	silentHost  = "127.0.0.4" // which takes a connection, and says nothing
)

// outbound measures how fast mail goes out that waits in the queue: to one domain, beside
// Postfix, and to many of which some are dead.
func (b *bench) outbound() error {
	if !installed(sinkBinary) {
		fmt.Println("outbound   Postfix is not installed, so there is no smtp-sink to send to")
		return nil
	}
	if err := b.oneDomain(); err != nil {
		return err
	}
	return b.manyDomains()
}

// farDomain is where all mail goes to.
func farDomain(int) string { return "far.test" }

func (b *bench) oneDomain() error {
	const goal = "1000 msg/s, at least Postfix's"
	l := load{mails: b.queued, size: 10 << 10, conns: 20}
	ours, _, err := b.drain("one", l, farDomain, l.mails)
	if err != nil {
		return err
	}
	rate := float64(l.mails) / ours.Seconds()
	theirs, err := b.postfix(l)
	if err != nil {
		return err
	}
	if theirs == 0 {
		b.table.add("send 10 KB from the queue, 20 connections", goal, fmt.Sprintf("%.0f msg/s", rate), "", rate >= 1000)
		return nil
	}
	other := float64(l.mails) / theirs.Seconds()
	b.table.add("send 10 KB from the queue, 20 connections", goal, fmt.Sprintf("%.0f msg/s", rate), fmt.Sprintf("Postfix %.0f msg/s, ratio %.2f", other, rate/other),
		rate >= 1000 && rate >= other)
	return nil
}

// manyDomains sends to many domains, of which every fifth is dead: one half of these refuses
// connections, the other never says a word. The same is done without the dead.
func (b *bench) manyDomains() error {
	const domains = 1000
	living, all := load{mails: b.many * 4 / 5, size: 2 << 10, conns: 20}, load{mails: b.many, size: 2 << 10, conns: 20}
	alone, _, err := b.drain("living", living, func(i int) string { return fmt.Sprintf("d%d.living.test", i%(domains*4/5)) }, living.mails)
	if err != nil {
		return err
	}
	beside, peak, err := b.drain("dead", all, func(i int) string {
		switch n := i / 5 % 200; {
		case i%5 > 0:
			return fmt.Sprintf("d%d.living.test", (i/5*4+i%5-1)%(domains*4/5))
		case n%2 == 0:
			return fmt.Sprintf("d%d.refused.test", n)
		default:
			return fmt.Sprintf("d%d.silent.test", n)
		}
	}, living.mails)
	if err != nil {
		return err
	}
	ratio := beside.Seconds() / alone.Seconds()
	b.table.add(fmt.Sprintf("%d queued for %d domains, a fifth dead", all.mails, domains), "the living as fast as alone", fmt.Sprintf("%s, alone %s (%.2f)", short(beside), short(alone), ratio), "",
		ratio <= 1.1)
	b.table.add("  memory at its peak", "at most 300 MB", fmt.Sprintf("%d MB", peak>>20), "", peak <= 300<<20)
	return nil
}

// drain has the service queue a load, and measures how long it takes from then on until
// other hosts have so many of the mails.
func (b *bench) drain(name string, l load, domain func(i int) string, living int) (took time.Duration, peak int64, err error) {
	zone, err := serveZone()
	if err != nil {
		return 0, 0, err
	}
	defer zone.end()
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	silent, err := net.Listen("tcp", fmt.Sprintf("%s:%d", silentHost, port))
	if err != nil {
		return 0, 0, err
	}
	defer silent.Close()
	gate := filepath.Join(b.dir, name+"-gate")
	g := b.godwit(name, "--"+gateFlag+"="+gate, "--outbound-way=direct", fmt.Sprintf("--outbound-port=%d", port), "--outbound-allow=127.0.0.0/8", "--dns-servers="+zone.addr)
	if g.binary, err = os.Executable(); err != nil {
		return 0, 0, err
	}
	if err := g.start(); err != nil {
		return 0, 0, err
	}
	defer g.end()
	if err := g.makeAccounts(b.ctx, l.conns); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := l.submit(func(i int) (*session, error) { return signedIn(b.ctx, g.Address["submissions"], address(i)) }, domain); err != nil {
		return 0, 0, err
	}
	fmt.Printf("godwit     %d mails submitted and queued in %s (%.0f msg/s)\n", l.mails, short(time.Since(began)), float64(l.mails)/time.Since(began).Seconds())
	sink, err := startSink(b.ctx, fmt.Sprintf("%s:%d", sinkHost, port), living)
	if err != nil {
		return 0, 0, err
	}
	defer sink.end()
	began = time.Now()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		return 0, 0, err
	}
	if err := sink.full(b.ctx); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	_, peak, err = process.Memory(g.PID)
	fmt.Printf("godwit     %s: %d mails sent in %s, memory at its peak %d MB\n", name, living, short(took), peak>>20)
	g.Kill() // what is still to be sent to the dead is nobody's
	g.Service = nil
	return took, peak, err
}

// submit hands over mails, on connections of an account each.
func (l load) submit(enter func(account int) (*session, error), domain func(i int) string) error {
	body := l.body()
	errs := make([]error, l.conns)
	var next atomic.Int64
	var all sync.WaitGroup
	for c := range l.conns {
		all.Go(func() {
			s, err := enter(c)
			if err != nil {
				errs[c] = err
				return
			}
			defer s.Close()
			for n := int(next.Add(1)) - 1; n < l.mails && errs[c] == nil; n = int(next.Add(1)) - 1 {
				errs[c] = s.mailFrom(address(c), n, fmt.Sprintf("user%d@%s", n, domain(n)), body)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func signedIn(ctx context.Context, addr, user string) (*session, error) {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // its own certificate, on this machine
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s, err := greeted(c, "EHLO")
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(s.out, "AUTH PLAIN %s\r\n", base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
	return s, errors.Join(s.out.Flush(), s.expect("235"))
}

// gated holds back what wakes the sending of mail until a file is there.
type gated struct {
	queue.Driver
	file string
}

func (g gated) Receive(ctx context.Context, name string, limit int, wait, visibility time.Duration) ([]queue.Received, error) {
	for name == queue.Outbound {
		if _, err := os.Stat(g.file); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(10 * time.Millisecond):
		}
		if wait -= 10 * time.Millisecond; wait <= 0 {
			return nil, nil
		}
	}
	return g.Driver.Receive(ctx, name, limit, wait, visibility)
}

// zone is a name server: of each domain it says by the last two labels where its mail goes.
type zone struct {
	addr    string
	servers []*dns.Server
}

func serveZone() (*zone, error) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	z := &zone{addr: packets.LocalAddr().String()}
	streams, err := net.Listen("tcp", z.addr)
	if err != nil {
		packets.Close()
		return nil, err
	}
	z.servers = []*dns.Server{{PacketConn: packets, Handler: dns.HandlerFunc(answer)}, {Listener: streams, Handler: dns.HandlerFunc(answer)}}
	for _, s := range z.servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
	}
	return z, nil
}

func (z *zone) end() {
	for _, s := range z.servers {
		_ = s.Shutdown()
	}
}

func answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name, kind := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	host := sinkHost
	switch {
	case strings.HasSuffix(name, ".refused.test."):
		host = refusedHost
	case strings.HasSuffix(name, ".silent.test."):
		host = silentHost
	}
	switch header := (dns.RR_Header{Name: q.Question[0].Name, Rrtype: kind, Class: dns.ClassINET, Ttl: 300}); {
	case kind == dns.TypeMX && !strings.HasPrefix(name, "mx."):
		m.Answer = append(m.Answer, &dns.MX{Hdr: header, Preference: 10, Mx: "mx." + name})
	case kind == dns.TypeA && strings.HasPrefix(name, "mx."):
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.ParseIP(host)})
	}
	_ = w.WriteMsg(m)
}
