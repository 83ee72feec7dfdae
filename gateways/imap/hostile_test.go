package imap

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/shared/account"
)

// raw is a client that says what it is told to.
type raw struct {
	net.Conn
	r   *bufio.Reader
	err error
}

func newRaw(c net.Conn, config *tls.Config) *raw {
	if config != nil {
		c = tls.Client(c, config)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := &raw{Conn: c, r: bufio.NewReader(c)}
	r.line()
	return r
}

func (r *raw) line() string {
	s, err := r.r.ReadString('\n')
	if err != nil && r.err == nil {
		r.err = err
	}
	return strings.TrimRight(s, "\r\n")
}

func (r *raw) say(text string) { _, _ = io.WriteString(r, text) }

// ask sends a command and gives what comes up to its tagged response.
func (r *raw) ask(tag, command string) []string {
	r.say(tag + " " + command + "\r\n")
	return r.answer(tag)
}

func (r *raw) answer(tag string) (lines []string) {
	for r.err == nil {
		lines = append(lines, r.line())
		if strings.HasPrefix(lines[len(lines)-1], tag+" ") {
			break
		}
	}
	return lines
}

func (w *world) raw(login bool) *raw {
	w.t.Helper()
	d := w.dialog()
	c, err := d.Dial(w.t.Context(), "imaps")
	if err != nil {
		w.t.Fatal(err)
	}
	r := newRaw(c, d.TLS)
	w.t.Cleanup(func() { r.Close() })
	if login {
		if got := r.ask("l", fmt.Sprintf("LOGIN %s %q", w.id.Address, testPassword)); !strings.HasPrefix(got[len(got)-1], "l OK") {
			w.t.Fatal(got)
		}
	}
	return r
}

func TestWhatFollowsARefusedLiteralIsNoCommand(t *testing.T) {
	w := newWorld(t)
	const inner = "x CREATE smuggled\r\ny CREATE smuggled2\r\n"
	for _, tt := range []struct{ command, want string }{
		{fmt.Sprintf("NOOP {%d+}\r\n%s", len(inner), inner), "a BAD"},
		{fmt.Sprintf("NOOP {%d+}\r\n%s {%d+}\r\n%s", len(inner), inner, len(inner), inner), "a BAD"},
		{fmt.Sprintf("CREATE {5000+}\r\n%s%s", inner, strings.Repeat("x", 5000-len(inner))), "a NO [LIMIT]"},
		{fmt.Sprintf("SEARCH TEXT {3+}\r\nabc TEXT {5000+}\r\n%s%s", inner, strings.Repeat("x", 5000-len(inner))), "a NO [LIMIT]"},
		{fmt.Sprintf("STATUS {%d+}\r\n%s (MESSAGES)", len(inner), inner), "a"},
		{fmt.Sprintf("APPEND nowhere {%d+}\r\n%s", len(inner), inner), "a NO [TRYCREATE]"},
		{fmt.Sprintf("APPEND INBOX (\\Bad {%d+}\r\n%s", len(inner), inner), "a BAD"},
		{fmt.Sprintf("APPEND INBOX \"no date\" {%d+}\r\n%s", len(inner), inner), "a BAD"},
		{fmt.Sprintf("APPEND INBOX {3+}\r\nabc rubbish {%d+}\r\n%s", len(inner), inner), "a BAD"},
		{fmt.Sprintf("%s {%d+}\r\n%s", strings.Repeat("x", 60_000), len(inner), inner), "a BAD [LIMIT]"},
		{fmt.Sprintf("\x00 {%d+}\r\n%s", len(inner), inner), "a BAD"},
	} {
		r := w.raw(true)
		r.ask("s", "SELECT INBOX")
		r.say("a " + tt.command + "\r\nb NOOP\r\n")
		got := r.answer("b")
		if len(got) != 2 || !strings.HasPrefix(got[0], tt.want) || !strings.HasPrefix(got[1], "b OK") {
			t.Errorf("%.60q: %.200q", tt.command, got)
		}
	}
	for _, m := range w.open().State().Mailboxes() {
		if strings.HasPrefix(m.Name, "smuggled") {
			t.Errorf("there is a mailbox %s", m.Name)
		}
	}
	if n := w.open().State().Mailbox("INBOX").Len(); n != 0 {
		t.Errorf("%d messages came in", n)
	}
}

func TestHugeLiteralsTakeNoMemory(t *testing.T) {
	w := newWorld(t)
	r := w.raw(true)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, command := range []string{"APPEND INBOX {4294967296}", "APPEND INBOX {104857601}", "LOGIN {4294967296}", "SEARCH TEXT {9223372036854775807}",
		"CREATE {4097}"} {
		got := r.ask("a", command)
		if len(got) != 1 || !strings.HasPrefix(got[0], "a NO") {
			t.Errorf("%s: %q", command, got)
		}
	}
	if got := r.ask("a", "APPEND INBOX {99999999999999999999}"); !strings.HasPrefix(got[0], "a BAD") {
		t.Errorf("%q", got)
	}
	// 4 GB that nobody waits for: refused at once, read off, never held.
	r.say("a APPEND INBOX {4294967296+}\r\n")
	chunk := []byte(strings.Repeat("b NOOP\r\n", 8<<10))
	if got := r.answer("a"); !strings.HasPrefix(got[0], "a NO [TOOBIG]") {
		t.Errorf("%q", got)
	}
	for range 64 {
		if _, err := r.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

func TestAFaultInASessionEndsItAlone(t *testing.T) {
	w := newWorld(t)
	config := w.gateway.cfg
	var log syncBuffer // where the panic is logged is not what newWorld watches
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	metrics := prometheus.NewRegistry()
	config.Metrics = metrics
	config.Login = nil // which nobody expects
	broken := New(config)
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		broken.run(context.Background(), there, true, false)
	}()
	r := newRaw(here, nil)
	r.say("a LOGIN somebody@demo.test the-password\r\n")
	if line := r.line(); r.err == nil {
		t.Errorf("answered %q", line)
	}
	<-done
	if told := log.String(); !strings.Contains(told, "command=LOGIN") || strings.Contains(told, "somebody") || strings.Contains(told, "the-password") {
		t.Errorf("logged: %s", told)
	}
	counted, err := metrics.Gather()
	if err != nil || len(counted) != 1 || counted[0].GetMetric()[0].GetCounter().GetValue() != 1 || counted[0].GetMetric()[0].GetLabel()[0].GetValue() != "LOGIN" {
		t.Errorf("counted: %v, %v", counted, err)
	}
	ok := w.raw(true)
	if got := ok.ask("a", "NOOP"); !strings.HasPrefix(got[0], "a OK") {
		t.Errorf("another session: %q", got)
	}
}

// FuzzSession runs a whole session over a socket, logged in or not, on whatever the client sends.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"a SELECT INBOX\r\nb FETCH 1:* (FLAGS BODY[] BODY.PEEK[HEADER.FIELDS (From)] BINARY[1] ENVELOPE BODYSTRUCTURE)\r\n",
		"a SELECT INBOX\r\nb UID SEARCH RETURN (SAVE MIN) OR NOT TEXT {3+}\r\nabc SMALLER 5 $\r\nc UID STORE $ +FLAGS.SILENT (\\Deleted x)\r\nd EXPUNGE\r\n",
		"a APPEND INBOX (\\Seen) {5+}\r\nabcde\r\nb LIST (SUBSCRIBED) \"\" (\"*\" %) RETURN (STATUS (MESSAGES SIZE) CHILDREN)\r\nc IDLE\r\nDONE\r\n",
		"a CREATE x/y (USE (\\Sent))\r\nb RENAME x z\r\nc DELETE z/y\r\nd LSUB \"\" %\r\ne STATUS INBOX (DELETED-STORAGE RECENT)\r\nf COPY 1 Archive\r\ng UID MOVE 1 Trash\r\n",
		"a SELECT INBOX\r\nb REPLACE 1 INBOX (\\Draft) {2+}\r\nab\r\nc APPEND INBOX CATENATE (URL \"/INBOX/;UID=1/;SECTION=TEXT\" TEXT {1+}\r\nx URL {15+}\r\n/INBOX/;UID=1/;) {1+}\r\ny\r\n",
		"a SETMETADATA INBOX (/private/comment \"x\" /shared/comment ~{2+}\r\na\x00)\r\nb GETMETADATA (DEPTH infinity MAXSIZE 10) INBOX (/private /shared/comment)\r\nc LIST \"\" * RETURN (METADATA (/shared/comment))\r\n",
		"a ENABLE QRESYNC UIDONLY\r\nb UNAUTHENTICATE\r\nc AUTHENTICATE PLAIN AHVzZXJAZGVtby50ZXN0AG9wZW4gc2VzYW1l\r\nd NOTIFY SET STATUS (subtree \"Other Users\" (MailboxName))\r\ne COMPRESS DEFLATE\r\n",
		"a SELECT INBOX\r\nb SORT RETURN (UPDATE PARTIAL 1:2) (REVERSE DATE) UTF-8 ALL\r\nc THREAD REFERENCES UTF-8 ALL\r\nd ESEARCH IN (subtree INBOX) RETURN (COUNT) ALL\r\ne UIDBATCHES 10\r\n",
	} {
		f.Add(true, []byte(s))
		f.Add(false, []byte(s))
	}
	w := newWorld(f)
	var log syncBuffer
	config := w.gateway.cfg
	config.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	gateway := New(config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { listener.Close() })
	f.Fuzz(func(t *testing.T, login bool, input []byte) {
		w.t = t
		w.id.Account = account.NewRef("demo") // what others have left doesn't count
		if err := w.store.Create(t.Context(), w.id.Account, account.By{}); err != nil {
			t.Fatal(err)
		}
		w.deliver("Return-Path: <>\r\n", multipart)
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			gateway.run(context.Background(), server, true, false)
		}()
		heard := make(chan struct{})
		go func() {
			defer close(heard)
			_, _ = io.Copy(io.Discard, client)
		}()
		_ = client.SetDeadline(time.Now().Add(20 * time.Second))
		if login {
			input = append([]byte("l LOGIN user@demo.test \"open sesame\"\r\n"), input...)
		}
		_, _ = client.Write(input)
		_ = client.(*net.TCPConn).CloseWrite()
		<-heard
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatal("the session does not end")
		}
		if s := log.String(); s != "" {
			t.Fatal(s)
		}
	})
}
