package account

import (
	"context"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
)

const (
	poll     = 300 * time.Second // registrations are renewed and lost events made good
	watchTTL = 3 * poll
	telling  = 5 * time.Second
	atOnce   = 16 // watchers that are told at the same time: those that are gone hold up no other
)

// Run listens for what other processes write to the accounts that are open here, until
// ctx ends. Accounts may be opened before.
func (s *Store) Run(ctx context.Context) error {
	if s.cfg.Notify == nil {
		<-ctx.Done()
		return nil
	}
	var work sync.WaitGroup
	defer work.Wait()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for try := 1; ctx.Err() == nil; try++ {
		l, err := s.cfg.Notify.Listen(ctx)
		if err != nil {
			s.cfg.Log.Warn("cannot listen for changes of accounts", "error", err)
			if s.pause(ctx, try) != nil {
				break
			}
			continue
		}
		try = 0
		s.listen(l)
		s.renew(ctx, &work)
		s.follow(ctx, l, tick.C, &work)
		s.listen(nil)
		if err := l.Close(); err != nil {
			s.cfg.Log.Warn("cannot end listening", "error", err)
		}
	}
	return nil
}

// follow deals with events until ctx ends or the listener does.
func (s *Store) follow(ctx context.Context, l notify.Listener, tick <-chan time.Time, work *sync.WaitGroup) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			s.renew(ctx, work)
		case e, ok := <-l.Events():
			if !ok {
				return
			}
			s.mu.Lock()
			c := s.accounts[e.Partition]
			needed := c != nil && c.refs > 0
			s.mu.Unlock()
			if needed {
				if state := c.state.Load(); state != nil && state.seq < e.Seq {
					s.catchUp(ctx, c, e.Seq, work)
				}
			}
		}
	}
}

// catchUp reads the account's tail in the background, until it has entry seq.
func (s *Store) catchUp(ctx context.Context, c *core, seq uint64, work *sync.WaitGroup) {
	if c.refreshing.Swap(true) {
		return
	}
	work.Go(func() {
		unlock, err := s.lock(ctx, c.part)
		if err != nil {
			c.refreshing.Store(false)
			return
		}
		defer unlock()
		// An event that comes from here on is followed anew.
		c.refreshing.Store(false)
		if state := c.state.Load(); state != nil && state.seq >= seq && seq > 0 {
			return
		}
		if _, err := c.refresh(ctx); err != nil {
			s.cfg.Log.Warn("cannot follow an account", "account", c.part, "error", err)
		}
	})
}

// renew registers again for all accounts that somebody has open, then reads their tails.
func (s *Store) renew(ctx context.Context, work *sync.WaitGroup) {
	s.mu.Lock()
	var open []*core
	for _, c := range s.accounts {
		if c.refs > 0 {
			open = append(open, c)
		}
	}
	s.mu.Unlock()
	work.Go(func() {
		for _, c := range open {
			if err := s.watch(ctx, c.part); err != nil {
				s.cfg.Log.Warn("cannot watch an account", "account", c.part, "error", err)
			}
			s.catchUp(ctx, c, 0, work)
		}
	})
}

func (s *Store) listen(l notify.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
}

func (s *Store) listenerName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Name()
}

// watch registers this process for the account's events, if it listens.
func (s *Store) watch(ctx context.Context, p journal.Partition) error {
	name := s.listenerName()
	if name == "" {
		return nil
	}
	return s.cfg.Journal.Watch(ctx, p, name, watchTTL)
}

// tell tells all other watchers that the account is at seq. What fails here is made
// good by their polling.
func (s *Store) tell(ctx context.Context, p journal.Partition, seq uint64) {
	if s.cfg.Notify == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telling)
	defer cancel()
	names, err := s.cfg.Journal.Watchers(ctx, p)
	if err != nil {
		s.cfg.Log.Warn("cannot read who watches an account", "account", p, "error", err)
		return
	}
	own := s.listenerName()
	var all sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, name := range names {
		if name == own {
			continue
		}
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			err := s.cfg.Notify.Tell(ctx, name, notify.Event{Partition: p, Seq: seq})
			if kinds.Is(err, kinds.NotFound) {
				err = s.cfg.Journal.Unwatch(ctx, p, name)
			}
			if err != nil {
				s.cfg.Log.Warn("cannot tell a watcher", "account", p, "error", err)
			}
		})
	}
	all.Wait()
}
