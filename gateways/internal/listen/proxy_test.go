package listen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	local, proxy       = 0x20, 0x21
	tcp4, tcp6         = 0x11, 0x21
	peer4              = "\xc0\x00\x02\x07\x0a\x00\x00\x05\x12\x67\x00\x19" // 192.0.2.7:4711 to 10.0.0.5:25
	peer6              = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" + other6 + "\x12\x67\x00\x19"
	mapped             = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07" + other6 + "\x12\x67\x00\x19"
	other6             = "\x20\x01\x0d\xb8\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"
	endpoint           = "\xea\x00\x05\x01vpce" // a TLV as AWS sends it
	peer4Name          = "192.0.2.7:4711"
	signature          = "\r\n\r\n\x00\r\nQUIT\n"
	v1                 = "PROXY TCP4 192.0.2.7 10.0.0.5 4711 25\r\n"
	greetingOfBalancer = "hello " + balancer + "\n"
)

// header is a header of version 2.
func header(command, family byte, block string) string {
	b := append([]byte(signature), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(block)))) + block
}

// from4 is the header for a peer of that last octet.
func from4(last byte) string {
	return header(proxy, tcp4, peer4[:3]+string([]byte{last})+peer4[4:])
}

// name greets the peer by its address, and waits as greet does.
func name(ctx context.Context, c net.Conn) {
	io.WriteString(c, "hello "+c.RemoteAddr().String()+"\n")
	rest(ctx, c)
}

func TestThePeerIsTheOneInTheHeader(t *testing.T) {
	for what, tt := range map[string]struct{ header, want string }{
		"IPv4":                        {header(proxy, tcp4, peer4), peer4Name},
		"IPv6":                        {header(proxy, tcp6, peer6), "[2001:db8::7]:4711"},
		"IPv4 in IPv6":                {header(proxy, tcp6, mapped), peer4Name},
		"with a TLV":                  {header(proxy, tcp4, peer4+endpoint), peer4Name},
		"with what is no TLV":         {header(proxy, tcp4, peer4+"\xff\xff\xff"), peer4Name},
		"of the largest size":         {header(proxy, tcp4, peer4+strings.Repeat("x", 4<<10-len(peer4))), peer4Name},
		"LOCAL":                       {header(local, 0, ""), balancer},
		"LOCAL with an address":       {header(local, tcp4, peer4), balancer},
		"LOCAL with a block of noise": {header(local, 0xff, "noise"), balancer},
	} {
		t.Run(what, func(t *testing.T) {
			in(t, &Server{Handler: name, Proxy: balancers}, func(t *testing.T, w *world) {
				w.from(balancer).say(tt.header).expect("hello " + tt.want + "\n")
				if n := openNow(t, w.reg); n != 1 {
					t.Errorf("%v are open", n)
				}
			})
		})
	}
}

func TestABalancerIsKnownByItsAddress(t *testing.T) {
	in(t, &Server{Handler: name, Proxy: balancers}, func(t *testing.T, w *world) {
		for _, addr := range []string{"10.0.0.255:1", "[::ffff:10.0.0.5]:1", "[2001:db8:b::5]:1"} {
			w.from(addr).say(header(proxy, tcp4, peer4)).expect("hello " + peer4Name + "\n")
		}
		began := time.Now()
		for _, addr := range []string{"10.0.1.5:1", "127.0.0.1:1", "192.0.2.7:1", "[2001:db8::7]:1"} {
			w.from(addr).say(header(proxy, tcp4, peer4)).end("")
		}
		if n := w.refused("proxy"); n != 4 || !time.Now().Equal(began) {
			t.Errorf("%v are counted, and it took %v", n, time.Since(began))
		}
	})
}

func TestWhatIsNoHeaderIsHungUpOnWithoutAWord(t *testing.T) {
	for what, header := range map[string]string{
		"version 1":              v1,
		"a command":              "EHLO client.example.net\r\n",
		"a TLS hello":            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00",
		"version 3":              header(0x31, tcp4, peer4),
		"an unknown command":     header(0x22, tcp4, peer4),
		"no family":              header(proxy, 0, ""),
		"UDP":                    header(proxy, 0x12, peer4),
		"a Unix socket":          header(proxy, 0x31, strings.Repeat("x", 216)),
		"an undefined family":    header(proxy, 0x41, peer4),
		"an undefined transport": header(proxy, 0x13, peer4),
		"half an address":        header(proxy, tcp4, peer4[:11]),
		"IPv4 called IPv6":       header(proxy, tcp6, peer4),
		"one octet too many":     header(proxy, tcp4, strings.Repeat("x", 4<<10+1)),
		"LOCAL with too much":    header(local, 0, strings.Repeat("x", 1<<16-1)),
	} {
		t.Run(what, func(t *testing.T) {
			in(t, &Server{Handler: name, Proxy: balancers, Refusal: "busy\n"}, func(t *testing.T, w *world) {
				began := time.Now()
				if at := w.from(balancer).say(header).end(""); !at.Equal(began) {
					t.Errorf("it took %v", at.Sub(began))
				}
				synctest.Wait()
				if n := w.refused("proxy"); n != 1 {
					t.Errorf("%v are counted", n)
				}
			})
		})
	}
}

func TestAHeaderHasFiveSeconds(t *testing.T) {
	whole := header(proxy, tcp4, peer4)
	for what, sent := range map[string]string{"nothing": "", "half": whole[:7], "all but the addresses": whole[:16], "all but an octet": whole[:27]} {
		t.Run(what, func(t *testing.T) {
			in(t, &Server{Handler: name, Proxy: balancers}, func(t *testing.T, w *world) {
				began := time.Now()
				if at := w.from(balancer).say(sent).end(""); at.Sub(began) != proxyTime {
					t.Errorf("it was waited for %v", at.Sub(began))
				}
				synctest.Wait()
				if n := w.refused("proxy"); n != 1 {
					t.Errorf("%v are counted", n)
				}
				// Who is in has the time that the protocol gives.
				c := w.from(balancer).say(whole)
				c.expect("hello " + peer4Name + "\n")
				time.Sleep(2 * proxyTime)
				c.say("x")
				if n := openNow(t, w.reg); n != 1 {
					t.Errorf("%v are open", n)
				}
			})
		})
	}
}

func TestSlowOctetsBuyNoTime(t *testing.T) {
	in(t, &Server{Handler: name, Proxy: balancers}, func(t *testing.T, w *world) {
		c, began := w.from(balancer), time.Now()
		var writer sync.WaitGroup
		writer.Go(func() {
			for _, b := range []byte(header(proxy, tcp4, peer4)) {
				time.Sleep(time.Second)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		})
		if at := c.end(""); at.Sub(began) != proxyTime {
			t.Errorf("it was waited for %v", at.Sub(began))
		}
		writer.Wait()
	})
}

func TestAProbeThatOnlyConnectsIsNoRefusal(t *testing.T) {
	in(t, &Server{Handler: name, Proxy: balancers}, func(t *testing.T, w *world) {
		w.from(balancer).Close()
		synctest.Wait()
		if n := w.refused("proxy"); n != 0 {
			t.Errorf("%v are counted", n)
		}
		c := w.from(balancer).say(signature)
		c.Close()
		synctest.Wait()
		if n := w.refused("proxy"); n != 1 {
			t.Errorf("%v are counted after half a header", n)
		}
	})
}

func TestWhoseHeaderIsAwaitedHoldsAPlaceButNobodyUp(t *testing.T) {
	in(t, &Server{Handler: name, Proxy: balancers, MaxConns: 2, Refusal: "busy\n"}, func(t *testing.T, w *world) {
		silent := w.from(balancer)
		w.from(balancer).say(from4(1)).expect("hello 192.0.2.1:4711\n")
		w.from(balancer).say(from4(2)).end("busy\n")
		silent.Close()
		synctest.Wait()
		w.from(balancer).say(from4(3)).expect("hello 192.0.2.3:4711\n")
	})
}

func TestAPeerIsCountedByItsOwnAddress(t *testing.T) {
	in(t, &Server{Handler: name, Proxy: balancers, MaxPerIP: 1, Refusal: "busy\n"}, func(t *testing.T, w *world) {
		first := w.from(balancer).say(from4(1))
		first.expect("hello 192.0.2.1:4711\n")
		w.from("10.0.0.6:1").say(from4(1)).end("busy\n")
		if n := w.refused("per-ip"); n != 1 {
			t.Errorf("%v are counted", n)
		}
		w.from(balancer).say(from4(2)).expect("hello 192.0.2.2:4711\n")
		// Health checks and a client at the balancer's own address don't take each other's place.
		same := header(proxy, tcp4, "\x0a\x00\x00\x05"+peer4[4:])
		client := w.from(balancer).say(same)
		client.expect("hello 10.0.0.5:4711\n")
		for range 3 {
			w.from(balancer).say(header(local, 0, "")).expect(greetingOfBalancer)
		}
		client.Close()
		synctest.Wait()
		w.from(balancer).say(same).expect("hello 10.0.0.5:4711\n")
		first.Close()
		synctest.Wait()
		w.from(balancer).say(from4(1)).expect("hello 192.0.2.1:4711\n")
	})
}

func TestWhatFollowsTheHeaderIsTheHandlers(t *testing.T) {
	in(t, &Server{Proxy: balancers, Handler: func(_ context.Context, c net.Conn) {
		line, _ := bufio.NewReader(c).ReadString('\n')
		io.WriteString(c, "you said "+line)
	}}, func(t *testing.T, w *world) {
		c := w.from(balancer)
		go io.WriteString(c, header(proxy, tcp4, peer4+endpoint)+"EHLO\n")
		c.expect("you said EHLO\n")
	})
}

func TestTLSComesAfterTheHeader(t *testing.T) {
	server, trust := certificate(t)
	starttls := func(ctx context.Context, c net.Conn) {
		io.WriteString(c, "hello\n")
		if line, _ := bufio.NewReader(c).ReadString('\n'); line != "STARTTLS\n" {
			return
		}
		t := tls.Server(c, server)
		if Handshake(ctx, t) == nil {
			name(ctx, t)
		}
	}
	t.Run("implicit", func(t *testing.T) {
		in(t, &Server{Handler: name, Proxy: balancers, Implicit: true, TLS: server}, func(t *testing.T, w *world) {
			c := tls.Client(w.from(balancer).say(header(proxy, tcp4, peer4)).Conn, trust)
			expect(t, bufio.NewReader(c), "hello "+peer4Name+"\n")
			c.Close()
		})
	})
	t.Run("STARTTLS", func(t *testing.T) {
		in(t, &Server{Handler: starttls, Proxy: balancers}, func(t *testing.T, w *world) {
			plain := w.from(balancer).say(header(proxy, tcp6, peer6))
			plain.expect("hello\n")
			plain.say("STARTTLS\n")
			c := tls.Client(plain.Conn, trust)
			expect(t, bufio.NewReader(c), "hello [2001:db8::7]:4711\n")
			c.Close()
		})
	})
}

// The server either hangs up, or lets the peer in under the address in the header, with all
// that follows.
func FuzzProxy(f *testing.F) {
	for _, seed := range []string{"", v1, signature, header(local, 0, ""), header(proxy, tcp4, peer4) + "EHLO\r\n",
		header(proxy, tcp6, peer6+endpoint), header(proxy, 0x31, strings.Repeat("x", 216)), header(proxy, tcp4, peer4[:11])} {
		f.Add([]byte(seed))
	}
	type visit struct {
		peer net.Addr
		rest []byte
	}
	visits := make(chan visit, 1)
	s := &Server{Name: "fuzz", Log: slog.New(slog.DiscardHandler), Proxy: balancers, Handler: func(_ context.Context, c net.Conn) {
		rest, _ := io.ReadAll(c)
		visits <- visit{c.RemoteAddr(), rest}
	}}
	s.Start(&port{make(chan net.Conn), make(chan struct{})})
	f.Fuzz(func(t *testing.T, sent []byte) {
		ours, theirs := net.Pipe()
		s.accept(relayed{theirs, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(balancer))})
		_, _ = ours.Write(sent)
		ours.Close()
		s.sessions.Wait()
		var v visit
		select {
		case v = <-visits:
		default:
			if wellFormed(sent) {
				t.Errorf("%q is turned away", sent)
			}
			return
		}
		if !wellFormed(sent) {
			t.Fatalf("%q gets in", sent)
		}
		length := 16 + int(sent[14])<<8 + int(sent[15])
		want := balancer
		switch {
		case sent[12] == local:
		case sent[13] == tcp4:
			want = netip.AddrPortFrom(netip.AddrFrom4([4]byte(sent[16:])), binary.BigEndian.Uint16(sent[24:])).String()
		default:
			want = netip.AddrPortFrom(netip.AddrFrom16([16]byte(sent[16:])).Unmap(), binary.BigEndian.Uint16(sent[48:])).String()
		}
		if v.peer.String() != want || !bytes.Equal(v.rest, sent[length:]) {
			t.Errorf("%q is %v and %q, want %s", sent, v.peer, v.rest, want)
		}
	})
}

// wellFormed says in other words what may come in.
func wellFormed(b []byte) bool {
	if len(b) < 16 || string(b[:12]) != signature {
		return false
	}
	length := int(b[14])<<8 | int(b[15])
	switch {
	case length > 4096 || len(b)-16 < length:
		return false
	case b[12] == local:
		return true
	}
	return b[12] == proxy && (b[13] == tcp4 && length >= 12 || b[13] == tcp6 && length >= 36)
}
