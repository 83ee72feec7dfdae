package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
)

// idleGoal is how many connections the goal is about.
const idleGoal = 10_000

// idle measures connections that wait for mail, over TLS. Their clients are in a process of
// their own.
func (b *bench) idle() error {
	g := b.godwit("idle", fmt.Sprintf("--limits-connections=%d", b.idlers+100))
	if err := g.start(); err != nil {
		return err
	}
	defer g.end()
	if err := g.makeAccounts(b.ctx, b.accounts); err != nil {
		return err
	}
	if err := g.restart(); err != nil { // making passwords took memory
		return err
	}
	empty, _, err := process.Memory(g.PID)
	if err != nil {
		return err
	}
	began := time.Now()
	w, err := watchers(b.ctx, g.imaps(), b.idlers, b.accounts)
	if err != nil {
		return err
	}
	defer w.end()
	fmt.Printf("idle       %d connections of %d accounts wait after %s\n", b.idlers, b.accounts, short(time.Since(began)))
	wait(5 * time.Second)
	before, err := cpu(g.PID)
	if err != nil {
		return err
	}
	began = time.Now()
	wait(10 * time.Second)
	after, err := cpu(g.PID)
	if err != nil {
		return err
	}
	busy := (after - before).Seconds() / time.Since(began).Seconds() * 100
	full, peak, err := process.Memory(g.PID)
	if err != nil {
		return err
	}
	heap, err := g.Metric(b.ctx, "go_memstats_heap_inuse_bytes")
	if err != nil {
		return err
	}
	stacks, err := g.Metric(b.ctx, "go_memstats_stack_inuse_bytes")
	if err != nil {
		return err
	}
	fmt.Printf("idle       %d MB of memory are %.0f MB of heap in use, %.0f MB of stacks, and what the system has not taken back\n", full>>20, heap/(1<<20), stacks/(1<<20))
	var first, last timing
	s, err := dial(b.ctx, g.Address["smtp"], "EHLO")
	if err != nil {
		return err
	}
	defer s.Close()
	for n := range 20 {
		at := n % b.accounts
		began := time.Now()
		if err := s.mail(n, address(at), []byte("news\r\n.\r\n")); err != nil {
			return err
		}
		f, l, err := w.told(at, b.idlers/b.accounts)
		if err != nil {
			return err
		}
		first, last = append(first, f.Sub(began)), append(last, l.Sub(began))
	}
	// What fewer take can't be multiplied: the runtime has a share that does not grow with them.
	b.table.add(fmt.Sprintf("%d idle connections: memory (RSS)", b.idlers), fmt.Sprintf("under 400 MB with %d", idleGoal),
		fmt.Sprintf("%d MB (%d before, %d at its peak)", full>>20, empty>>20, peak>>20), "", full < 400<<20)
	b.table.add("idle: processor", "under 2 %", fmt.Sprintf("%.2f %%", busy), "", busy < 2)
	b.table.add("idle: a delivery reaches its watchers (slowest)", "under 100ms", fmt.Sprintf("%s, all %d %s (%s)", first, b.idlers/b.accounts, last, short(last.quantile(1))), "",
		last.median() < 100*time.Millisecond)
	return nil
}

// watching is the process that the clients are in.
type watching struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func watchers(ctx context.Context, addr string, conns, accounts int) (*watching, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &watching{cmd: exec.CommandContext(ctx, self, "watch", addr, strconv.Itoa(conns), strconv.Itoa(accounts))}
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	w.out = bufio.NewScanner(out)
	if !w.out.Scan() || w.out.Text() != "ready" {
		w.end()
		return nil, errors.New("the watching clients did not begin")
	}
	return w, nil
}

func (w *watching) end() {
	_ = w.in.Close()
	_ = w.cmd.Wait()
}

// told waits until all connections of an account have told of a message, and gives when the
// first and the last did.
func (w *watching) told(account, conns int) (first, last time.Time, err error) {
	for n := 0; n < conns; {
		if !w.out.Scan() {
			return first, last, errors.New("the watching clients have ended")
		}
		who, when, _ := strings.Cut(w.out.Text(), " ")
		nanos, err := strconv.ParseInt(when, 10, 64)
		if err != nil {
			return first, last, err
		}
		if who != strconv.Itoa(account) {
			continue
		}
		if n++; n == 1 {
			first = time.Unix(0, nanos)
		}
		last = time.Unix(0, nanos)
	}
	return first, last, nil
}

// asWatchers is that process: it says when each connection is told of a message, and ends
// with its input.
func asWatchers(args []string) error {
	if len(args) != 3 {
		return errors.New("watch ADDRESS CONNECTIONS ACCOUNTS")
	}
	conns, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	accounts, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var mu sync.Mutex
	said := func(account int) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(account, time.Now().UnixNano())
	}
	errs := make(chan error, conns)
	var up sync.WaitGroup
	slots := make(chan struct{}, 64)
	keys := &scramKeys{}
	for i := range conns {
		up.Add(1)
		slots <- struct{}{}
		go func() {
			c, err := watch(keys, args[0], address(i%accounts))
			<-slots
			up.Done()
			if err == nil {
				err = c.tell(func() { said(i % accounts) })
			}
			errs <- err
		}()
	}
	ready := make(chan struct{})
	go func() { up.Wait(); close(ready) }()
	select {
	case <-ready:
	case err := <-errs:
		return err
	}
	select {
	case err := <-errs:
		return err
	default:
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// watch logs in, selects and waits. Its buffers are small: there are many.
func watch(keys *scramKeys, addr, user string) (*client, error) {
	c, err := keys.enter(addr, user)
	if err != nil {
		return nil, err
	}
	if err := c.do("SELECT INBOX"); err != nil {
		return nil, err
	}
	c.send("IDLE")
	if err := c.consent(); err != nil {
		return nil, err
	}
	c.in, c.out = bufio.NewReaderSize(c.Conn, 512), nil
	return c, nil
}

// tell calls fn for each message that the client is told of.
func (c *client) tell(fn func()) error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if bytes.HasSuffix(line, []byte(" EXISTS\r\n")) {
			fn()
		}
	}
}
