package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// diary notes when sessions are told to end.
type diary struct {
	mu   sync.Mutex
	told []time.Duration
}

// handler takes linger to end a session that was told to.
func (d *diary) handler(linger time.Duration) func(context.Context, net.Conn) {
	began := time.Now()
	return func(ctx context.Context, c net.Conn) {
		io.WriteString(c, "hello\n")
		<-Draining(ctx)
		d.mu.Lock()
		d.told = append(d.told, time.Since(began))
		d.mu.Unlock()
		select {
		case <-time.After(linger):
			io.WriteString(c, "bye\n")
		case <-ctx.Done():
		}
	}
}

// drain is a shutdown that has begun; its result comes through the channel.
func (w *world) drain(patience time.Duration) <-chan error {
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		result <- w.server.Shutdown(ctx)
	}()
	synctest.Wait()
	return result
}

func (w *world) guests(n int) (all []*client) {
	for range n {
		c := w.from("192.0.2.1:1")
		c.expect("hello\n")
		all = append(all, c)
	}
	return all
}

const spread = 90 * time.Second

func TestSessionsAreToldOneAfterTheOther(t *testing.T) {
	var d diary
	s := &Server{Spread: spread, Goodbye: "going\n"}
	in(t, s, func(t *testing.T, w *world) {
		s.Handler = d.handler(0)
		const n = 30
		all, began := w.guests(n), time.Now()
		result := w.drain(110 * time.Second)
		for _, c := range all {
			go c.end("bye\n")
		}
		if err := <-result; err != nil || time.Since(began) != spread {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		slices.Sort(d.told)
		if len(d.told) != n {
			t.Fatalf("%d are told", len(d.told))
		}
		inStep := 0
		for i, at := range d.told {
			from := spread * time.Duration(i) / n
			if at < from || at > from+spread/n {
				t.Errorf("the %d. is told after %v", i+1, at)
			}
			if i > 0 && at-d.told[i-1] == spread/n {
				inStep++
			}
		}
		if inStep > n/2 {
			t.Error("they are told in step")
		}
	})
}

func TestWhoComesDuringADrainIsAnswered(t *testing.T) {
	var d diary
	s := &Server{Spread: spread, Refusal: "busy\n", Goodbye: "going\n", MaxConns: 2}
	in(t, s, func(t *testing.T, w *world) {
		s.Handler = d.handler(time.Second)
		for _, c := range w.guests(2) {
			go c.end("bye\n")
		}
		began := time.Now()
		w.from("192.0.2.2:1").end("busy\n")
		result := w.drain(110 * time.Second)
		for time.Since(began) < spread-time.Second {
			w.from("192.0.2.2:1").end("going\n")
			time.Sleep(10 * time.Second)
		}
		if err := <-result; err != nil {
			t.Error(err)
		}
		if !isClosed(w.port.closed) {
			t.Error("the port is open still")
		}
		if n := w.refused("draining"); n != 9 {
			t.Errorf("%v are counted", n)
		}
	})
}

func TestTheRefusalIsTheGoodbyeOfWhoHasNoOther(t *testing.T) {
	in(t, &Server{Spread: spread, Refusal: "busy\n", Handler: greet}, func(t *testing.T, w *world) {
		result := w.drain(110 * time.Second)
		w.from("192.0.2.2:1").end("busy\n")
		<-result
	})
}

func TestTheGoodbyeComesOverTLSAndBehindAHeader(t *testing.T) {
	server, trust := certificate(t)
	in(t, &Server{Spread: spread, Goodbye: "going\n", Implicit: true, TLS: server, Proxy: balancers, Handler: greet},
		func(t *testing.T, w *world) {
			result := w.drain(110 * time.Second)
			for _, h := range []string{header(proxy, tcp4, peer4), header(local, 0, "")} {
				c := tls.Client(w.from(balancer).say(h).Conn, trust)
				r := bufio.NewReader(c)
				expect(t, r, "going\n")
				if _, err := r.ReadByte(); err != io.EOF {
					t.Errorf("it ends by %v", err)
				}
				c.Close()
			}
			w.from(balancer).say(v1).end("")
			began := time.Now()
			if at := w.from(balancer).say(header(proxy, tcp4, peer4)).end(""); at.Sub(began) != farewellTime {
				t.Errorf("a handshake was waited for %v", at.Sub(began))
			}
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
}

func TestTheGoodbyeComesInClearBehindAHeader(t *testing.T) {
	in(t, &Server{Spread: spread, Goodbye: "going\n", Proxy: balancers, Handler: greet}, func(t *testing.T, w *world) {
		result := w.drain(110 * time.Second)
		w.from(balancer).say(header(proxy, tcp4, peer4)).end("going\n")
		w.from(balancer).say(header(local, 0, "")).end("going\n")
		w.from("192.0.2.7:1").end("")
		<-result
	})
}

func TestFarewellsAreBounded(t *testing.T) {
	in(t, &Server{Spread: spread, Goodbye: "going\n", Proxy: balancers, Handler: greet}, func(t *testing.T, w *world) {
		result := w.drain(110 * time.Second)
		for range maxFarewells {
			w.from(balancer)
		}
		began := time.Now()
		if at := w.from(balancer).end(""); !at.Equal(began) {
			t.Errorf("one too many is kept for %v", at.Sub(began))
		}
		time.Sleep(proxyTime)
		synctest.Wait()
		w.from(balancer).say(header(proxy, tcp4, peer4)).end("going\n")
		<-result
	})
}

func TestADrainLastsNoLongerThanItsPatience(t *testing.T) {
	s := &Server{Spread: spread, Proxy: balancers, Goodbye: "going\n", Handler: func(ctx context.Context, c net.Conn) {
		io.WriteString(c, "hello\n")
		io.Copy(io.Discard, c) // it hears nothing
	}}
	in(t, s, func(t *testing.T, w *world) {
		deaf := w.from(balancer).say(header(proxy, tcp4, peer4))
		deaf.expect("hello\n")
		began := time.Now()
		result := w.drain(110 * time.Second)
		time.Sleep(108 * time.Second)
		late := w.from(balancer) // its header would have until second 113
		if err := <-result; err == nil || time.Since(began) != 110*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		deaf.end("")
		late.end("")
	})
}

func TestAShortPatienceShortensTheSpread(t *testing.T) {
	var d diary
	s := &Server{Spread: spread}
	in(t, s, func(t *testing.T, w *world) {
		s.Handler = d.handler(4 * time.Second)
		for _, c := range w.guests(20) {
			go c.end("bye\n")
		}
		if err := <-w.drain(30 * time.Second); err != nil {
			t.Error(err)
		}
		if last := slices.Max(d.told); last > 25*time.Second || last < 23*time.Second {
			t.Errorf("the last is told after %v", last)
		}
	})
}

func TestWhoseHeaderIsAwaitedIsServedUntilItIsTold(t *testing.T) {
	in(t, &Server{Spread: spread, Proxy: balancers, Goodbye: "going\n", Handler: greet}, func(t *testing.T, w *world) {
		c := w.from(balancer)
		synctest.Wait()
		result := w.drain(110 * time.Second)
		c.say(header(proxy, tcp4, peer4))
		c.expect("hello\n")
		c.end("bye\n")
		<-result
	})
}

func TestADrainWithoutSpreadWaitsForNoHeader(t *testing.T) {
	in(t, &Server{Proxy: balancers, Handler: greet}, func(t *testing.T, w *world) {
		silent, began := w.from(balancer), time.Now()
		synctest.Wait()
		if err := <-w.drain(30 * time.Second); err != nil || !time.Now().Equal(began) {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		silent.end("")
		if n := w.refused("proxy"); n != 0 {
			t.Errorf("%v are counted", n)
		}
	})
}

func TestASecondShutdownCanCutTheFirstShort(t *testing.T) {
	in(t, &Server{Spread: spread, Handler: greet}, func(t *testing.T, w *world) {
		w.guests(3)
		began := time.Now()
		first := w.drain(110 * time.Second)
		second := w.drain(0)
		if err := <-second; err == nil {
			t.Error("nobody was cut off")
		}
		if !time.Now().Equal(began) {
			t.Errorf("it took %v", time.Since(began))
		}
		<-first
	})
}
