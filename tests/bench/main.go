// Command bench measures how fast mail goes in: it runs the real 'godwit serve' with
// fsync on, sends it mail over SMTP, and, where Debian's dovecot-lmtpd is installed, gives
// Dovecot's LMTP server the same mail by the same client in the same run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
)

// load is what is sent.
type load struct {
	mails, size, conns, accounts int
}

func main() {
	var l load
	flag.IntVar(&l.mails, "mails", 20_000, "mails to send")
	flag.IntVar(&l.size, "size", 25<<10, "bytes of each")
	flag.IntVar(&l.conns, "conns", 20, "connections at once")
	flag.IntVar(&l.accounts, "accounts", 1000, "accounts that get them")
	dir := flag.String("dir", "", "folder on the disk to measure; empty is the system's temporary one")
	flag.Parse()
	if err := run(context.Background(), l, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, l load, dir string) error {
	dir, err := os.MkdirTemp(dir, "godwit-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%d mails of %d bytes on %d connections to %d accounts, fsync on\n", l.mails, l.size, l.conns, l.accounts)
	ours, err := godwit(ctx, l, dir)
	if err != nil {
		return err
	}
	for _, format := range []string{"sdbox", "maildir"} {
		theirs, err := dovecot(ctx, l, filepath.Join(dir, "dovecot-"+format), format)
		if err != nil {
			return err
		}
		if theirs == nil {
			fmt.Println("dovecot    is not installed (dovecot-lmtpd), so there is no ratio")
			return nil
		}
		fmt.Printf("ratio      delivered by godwit / by dovecot (%s): %.2f\n", format, ours.rate()/theirs.rate())
	}
	return nil
}

// godwit measures a service whose accounts were made before, as one that has been up
// for long: the memory that making passwords took is not part of it.
func godwit(ctx context.Context, l load, dir string) (*result, error) {
	binary, err := process.Build(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	log, err := os.Create(filepath.Join(dir, "godwit.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s, err := process.Start(binary, data, log, "--demo=false")
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := makeAccounts(ctx, s, l.accounts); err != nil {
		s.Kill()
		return nil, err
	}
	fmt.Printf("godwit     %d accounts made by the API in %.1f s\n", l.accounts, time.Since(began).Seconds())
	if err := s.Stop(); err != nil {
		return nil, err
	}
	if s, err = process.Start(binary, data, log); err != nil {
		return nil, err
	}
	defer s.Kill()
	wait(2 * time.Second)
	idle, _, memoryErr := process.Memory(s.PID)

	began = time.Now()
	r, err := l.send(ctx, s.Address["smtp"], "EHLO")
	if err != nil {
		return nil, err
	}
	if err := delivered(ctx, s, l.mails); err != nil {
		return nil, err
	}
	r.delivered = time.Since(began)
	fmt.Printf("godwit     accepted/s %.0f  delivered/s %.0f  p50 %s  p99 %s\n",
		float64(l.mails)/r.accepted.Seconds(), r.rate(), r.quantile(.50), r.quantile(.99))
	if memoryErr == nil {
		_, peak, _ := process.Memory(s.PID)
		wait(5 * time.Second)
		after, _, _ := process.Memory(s.PID)
		fmt.Printf("godwit     RSS idle %d MB  peak %d MB  idle again %d MB\n", idle>>20, peak>>20, after>>20)
	}
	return r, s.Stop()
}

// wait lets time pass, for memory to settle.
func wait(d time.Duration) { <-time.After(d) }

func makeAccounts(ctx context.Context, s *process.Service, n int) error {
	if _, err := s.API(ctx, "POST", "/v1/tenants", map[string]any{"name": "bench"}); err != nil {
		return err
	}
	if _, err := s.API(ctx, "POST", "/v1/domains", map[string]any{"tenant": "bench", "name": "bench.test"}); err != nil {
		return err
	}
	const atOnce = 4
	errs := make([]error, atOnce)
	var all sync.WaitGroup
	for w := range atOnce {
		all.Go(func() {
			for i := w; i < n && errs[w] == nil; i += atOnce {
				_, errs[w] = s.API(ctx, "POST", "/v1/accounts", map[string]any{"address": address(i)})
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func address(i int) string { return fmt.Sprintf("user%04d@bench.test", i) }

// delivered waits until all mails are in mailboxes.
func delivered(ctx context.Context, s *process.Service, mails int) error {
	deadline := time.Now().Add(5 * time.Minute)
	for {
		n, err := s.Metric(ctx, "godwit_deliveries_total")
		if err != nil {
			return err
		}
		if int(n) >= mails {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%.0f of %d mails were delivered", n, mails)
		}
		wait(20 * time.Millisecond)
	}
}
