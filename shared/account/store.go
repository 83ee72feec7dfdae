package account

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
)

// Config is what a Store works with. Zero budgets mean the defaults.
type Config struct {
	Journal journal.Driver
	Notify  notify.Driver // nil: nobody is told, and nothing is heard
	Blobs   blob.Store
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: silent
	// Grown is told by how much each entry of Do changed an account's totals, once, where
	// By says its domain. It must not block. nil: nobody is told.
	Grown func(ref Ref, by By, messages, bytes int64)

	IdleBytes    int64         // states of accounts that nobody has open; 32 MiB
	ContentBytes int64         // contents of messages; 16 MiB
	Heads        int           // accounts whose last entry is remembered; 20,000
	HeadAge      time.Duration // how old an answer of Head may be; a minute
	Window       time.Duration // how far back accounts' pasts can be told: DefaultWindow, MinWindow at least

	// Compact asks for a compaction of the account, whole: after a look at all of its
	// snapshot. It is called after every 64th entry that this process writes, and when an
	// account is opened that lacks one. nil: nobody is asked.
	Compact func(ctx context.Context, ref Ref, whole bool) error
}

const (
	// maxKnowledge is how old a writer's knowledge of the last entry may be: what is
	// trimmed is older, so that no number is ever written twice.
	maxKnowledge = 15 * time.Minute

	maxTries    = 30 // for one command that meets others
	maxAttempts = 5  // for one append whose replies are lost
	page        = 1000
)

// Store opens, reads and changes accounts. Safe for concurrent use. One process has one,
// so that what it writes it also knows.
type Store struct {
	cfg      Config
	heads    *lru[journal.Partition, Head]
	contents *lru[contentKey, Content]
	backoff  time.Duration
	last     uint64 // entries at the end that are never trimmed
	rows     int    // in a piece of an index, at most

	mu       sync.Mutex
	accounts map[journal.Partition]*core // open and idle
	idle     *lru[journal.Partition, *core]
	locks    map[journal.Partition]*lock
	listener notify.Listener // while Run runs
}

// Head is the last entry of an account, as far as it is known.
type Head struct {
	Seq      uint64
	Time     int64 // milliseconds
	Standing Standing

	read time.Time // when it was known to be the last
}

// New makes a Store.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.IdleBytes == 0 {
		cfg.IdleBytes = 32 << 20
	}
	if cfg.ContentBytes == 0 {
		cfg.ContentBytes = 16 << 20
	}
	if cfg.Heads == 0 {
		cfg.Heads = 20_000
	}
	if cfg.HeadAge == 0 {
		cfg.HeadAge = time.Minute
	}
	return &Store{cfg: cfg, backoff: 20 * time.Millisecond, last: keepEntries, rows: pieceRows,
		heads:    newLRU[journal.Partition, Head](int64(cfg.Heads)),
		contents: newLRU[contentKey, Content](cfg.ContentBytes),
		accounts: map[journal.Partition]*core{},
		idle:     newLRU[journal.Partition, *core](cfg.IdleBytes),
		locks:    map[journal.Partition]*lock{},
	}
}

// Create writes entry 1 of a new account, with the default mailboxes. Creating again is
// success.
func (s *Store) Create(ctx context.Context, ref Ref, by By) error {
	if err := ref.check(); err != nil {
		return err
	}
	p := ref.Partition()
	unlock, err := s.lock(ctx, p)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := s.readHead(ctx, p); !kinds.Is(err, kinds.NotFound) {
		return err
	}
	ops := []Op{{Create: &Create{Mailboxes: defaultMailboxes()}}}
	e, _, err := prepare(NewState(ref), "create", by, ops, s.cfg.Now())
	if err != nil {
		return err
	}
	// The operation has one name for all who create the account: the journal then holds
	// the entry of one of them, which need not be this one.
	return s.append(ctx, p, e, s.cfg.Now())
}

// RFC 6154, section 2: the special uses.
func defaultMailboxes() []CreateMailbox {
	return []CreateMailbox{
		{Name: inboxName, Subscribed: true},
		{Name: "Drafts", SpecialUse: `\Drafts`, Subscribed: true},
		{Name: "Sent", SpecialUse: `\Sent`, Subscribed: true},
		{Name: "Junk", SpecialUse: `\Junk`, Subscribed: true},
		{Name: "Trash", SpecialUse: `\Trash`, Subscribed: true},
		{Name: "Archive", SpecialUse: `\Archive`, Subscribed: true},
	}
}

// Head gives the account's last entry: what this process knows, if that is not older
// than Config.HeadAge, else one read. NotFound when there is no such account.
func (s *Store) Head(ctx context.Context, ref Ref) (Head, error) {
	if err := ref.check(); err != nil {
		return Head{}, err
	}
	var head Head
	err := follow(ref, func(ref Ref) (err error) {
		known := false
		if head, known = s.heads.get(ref.Partition()); !known || s.age(head.read) > s.cfg.HeadAge {
			if head, err = s.readHead(ctx, ref.Partition()); err != nil {
				return err
			}
		}
		return head.over()
	})
	return head, err
}

// Known gives what this process knows of the account's last entry, without a call.
func (s *Store) Known(ref Ref) (head Head, ok bool) {
	err := follow(ref, func(ref Ref) error {
		head, ok = s.heads.get(ref.Partition())
		return head.over()
	})
	return head, ok && err == nil
}

func (s *Store) readHead(ctx context.Context, p journal.Partition) (Head, error) {
	now := s.cfg.Now()
	item, err := s.cfg.Journal.Last(ctx, p)
	if err != nil {
		return Head{}, err
	}
	e, err := decode(item)
	if err != nil {
		return Head{}, err
	}
	h := Head{Seq: e.Seq, Time: e.Time, Standing: e.Standing, read: now}
	s.note(p, h)
	return h, nil
}

// note remembers a head, unless more is known.
func (s *Store) note(p journal.Partition, h Head) {
	if old, ok := s.heads.get(p); ok && (old.Seq > h.Seq || old.Seq == h.Seq && old.read.After(h.read)) {
		return
	}
	s.heads.put(p, h, 1)
}

// age is how long ago t was, by the clock that says more: a frozen process's monotonic
// clock may stand still, and a wall clock may be set back.
func (s *Store) age(t time.Time) time.Duration {
	now := s.cfg.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// lock is held by whoever reads an account's tail or writes to it, so that the writers
// of one process never meet in the journal.
type lock struct {
	held chan struct{}
	refs int
}

func (s *Store) lock(ctx context.Context, p journal.Partition) (unlock func(), err error) {
	s.mu.Lock()
	l := s.locks[p]
	if l == nil {
		l = &lock{held: make(chan struct{}, 1)}
		s.locks[p] = l
	}
	l.refs++
	s.mu.Unlock()
	release := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if l.refs--; l.refs == 0 {
			delete(s.locks, p)
		}
	}
	select {
	case l.held <- struct{}{}:
		return func() { <-l.held; release() }, nil
	case <-ctx.Done():
		release()
		return nil, kinds.Wrap(kinds.Unavailable, ctx.Err(), "account: wait for other writers")
	}
}

// pause waits a little, longer with each try, and never as long as another writer.
func (s *Store) pause(ctx context.Context, try int) error {
	limit := s.backoff << min(try, 5)
	t := time.NewTimer(limit/4 + rand.N(limit+1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "account: wait before another try")
	}
}
