package main

import (
	"fmt"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
)

const envelopes = "FETCH %d:%d (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"

// measured is what is done with a mailbox, of one server.
type measured struct {
	warm, cold, entry, envelopesWarm, envelopesCold, store, search, flags timing
}

// mailbox measures a large one.
func (b *bench) mailbox() error {
	p, err := b.pair("mailbox", 3)
	if err != nil {
		return err
	}
	defer p.end()
	if err := p.filled(func(s server) error { return fill(s, address(0), b.distinct, b.messages) }); err != nil {
		return err
	}
	var m [2]measured
	for round := range b.rounds {
		if err := p.each(func(i int, s server) error { return m[i].fresh(s, round, b.messages) }); err != nil {
			return err
		}
	}
	c := [2]*client{}
	if err := p.each(func(i int, s server) (err error) {
		c[i], err = enter(s.imaps(), address(0))
		return err
	}); err != nil {
		return err
	}
	defer c[0].Close()
	for round := range b.rounds {
		if err := p.each(func(i int, _ server) error { return m[i].known(c[i], round, b.messages) }); err != nil {
			return err
		}
	}
	b.tellMailbox(m[0], m[1])
	if now, peak, err := process.Memory(p.ours.PID); err == nil {
		b.table.add("its memory (RSS now, at its peak)", "", fmt.Sprintf("%d MB, %d MB", now>>20, peak>>20), "", true)
	}
	if b.million {
		return b.tenMailboxes(p.ours)
	}
	return nil
}

// fresh measures a server process that has just been started.
func (m *measured) fresh(s server, round, messages int) error {
	if err := s.restart(); err != nil {
		return err
	}
	c, err := connect(s.imaps())
	if err != nil {
		return err
	}
	defer c.Close()
	began := time.Now()
	if err := c.login(address(0)); err != nil {
		return err
	}
	took, err := c.timed("SELECT INBOX")
	if err != nil {
		return err
	}
	m.entry = append(m.entry, time.Since(began))
	m.cold = append(m.cold, took)
	at := 1 + (round*messages/7+messages/2)%(messages-50)
	took, err = c.timed(envelopes, at, at+49)
	m.envelopesCold = append(m.envelopesCold, took)
	return err
}

// known measures a session with a server that knows the mailbox.
func (m *measured) known(c *client, round, messages int) error {
	at := messages / 2
	sign := [2]string{"+", "-"}[round%2]
	for _, step := range []struct {
		to      *timing
		command string
	}{
		{nil, "SELECT INBOX"},
		{&m.warm, "SELECT INBOX"},
		{nil, fmt.Sprintf(envelopes, at, at+49)},
		{&m.envelopesWarm, fmt.Sprintf(envelopes, at, at+49)},
		{&m.store, fmt.Sprintf("STORE %d:%d %sFLAGS.SILENT (\\Draft)", at, at+99, sign)},
		{&m.search, "SEARCH UNSEEN"},
		{&m.flags, "FETCH 1:* (UID FLAGS)"},
	} {
		took, err := c.timed("%s", step.command)
		if err != nil {
			return fmt.Errorf("%s: %w", step.command, err)
		}
		if step.to != nil {
			*step.to = append(*step.to, took)
		}
	}
	return nil
}

func (b *bench) tellMailbox(ours, theirs measured) {
	within := func(what string, got timing, goal time.Duration, other timing) {
		b.table.add(what, "at most "+goal.String(), got.String(), other.String(), got.median() <= goal)
	}
	of := fmt.Sprintf("of %d: ", b.messages)
	r, ok := ours.warm.ratio(theirs.warm)
	b.table.add(of+"SELECT", "at most 5ms or Dovecot's", ours.warm.String(), theirs.warm.String(), ours.warm.median() <= 5*time.Millisecond || ok && r <= 1)
	within(of+"SELECT in a new process", ours.cold, 150*time.Millisecond, theirs.cold)
	b.table.add(of+"LOGIN and SELECT in a new process", "", ours.entry.String(), theirs.entry.String(), true)
	within(of+"50 envelopes in a new process", ours.envelopesCold, 5*time.Millisecond, theirs.envelopesCold)
	within(of+"50 envelopes again", ours.envelopesWarm, time.Millisecond, theirs.envelopesWarm)
	within(of+"STORE of 100 flags", ours.store, 3*time.Millisecond, theirs.store)
	within(of+"SEARCH UNSEEN", ours.search, 10*time.Millisecond, theirs.search)
	r, ok = ours.flags.ratio(theirs.flags)
	b.table.add(of+"FETCH 1:* (UID FLAGS)", fmt.Sprintf("at most Dovecot's (is %.2f)", r), ours.flags.String(), theirs.flags.String(), !ok || r <= 1)
}

// boxes is how many mailboxes the largest account has.
const boxes = 10

// tenMailboxes measures an account of ten such mailboxes beside one of a single one, in godwit
// alone. Another mailbox is read at LOGIN, for changes of its flags: so that one that is
// selected is not.
func (b *bench) tenMailboxes(g *godwit) error {
	var cold, entry [2]timing
	var memory [3]int64
	for i, n := range []int{1, boxes} {
		began := time.Now()
		if err := g.fillBoxes(address(1+i), b.distinct, b.messages, n); err != nil {
			return err
		}
		if err := g.settled(b.ctx); err != nil {
			return err
		}
		fmt.Printf("godwit     an account of %d messages filled in %s\n", (n+1)*b.messages, short(time.Since(began)))
	}
	for range b.rounds {
		for i, n := range []int{1, boxes} {
			c, err := g.freshBox(address(1+i), &cold[i], &entry[i], &memory)
			if err != nil {
				return err
			}
			for k := range n {
				if err := c.do("SELECT box%d", k); err != nil {
					return err
				}
			}
			memory[2], _, _ = process.Memory(g.PID)
			c.Close()
		}
	}
	r, _ := cold[1].ratio(cold[0])
	b.table.add(fmt.Sprintf("of %d in a million: SELECT in a new process", b.messages), fmt.Sprintf("at most 3 of one alone (is %.2f)", r),
		cold[1].String()+" to "+cold[0].String(), "", r <= 3)
	r, _ = entry[1].ratio(entry[0])
	b.table.add("its LOGIN and SELECT", fmt.Sprintf("at most 3 of one alone (is %.2f)", r), entry[1].String()+" to "+entry[0].String(), "", r <= 3)
	b.table.add("its memory: logged in, one selected, ten were", "", fmt.Sprintf("%d, %d, %d MB", memory[0]>>20, memory[1]>>20, memory[2]>>20), "", true)
	return nil
}

// freshBox selects a mailbox in a process that has just been started.
func (g *godwit) freshBox(user string, cold, entry *timing, memory *[3]int64) (*client, error) {
	if err := g.restart(); err != nil {
		return nil, err
	}
	c, err := connect(g.imaps())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.login(user); err != nil {
		return nil, err
	}
	memory[0], _, _ = process.Memory(g.PID)
	took, err := c.timed("SELECT box0")
	*entry, *cold = append(*entry, time.Since(began)), append(*cold, took)
	memory[1], _, _ = process.Memory(g.PID)
	return c, err
}

// fillBoxes makes box0 and so many more, each as fill makes one.
func (g *godwit) fillBoxes(user string, distinct, each, n int) error {
	if err := fill(g, user, distinct, each); err != nil {
		return err
	}
	c, err := enter(g.imaps(), user)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.do("SELECT INBOX"); err != nil {
		return err
	}
	for i := range n {
		if err := c.do("CREATE box%d", i); err != nil {
			return err
		}
		for at := 1; at <= each; at += 10_000 {
			if err := c.do("COPY %d:%d box%d", at, min(at+9999, each), i); err != nil {
				return err
			}
		}
	}
	// Up to here most has come in few entries: a client's usual ones have it compacted.
	for i := range 70 {
		if err := c.do("STORE %d +FLAGS.SILENT (\\Flagged)", 1+i); err != nil {
			return err
		}
	}
	return nil
}
