package quota

import (
	"context"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// flushTime is how long the last flush may take.
const flushTime = 5 * time.Second

// Run brings the sums up to date with what this process takes, until ctx ends, and then
// once more. What a process that dies has not written is made good by the next count.
func (k *Keeper) Run(ctx context.Context) {
	var counting sync.WaitGroup
	defer counting.Wait()
	for {
		select {
		case <-k.wake:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
			defer cancel()
			k.Flush(last)
			return
		}
		for at := range k.due() {
			counting.Go(func() { k.recount(ctx, at) })
		}
		select {
		case <-time.After(FlushEvery):
			k.Flush(ctx)
		case <-ctx.Done():
		}
	}
}

// due takes the levels that are to be counted.
func (k *Keeper) due() map[level]struct{} {
	due := map[level]struct{}{}
	k.mu.Lock()
	defer k.mu.Unlock()
	for at, s := range k.sums {
		if s.stale {
			s.stale = false
			due[at] = struct{}{}
		}
	}
	return due
}

func (k *Keeper) recount(ctx context.Context, at level) {
	sum, err := k.Count(ctx, at.tenant, at.domain)
	if err != nil {
		if ctx.Err() == nil {
			k.cfg.Log.Warn("cannot count what a domain or tenant holds", "tenant", at.tenant, "domain", at.domain, "error", err)
		}
		return
	}
	k.cfg.Log.Info("counted what a domain or tenant holds", "tenant", at.tenant, "domain", at.domain, "messages", sum.Messages, "bytes", sum.Bytes)
}

// Flush adds what this process has taken to the sums of those that have a quota.
func (k *Keeper) Flush(ctx context.Context) {
	type work struct {
		at      level
		via     string
		pending account.Quota
	}
	var all []work
	k.mu.Lock()
	for at, s := range k.sums {
		if s.pending != (account.Quota{}) {
			all = append(all, work{at, s.via, s.pending})
		} else if k.cfg.Now().Sub(s.read) > time.Hour {
			delete(k.sums, at) // nobody asks for it
		}
	}
	k.mu.Unlock()
	for _, w := range all {
		if err := k.flush(ctx, w.at, w.via, w.pending); err != nil {
			k.cfg.Log.Warn("cannot note what a domain or tenant holds", "tenant", w.at.tenant, "domain", w.at.domain, "error", err)
			k.rouse()
		}
	}
}

func (k *Keeper) flush(ctx context.Context, at level, via string, pending account.Quota) error {
	l, err := k.cfg.Directory.DomainLimits(ctx, via)
	limited := false
	switch {
	case kinds.Is(err, kinds.Denied): // the domain has left us: the tenant's next count finds what is left
		k.settle(at, pending)
		return nil
	case err != nil:
		return err
	default:
		for has := range levels(at.tenant, l) {
			limited = limited || has == at
		}
	}
	if !limited {
		return k.drop(ctx, at)
	}
	_, err = k.change(ctx, at, func(s *Sum) bool {
		if s.Counted == 0 && s.Lease == 0 {
			return false // the count will find it
		}
		s.Messages += pending.Messages
		s.Bytes += pending.Bytes
		return true
	})
	if err == nil {
		k.settle(at, pending)
	}
	return err
}

// settle forgets what was taken here: it is in the record, or never will be.
func (k *Keeper) settle(at level, pending account.Quota) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.sums[at]; s != nil {
		s.pending.Messages -= pending.Messages
		s.pending.Bytes -= pending.Bytes
	}
}

// drop ends a sum that this process knows, and that no quota is held against any more: if
// there is one again, it begins with a count.
func (k *Keeper) drop(ctx context.Context, at level) error {
	k.mu.Lock()
	s := k.sums[at]
	there := s != nil && s.version > 0
	k.mu.Unlock()
	if there {
		_, err := k.change(ctx, at, func(s *Sum) bool {
			was := s.Counted
			*s = Sum{}
			return was > 0
		})
		if err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.sums, at)
	return nil
}
