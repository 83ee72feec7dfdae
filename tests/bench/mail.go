package main

import (
	"context"
	"fmt"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
)

// mail measures how fast mail goes in. The service's accounts were made before, as those of
// one that has been up for long: the memory that making passwords took is not part of it.
func (b *bench) mail() error {
	l := b.load
	fmt.Printf("%d mails of %d bytes on %d connections to %d accounts, fsync on\n", l.mails, l.size, l.conns, l.accounts)
	g := b.godwit("mail")
	if err := g.start(); err != nil {
		return err
	}
	defer g.end()
	began := time.Now()
	if err := g.makeAccounts(b.ctx, l.accounts); err != nil {
		return err
	}
	fmt.Printf("godwit     %d accounts made by the API in %.1f s\n", l.accounts, time.Since(began).Seconds())
	if err := g.restart(); err != nil {
		return err
	}
	wait(2 * time.Second)
	idle, _, memoryErr := process.Memory(g.PID)
	ours, err := g.take(b.ctx, l)
	if err != nil {
		return err
	}
	fmt.Printf("godwit     accepted/s %.0f  delivered/s %.0f  p50 %s  p99 %s\n",
		float64(l.mails)/ours.accepted.Seconds(), ours.rate(), ours.quantile(.50), ours.quantile(.99))
	if memoryErr == nil {
		_, peak, _ := process.Memory(g.PID)
		wait(5 * time.Second)
		after, _, _ := process.Memory(g.PID)
		fmt.Printf("godwit     RSS idle %d MB  peak %d MB  idle again %d MB\n", idle>>20, peak>>20, after>>20)
	}
	for _, format := range []string{"sdbox", "maildir"} {
		theirs, err := b.lmtp(l, format)
		if err != nil {
			return err
		}
		if theirs == nil {
			return nil
		}
		fmt.Printf("ratio      delivered by godwit / by dovecot (%s): %.2f\n", format, ours.rate()/theirs.rate())
	}
	return nil
}

// take gives the service the load, and waits until all of it is in mailboxes.
func (g *godwit) take(ctx context.Context, l load) (*result, error) {
	before, err := g.Metric(ctx, "godwit_deliveries_total")
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r, err := l.send(ctx, g.Address["smtp"], "EHLO")
	if err != nil {
		return nil, err
	}
	if err := g.delivered(ctx, int(before)+l.mails); err != nil {
		return nil, err
	}
	r.delivered = time.Since(began)
	return r, nil
}

// delivered waits until so many mails are in mailboxes.
func (g *godwit) delivered(ctx context.Context, mails int) error {
	return until(ctx, 20*time.Millisecond, func() (bool, error) {
		n, err := g.Metric(ctx, "godwit_deliveries_total")
		return int(n) >= mails, err
	})
}

// until asks again and again, for at most five minutes.
func until(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("what was waited for did not come: %w", ctx.Err())
		case <-time.After(every):
		}
	}
}

// lmtp measures Dovecot's LMTP with the same load, nil when it is not installed.
func (b *bench) lmtp(l load, format string) (*result, error) {
	d, err := b.dovecot("lmtp-"+format, "lmtp", format)
	if d == nil || err != nil {
		return nil, err
	}
	if err := d.start(); err != nil {
		return nil, err
	}
	defer func() { _ = d.stop() }()
	r, err := l.send(b.ctx, d.addr, "LHLO")
	if err != nil {
		return nil, d.failed(err)
	}
	r.delivered = r.accepted // LMTP answers when the mail is in the mailbox
	fmt.Printf("dovecot    %-7s  delivered/s %.0f  p50 %s  p99 %s\n", format, r.rate(), r.quantile(.50), r.quantile(.99))
	return r, nil
}
