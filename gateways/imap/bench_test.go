package imap

import (
	"bufio"
	"compress/flate"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
)

// benchClient is logged in, over a pipe: what is measured is the engine.
func benchClient(b *testing.B, w *world) *raw {
	here, there := net.Pipe()
	go w.gateway.run(context.Background(), there, true, false)
	r := &raw{Conn: here, r: bufio.NewReaderSize(here, 64<<10)}
	r.line()
	b.Cleanup(func() { here.Close() })
	r.ask("l", fmt.Sprintf("LOGIN %s %q", w.id.Address, testPassword))
	return r
}

// run sends a command, and passes over what comes up to its tagged response.
func (r *raw) run(b *testing.B, command string) (octets int64) {
	r.say("x " + command + "\r\n")
	for {
		line, err := r.r.ReadSlice('\n')
		octets += int64(len(line))
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			b.Fatal(err)
		}
		if len(line) > 2 && line[0] == 'x' && line[1] == ' ' {
			if !strings.HasPrefix(string(line), "x OK") {
				b.Fatalf("%s", line)
			}
			return octets
		}
	}
}

func BenchmarkFetchFlagsOf100000(b *testing.B) {
	w := newWorld(b)
	r := benchClient(b, w)
	r.run(b, "APPEND INBOX (\\Seen) {3+}\r\nabc")
	r.run(b, "SELECT INBOX")
	for n := 1; n < 100_000; n *= 2 {
		r.run(b, fmt.Sprintf("COPY 1:%d INBOX", min(n, 100_000-n)))
	}
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(r.run(b, "FETCH 1:* (UID FLAGS)"))
	}
}

func BenchmarkSelectOf100000(b *testing.B) {
	w := newWorld(b)
	r := benchClient(b, w)
	r.run(b, "APPEND INBOX (\\Seen) {3+}\r\nabc")
	r.run(b, "SELECT INBOX")
	for n := 1; n < 100_000; n *= 2 {
		r.run(b, fmt.Sprintf("COPY 1:%d INBOX", min(n, 100_000-n)))
	}
	b.ReportAllocs()
	for b.Loop() {
		r.run(b, "SELECT INBOX")
	}
}

func BenchmarkSearchUnseenOf100000(b *testing.B) {
	w := newWorld(b)
	r := benchClient(b, w)
	r.run(b, "APPEND INBOX (\\Seen) {3+}\r\nabc")
	r.run(b, "SELECT INBOX")
	for n := 1; n < 100_000; n *= 2 {
		r.run(b, fmt.Sprintf("COPY 1:%d INBOX", min(n, 100_000-n)))
	}
	r.run(b, "STORE 80000:100000 -FLAGS.SILENT (\\Seen)")
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(r.run(b, "SEARCH UNSEEN"))
	}
}

func BenchmarkFetchEnvelopesOf50(b *testing.B) {
	w := newWorld(b)
	for i := range 50 {
		w.deliver("", fmt.Sprintf("From: Ann <ann@example.net>\r\nTo: Bob <bob@demo.test>\r\nSubject: m%d\r\nMessage-ID: <%d@example.net>\r\n"+
			"Date: Tue, 3 Mar 2026 10:00:00 +0100\r\n\r\ntext\r\n", i, i))
	}
	r := benchClient(b, w)
	r.run(b, "SELECT INBOX")
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(r.run(b, "FETCH 1:50 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"))
	}
}

func BenchmarkFetchBody(b *testing.B) {
	w := newWorld(b)
	w.deliver("", "Subject: large\r\n\r\n"+strings.Repeat(strings.Repeat("0123456789abcdef", 4)+"\r\n", 150_000))
	r := benchClient(b, w)
	r.run(b, "SELECT INBOX")
	for b.Loop() {
		b.SetBytes(r.run(b, "FETCH 1 BODY.PEEK[]"))
	}
}

// BenchmarkIdleConnection reports the memory of a connection that idles with a mailbox
// selected, in heap and stacks, without and with TLS; with TLS the client's side counts too.
func BenchmarkIdleConnection(b *testing.B) {
	for _, kind := range []string{"clear", "tls", "compressed"} {
		secure, squeezed := kind == "tls", kind == "compressed"
		b.Run(kind, func(b *testing.B) {
			w := newWorld(b)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					if secure {
						t := tls.Server(c, w.tls)
						go w.gateway.run(context.Background(), t, true, false)
						continue
					}
					go w.gateway.run(context.Background(), c, true, false)
				}
			}()
			const n = 1000
			conns := make([]net.Conn, n)
			before := inUse()
			deflater := newDeflater(b)
			for i := range conns {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				if secure {
					c = tls.Client(c, w.trust)
				}
				conns[i] = c
				fmt.Fprintf(c, "a LOGIN %s %q\r\nb SELECT INBOX\r\n", w.id.Address, testPassword)
				var in, out = io.Reader(c), io.Writer(c)
				until(b, in, "b OK")
				if squeezed {
					fmt.Fprint(c, "c COMPRESS DEFLATE\r\n")
					until(b, in, "c OK")
					in, out = deflater.reset(c)
				}
				for range 20 {
					fmt.Fprint(out, "d NOOP\r\n")
					until(b, in, "d OK")
				}
				fmt.Fprint(out, "e IDLE\r\n")
				until(b, in, "+ ")
			}
			each := float64(inUse()-before) / n
			for _, c := range conns {
				c.Close()
			}
			for b.Loop() {
			}
			b.ReportMetric(each, "B/conn")
		})
	}
}

// until reads up to the end of a line that begins so.
func until(b *testing.B, r io.Reader, start string) {
	line, one := "", make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, one); err != nil {
			b.Fatal(err)
		}
		if line += string(one); one[0] == '\n' {
			if strings.HasPrefix(line, start) {
				return
			}
			line = ""
		}
	}
}

// deflater is a client's side of COMPRESS that is used for one connection after the other.
type deflater struct {
	w *flate.Writer
	r io.ReadCloser
}

func newDeflater(b *testing.B) *deflater {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		b.Fatal(err)
	}
	return &deflater{w, flate.NewReader(strings.NewReader(""))}
}

func (d *deflater) reset(c net.Conn) (io.Reader, io.Writer) {
	d.w.Reset(c)
	if err := d.r.(flate.Resetter).Reset(bufio.NewReaderSize(c, 16), nil); err != nil {
		panic(err)
	}
	return d.r, &compressed{c, d.w}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
