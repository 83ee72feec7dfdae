// Package sqlite is the queue's embedded twin. Messages are rows; which of them may be
// handed out, and when, is kept in memory and built anew when the queue is opened:
// whoever held a message before has died with the process, so it is handed out at once.
// That makes a send one insert, a receive one small update a message, and a delete one
// delete, none of which touches an index.
package sqlite

import (
	"context"
	"database/sql/driver"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// DefaultRedrive is how often a message is handed out before it goes to the dead letters.
const DefaultRedrive = 5

// keepBodies is how many bytes of bodies stay in memory between send and receive.
const keepBodies = 4 << 20

// Options set a queue's behaviour.
type Options struct {
	Now     func() time.Time // nil: time.Now
	Redrive int              // receives before a message goes to Dead(queue); 0: DefaultRedrive
	Nasty   *Nasty           // nil: as well-behaved as a queue may be
}

// Nasty makes the queue do what the cloud's does once in a while, often and in an order
// that the seed decides: hand out messages in any order, and one in four twice, while
// the first receiver still works on it.
type Nasty struct{ Seed uint64 }

// Queue keeps queues in a SQLite database.
type Queue struct {
	db      *sqlitedb.DB
	now     func() time.Time
	redrive int
	rnd     *rand.Rand // nil unless nasty; under mu

	mu       sync.Mutex
	lines    map[string]*line
	items    map[int64]*item
	lastID   int64
	bodies   int     // bytes of bodies held
	gone     []int64 // deleted, but their rows not yet
	removing bool    // a removal of gone rows is on its way
}

var _ queue.Driver = (*Queue)(nil)

// New makes the queue's table in db where it isn't there, and loads what waits.
func New(db *sqlitedb.DB, o Options) (*Queue, error) {
	q := &Queue{db: db, now: o.Now, redrive: o.Redrive, lines: map[string]*line{}, items: map[int64]*item{}}
	if q.now == nil {
		q.now = time.Now
	}
	if q.redrive == 0 {
		q.redrive = DefaultRedrive
	}
	if o.Nasty != nil {
		q.rnd = rand.New(rand.NewPCG(o.Nasty.Seed, 0))
	}
	err := db.Schema(`CREATE TABLE IF NOT EXISTS queue_message (id INTEGER PRIMARY KEY, queue TEXT NOT NULL,
		grp TEXT NOT NULL, sent INTEGER NOT NULL, not_before INTEGER NOT NULL, count INTEGER NOT NULL, body BLOB)`)
	if err != nil {
		return nil, err
	}
	// Numbers go on from the clock, so that a restart with an empty table repeats none.
	q.lastID = q.now().UnixMicro()
	now := q.now().UnixMilli()
	return q, db.Read(context.Background(), func(c *sqlitedb.Conn) error {
		return c.Query(func(cols []driver.Value) error {
			it := &item{id: cols[0].(int64), line: q.line(cols[1].(string)), group: cols[2].(string),
				sent: cols[3].(int64), at: cols[4].(int64), count: int(cols[5].(int64)), index: -1}
			q.lastID = max(q.lastID, it.id)
			q.items[it.id] = it
			it.line.add(it, now)
			return nil
		}, `SELECT id, queue, grp, sent, not_before, count FROM queue_message ORDER BY id`)
	})
}

// Send stores all messages durably.
func (q *Queue) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	if name == "" || len(msgs) < 1 || len(msgs) > queue.MaxBatch {
		return kinds.Errorf(kinds.Invalid, "queue: a send of %d messages", len(msgs))
	}
	now := q.now()
	items := make([]*item, len(msgs))
	for i, m := range msgs {
		if len(m.Body) > queue.MaxBody {
			return kinds.Errorf(kinds.Limit, "queue: a body of %d bytes", len(m.Body))
		}
		if m.Delay < 0 || m.Delay > queue.MaxDelay {
			return kinds.Errorf(kinds.Invalid, "queue: a delay of %v", m.Delay)
		}
		items[i] = &item{group: m.Group, sent: now.UnixMilli(), at: now.Add(m.Delay).UnixMilli(), index: -1}
	}
	q.mu.Lock()
	for i, m := range msgs {
		q.lastID++
		items[i].id, items[i].line = q.lastID, q.line(name)
		if q.bodies+len(m.Body) <= keepBodies {
			items[i].body = append([]byte{}, m.Body...)
			q.bodies += len(m.Body)
		}
	}
	q.mu.Unlock()
	// Without the caller's end: who gave up would leave a row that memory knows nothing of.
	err := q.db.Write(context.WithoutCancel(ctx), func(c *sqlitedb.Conn) error {
		for i, it := range items {
			if _, err := c.Exec(`INSERT INTO queue_message (id, queue, grp, sent, not_before, count, body)
				VALUES (?, ?, ?, ?, ?, 0, ?)`, it.id, name, it.group, it.sent, it.at, msgs[i].Body); err != nil {
				return err
			}
		}
		return nil
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range items {
		if err != nil {
			q.bodies -= len(it.body)
			continue
		}
		q.items[it.id] = it
		it.line.add(it, q.now().UnixMilli())
	}
	return err
}

// Delete removes a message. It doesn't wait for the disk: a crash within the next
// commit brings the message back, as any queue that hands out at least once may.
func (q *Queue) Delete(ctx context.Context, name, receipt string) error {
	q.mu.Lock()
	it, err := q.held(name, receipt)
	if it == nil || err != nil {
		q.mu.Unlock()
		return err
	}
	it.line.remove(it)
	q.forget(it)
	q.gone = append(q.gone, it.id)
	start := !q.removing
	q.removing = true
	q.mu.Unlock()
	if !start {
		return nil
	}
	return q.remove(ctx)
}

// remove deletes, in one change, the rows of all that is gone by the time of its turn.
func (q *Queue) remove(ctx context.Context) error {
	var ids []int64
	done := func(err error) {
		if err != nil { // the next removal tries again
			q.mu.Lock()
			defer q.mu.Unlock()
			q.gone = append(q.gone, ids...)
		}
	}
	err := q.db.Submit(context.WithoutCancel(ctx), func(c *sqlitedb.Conn) error {
		q.mu.Lock()
		ids, q.gone, q.removing = q.gone, nil, false
		q.mu.Unlock()
		for _, id := range ids {
			if _, err := c.Exec(`DELETE FROM queue_message WHERE id = ?`, id); err != nil {
				return err
			}
		}
		return nil
	}, done)
	if err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.removing = false
	}
	return err
}

// Extend sets the time for which a message stays hidden.
func (q *Queue) Extend(ctx context.Context, name, receipt string, visibility time.Duration) error {
	if visibility < 0 || visibility > queue.MaxVisibility {
		return kinds.Errorf(kinds.Invalid, "queue: a visibility of %v", visibility)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	it, err := q.held(name, receipt)
	if err != nil {
		return err
	}
	if it == nil {
		return kinds.Errorf(kinds.Closed, "queue: the message is deleted")
	}
	now := q.now()
	it.line.remove(it)
	it.at = now.Add(visibility).UnixMilli()
	it.line.add(it, now.UnixMilli())
	return nil
}

// Depth tells how much waits.
func (q *Queue) Depth(ctx context.Context, name string) (queue.Depth, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.line(name)
	l.promote(q.now().UnixMilli())
	d := queue.Depth{Visible: l.ready}
	for _, it := range l.hidden {
		if it.count == 0 {
			d.Delayed++
		} else {
			d.InFlight++
		}
	}
	return d, nil
}

// held gives the message of a receipt; none and no error when it is deleted.
func (q *Queue) held(name, receipt string) (*item, error) {
	left, right, ok := strings.Cut(receipt, ".")
	id, err := strconv.ParseInt(left, 36, 64)
	count, err2 := strconv.Atoi(right)
	if !ok || err != nil || err2 != nil || id > q.lastID {
		return nil, kinds.Errorf(kinds.Invalid, "queue: not a receipt of this queue")
	}
	it := q.items[id]
	if it == nil {
		return nil, nil
	}
	if it.line.name != name || it.count != count {
		return nil, kinds.Errorf(kinds.Closed, "queue: the message was handed out again since")
	}
	return it, nil
}

func (q *Queue) forget(it *item) {
	delete(q.items, it.id)
	q.bodies -= len(it.body)
	it.body = nil
}

func (q *Queue) line(name string) *line {
	l := q.lines[name]
	if l == nil {
		l = &line{name: name, groups: map[string]*group{}, wake: make(chan struct{}, 1)}
		q.lines[name] = l
	}
	return l
}
