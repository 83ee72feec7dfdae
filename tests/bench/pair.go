package main

import (
	"errors"
	"fmt"
	"time"
)

// pair are the two servers of one part, both up. theirs is nil where Dovecot is not installed.
type pair struct {
	ours   *godwit
	theirs *dovecot
}

// pair starts both, with accounts.
func (b *bench) pair(name string, accounts int, flags ...string) (*pair, error) {
	p := &pair{ours: b.godwit(name, flags...)}
	err := p.ours.start()
	if err == nil {
		err = p.ours.makeAccounts(b.ctx, accounts)
	}
	if err == nil {
		p.theirs, err = b.dovecot("imap-"+name, "imap", b.format)
	}
	if err == nil && p.theirs != nil {
		err = p.theirs.start()
	}
	if err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// each calls fn for both, ours first; i is 0 for ours.
func (p *pair) each(fn func(i int, s server) error) error {
	if err := fn(0, p.ours); err != nil {
		return fmt.Errorf("godwit: %w", err)
	}
	if p.theirs == nil {
		return nil
	}
	if err := fn(1, p.theirs); err != nil {
		return p.theirs.failed(err)
	}
	return nil
}

// end stops both.
func (p *pair) end() {
	if p.theirs != nil {
		_ = p.theirs.stop()
	}
	p.ours.end()
}

// filled says how long it took to fill mailboxes.
func (p *pair) filled(fn func(s server) error) error {
	err := p.each(func(i int, s server) error {
		began := time.Now()
		err := fn(s)
		fmt.Printf("%-10s filled in %s\n", [2]string{"godwit", "dovecot"}[i], short(time.Since(began)))
		return err
	})
	return errors.Join(err, p.ours.settled(p.ours.b.ctx))
}
