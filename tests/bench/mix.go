package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// mixBox is how many messages a mailbox of the mix has.
const mixBox = 500

// mixed is how long each command took.
type mixed struct {
	took    map[string]timing
	elapsed time.Duration
}

// mix measures clients that do what clients do, two to an account.
func (b *bench) mix() error {
	accounts := (b.clients + 1) / 2
	p, err := b.pair("mix", accounts)
	if err != nil {
		return err
	}
	defer p.end()
	if err := p.filled(func(s server) error {
		for i := range accounts {
			if err := appendAll(s, address(i), "INBOX", i*mixBox, mixBox); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	var all [2]mixed
	var rates [2][]float64
	for range 2 {
		if err := p.each(func(i int, s server) error {
			m, err := mix(s, b.clients, b.mixTime)
			rates[i] = append(rates[i], m.rate())
			all[i].add(m)
			return err
		}); err != nil {
			return err
		}
	}
	ours, theirs := &all[0], &all[1]
	fmt.Printf("commands/s by round: godwit %.0f, dovecot %.0f\n", rates[0], rates[1])
	all[0].print(all[1])
	rate, slow := 0.0, 0.0
	if p.theirs != nil {
		rate, slow = ours.rate()/theirs.rate(), float64(ours.all().quantile(.99))/float64(theirs.all().quantile(.99))
	}
	b.table.add(fmt.Sprintf("mix of %d clients, commands/s", b.clients), fmt.Sprintf("at least Dovecot's (is %.2f)", rate),
		fmt.Sprintf("%.0f", ours.rate()), fmt.Sprintf("%.0f", theirs.rate()), p.theirs == nil || rate >= 1)
	b.table.add("mix, p99 of a command", fmt.Sprintf("at most 2 of Dovecot's (is %.2f)", slow),
		short(ours.all().quantile(.99)), short(theirs.all().quantile(.99)), p.theirs == nil || slow <= 2)
	return nil
}

func (m *mixed) all() (all timing) {
	for _, t := range m.took {
		all = append(all, t...)
	}
	return all
}

func (m *mixed) rate() float64 {
	if m.elapsed == 0 {
		return 0
	}
	return float64(len(m.all())) / m.elapsed.Seconds()
}

func (m *mixed) add(o mixed) {
	if m.took == nil {
		m.took = map[string]timing{}
	}
	for name, t := range o.took {
		m.took[name] = append(m.took[name], t...)
	}
	m.elapsed += o.elapsed
}

// print tells of each command.
func (m *mixed) print(theirs mixed) {
	var names []string
	for name := range m.took {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		a, b := m.took[name], theirs.took[name]
		fmt.Printf("  %-10s godwit %6d  p50 %-9s p99 %-9s  dovecot %6d  p50 %-9s p99 %s\n", name, len(a), a, short(a.quantile(.99)), len(b), b, short(b.quantile(.99)))
	}
}

func mix(s server, clients int, d time.Duration) (mixed, error) {
	var mu sync.Mutex
	sum := mixed{}
	errs := make([]error, clients)
	began := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			u := &user{r: rand.New(rand.NewPCG(uint64(i), 3)), took: map[string]timing{}, n: i * 1_000_000}
			for time.Since(began) < d && errs[i] == nil {
				errs[i] = u.session(s.imaps(), address(i/2), began.Add(d))
			}
			mu.Lock()
			defer mu.Unlock()
			sum.add(mixed{took: u.took})
		})
	}
	all.Wait()
	sum.elapsed = time.Since(began)
	return sum, errors.Join(errs...)
}

// user is somebody with a client.
type user struct {
	*client
	r    *rand.Rand
	took map[string]timing
	n    int
}

// turns is how often a session looks at its mail.
const turns = 20

// session is one from login to logout.
func (u *user) session(addr, name string, end time.Time) (err error) {
	if u.client, err = connect(addr); err != nil {
		return err
	}
	defer u.Close()
	if err := u.time("login", func() error { return u.login(name) }); err != nil {
		return err
	}
	for i := 0; i < turns && time.Now().Before(end); i++ {
		if err := u.turn(); err != nil {
			return err
		}
	}
	return u.command("logout", "LOGOUT")
}

// turn is a look at the mail: what is new is listed, some is read and flagged, something is
// looked for, one is sent (and kept), one is thrown away, and then it waits.
func (u *user) turn() error {
	if err := u.command("select", "SELECT INBOX"); err != nil {
		return err
	}
	steps := []func() error{
		func() error { return u.command("envelopes", envelopes, max(1, u.exists-49), u.exists) },
		func() error { return u.command("body", "FETCH %d (UID BODY.PEEK[])", u.any()) },
		func() error { return u.command("body", "FETCH %d (UID BODY.PEEK[])", u.any()) },
		func() error {
			return u.command("header", "FETCH %d:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT FROM DATE)])", max(1, u.exists-19))
		},
		func() error { return u.command("body seen", "FETCH %d (UID BODY[])", u.any()) },
		func() error { return u.command("store", "STORE %d +FLAGS (\\Flagged)", u.any()) },
		func() error { return u.command("search", "SEARCH UNSEEN SINCE 1-Jan-2026") },
		func() error {
			u.n++
			return u.time("append", func() error { return u.append("INBOX", message(u.n)) })
		},
		func() error { return u.command("noop", "NOOP") },
		func() error { return u.command("store", "STORE %d +FLAGS.SILENT (\\Deleted)", u.any()) },
		func() error { return u.command("expunge", "EXPUNGE") },
		func() error { return u.time("idle", u.idle) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// any is a message that is there, if the other client of the account leaves it there.
func (u *user) any() int { return 1 + u.r.IntN(max(1, u.exists-20)) }

func (u *user) command(name, format string, args ...any) error {
	return u.time(name, func() error { return u.do(format, args...) })
}

// time notes how long something took. Something that was refused, since another client was
// faster, is something that the server has done.
func (u *user) time(name string, fn func() error) error {
	began := time.Now()
	err := fn()
	u.took[name] = append(u.took[name], time.Since(began))
	if errors.Is(err, errRefused) && !strings.HasPrefix(name, "login") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
