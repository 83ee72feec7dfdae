package pop3

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/gatewaytest"
	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// memory is a view of messages in memory.
type memory struct {
	mu       sync.Mutex
	messages []string
	ended    bool
	changed  chan struct{}
	closed   int
	expunged []account.Range
	refuse   error                              // of Expunge
	open     func(i int) (io.ReadCloser, error) // of Read, if set
}

func (m *memory) Read(_ context.Context, c account.ContentRef) (io.ReadCloser, error) {
	if m.open != nil {
		return m.open(c.Index)
	}
	return io.NopCloser(strings.NewReader(m.messages[c.Index])), nil
}

func (m *memory) Expunge(_ context.Context, uids []account.Range) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	m.expunged = slices.Concat(m.expunged, uids)
	return nil
}

func (m *memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

func (m *memory) Ended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ended
}

func (m *memory) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed++
}

// end is what a new password does.
func (m *memory) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) maildrop() *maildrop {
	d := &maildrop{view: m, validity: 0x1234}
	for i, s := range m.messages {
		d.add(item{content: account.ContentRef{Index: i}, size: int64(len(s)), uid: uint32(10 + 2*i)}, "", nil)
	}
	return d
}

// people is a directory of one, whose password is "open sesame".
type people struct {
	gatewaytest.Nobody
	id directory.Identity
}

func (p people) Authenticate(_ context.Context, username, password, protocol string) (*directory.Identity, error) {
	switch {
	case username == "suspended@demo.test":
		return nil, kinds.Errorf(kinds.Suspended, "suspended")
	case username == "denied@demo.test" || protocol != directory.POP3:
		return nil, kinds.Errorf(kinds.Denied, "not this protocol")
	case username == "slow@demo.test":
		return nil, kinds.Errorf(kinds.Unavailable, "the table is throttled")
	case username != p.id.Address || password != "open sesame":
		return nil, kinds.Errorf(kinds.Unauthenticated, "no")
	}
	return &p.id, nil
}

// counters are records that only count.
type counters struct {
	records.Driver
	mu sync.Mutex
	n  map[records.Key]int64
}

func (c *counters) Add(_ context.Context, k records.Key, by int64, _ time.Duration) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[records.Key]int64{}
	}
	c.n[k] += by
	return c.n[k], nil
}

func newLogin(id directory.Identity) *login.Login {
	return login.New(login.Config{Directory: people{id: id}, Records: &counters{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Wait: func(context.Context, time.Duration) error { return nil }})
}

func newServer(m *memory) *Server {
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	s := New(Config{Login: newLogin(directory.Identity{Address: "user@demo.test"}), Log: slog.New(slog.DiscardHandler)})
	s.open = func(context.Context, *directory.Identity, string) (*maildrop, error) { return m.maildrop(), nil }
	return s
}

// client speaks to a session over a pipe.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	over chan struct{} // closed when the session has ended
}

// dial begins a session that counts as secure.
func dial(t testing.TB, ctx context.Context, s *Server) *client {
	ours, theirs := net.Pipe()
	c := &client{t, ours, bufio.NewReader(ours), make(chan struct{})}
	go func() {
		defer close(c.over)
		defer theirs.Close()
		s.serve(ctx, theirs, true)
	}()
	c.expect("+OK Godwit POP3 ready")
	return c
}

// signIn begins a session that is logged in.
func signIn(t testing.TB, ctx context.Context, s *Server) *client {
	c := dial(t, ctx, s)
	c.ask("USER user@demo.test", "+OK")
	c.ask("PASS open sesame", "+OK")
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatalf("send %q: %v", s, err)
	}
}

func (c *client) expect(prefix string) string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, prefix) || !strings.HasSuffix(line, "\r\n") {
		c.t.Fatalf("got %q, %v; want %q", line, err, prefix)
	}
	return strings.TrimSuffix(line, "\r\n")
}

func (c *client) ask(command, prefix string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	return c.expect(prefix)
}

// end reads what is left until the session ends.
func (c *client) end() string {
	c.t.Helper()
	left, err := io.ReadAll(c.r)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		c.t.Fatal(err)
	}
	<-c.over
	return string(left)
}

type identity = directory.Identity

// newOpen gives m's messages these UIDs.
func newOpen(m *memory, uids ...uint32) func(context.Context, *identity, string) (*maildrop, error) {
	return func(context.Context, *identity, string) (*maildrop, error) {
		d := &maildrop{view: m, validity: 1}
		for i, uid := range uids {
			d.add(item{content: account.ContentRef{Index: i}, size: int64(len(m.messages[i])), uid: uid}, "", nil)
		}
		return d, nil
	}
}

// dots is an endless message of lines that need a dot more.
type dots struct{}

func (dots) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ".\r\n."[i&3]
	}
	return len(p), nil
}

// allocated is how many bytes fn allocates.
func allocated(t testing.TB, fn func()) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
