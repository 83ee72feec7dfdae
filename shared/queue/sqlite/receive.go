package sqlite

import (
	"context"
	"database/sql/driver"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// Receive waits for messages and hands them out. Their counts are on disk before it
// returns, so that a message that kills the process ends among the dead letters.
func (q *Queue) Receive(ctx context.Context, name string, max int, wait, visibility time.Duration) ([]queue.Received, error) {
	if name == "" || max < 1 || max > queue.MaxBatch || wait < 0 || wait > queue.MaxWait || visibility < 0 || visibility > queue.MaxVisibility {
		return nil, kinds.Errorf(kinds.Invalid, "queue: a receive of %d, waiting %v, hidden for %v", max, wait, visibility)
	}
	end := time.Now().Add(wait) // a wait is in real time, whatever the clock of the messages
	for {
		if err := ctx.Err(); err != nil {
			return nil, kinds.Wrap(kinds.Unavailable, err, "queue: receive")
		}
		h, next := q.pick(name, max, visibility)
		if len(h.items)+len(h.dead) > 0 {
			got, err := q.handOut(ctx, h)
			if err != nil || len(got) > 0 {
				return got, err
			}
			continue
		}
		left := time.Until(end)
		if left <= 0 {
			return nil, nil
		}
		timer := time.NewTimer(min(left, next))
		select {
		case <-h.line.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// hand is what one receive takes from a line.
type hand struct {
	line  *line
	items []*item
	got   []queue.Received // of items, as they were when taken
	dead  []*item          // handed out often enough
}

// pick takes up to max messages that are ready and hides them. Without any, it tells
// how long the next one stays hidden.
func (q *Queue) pick(name string, max int, visibility time.Duration) (h hand, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, now := q.line(name), q.now()
	h.line = l
	l.promote(now.UnixMilli())
	mortal := !strings.HasSuffix(name, queue.Dead(""))
	for len(h.items) < max && len(h.dead) < queue.MaxBatch {
		it := l.take(q.rnd)
		if it == nil {
			break
		}
		if mortal && it.count >= q.redrive {
			it.at = now.Add(time.Minute).UnixMilli() // until it has moved
			h.dead = append(h.dead, it)
			continue
		}
		it.count++
		it.at = now.Add(visibility).UnixMilli()
		id := strconv.FormatInt(it.id, 36)
		r := queue.Received{ID: id, Group: it.group, Receipt: id + "." + strconv.Itoa(it.count), Count: it.count, Sent: time.UnixMilli(it.sent)}
		if it.body != nil {
			r.Body = append([]byte{}, it.body...)
		}
		h.items, h.got = append(h.items, it), append(h.got, r)
	}
	for _, it := range h.items {
		// Never twice in a row, so that being nasty alone makes no dead letters.
		if q.rnd != nil && it.count == 1 && q.redrive > 2 && q.rnd.IntN(4) == 0 {
			it.at = now.UnixMilli()
		}
		l.add(it, now.UnixMilli())
	}
	for _, it := range h.dead {
		l.add(it, now.UnixMilli())
	}
	if l.ready > 0 {
		l.signal() // for another who waits
	}
	next = queue.MaxWait
	if len(l.hidden) > 0 {
		next = time.Duration(l.hidden[0].at-now.UnixMilli()) * time.Millisecond
	}
	return h, next
}

// handOut notes the receives on disk, fetches bodies that are not in memory, and moves
// dead letters.
func (q *Queue) handOut(ctx context.Context, h hand) ([]queue.Received, error) {
	deadName := queue.Dead(h.line.name)
	got := make([]queue.Received, 0, len(h.got))
	err := q.db.Write(context.WithoutCancel(ctx), func(c *sqlitedb.Conn) error {
		for i, r := range h.got {
			id := h.items[i].id
			changed, err := c.Exec(`UPDATE queue_message SET count = ? WHERE id = ?`, int64(r.Count), id)
			if err != nil {
				return err
			}
			if changed == 0 {
				continue // handed out twice, and deleted by the other
			}
			if r.Body == nil {
				err = c.Query(func(cols []driver.Value) error {
					r.Body, _ = cols[0].([]byte)
					return nil
				}, `SELECT body FROM queue_message WHERE id = ?`, id)
			}
			if err != nil {
				return err
			}
			got = append(got, r)
		}
		for _, it := range h.dead {
			if _, err := c.Exec(`UPDATE queue_message SET queue = ?, count = 0 WHERE id = ?`, deadName, it.id); err != nil {
				return err
			}
		}
		return nil
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	if err != nil { // nobody holds them: ready again, unless somebody else has moved on
		for i, it := range h.items {
			if it.count == h.got[i].Count {
				it.count--
				q.file(it, it.line, now)
			}
		}
		for _, it := range h.dead {
			q.file(it, it.line, now)
		}
		return nil, err
	}
	for _, it := range h.dead {
		it.count = 0
		q.file(it, q.line(deadName), now)
	}
	return got, nil
}

// file makes a message ready in a line, unless it was deleted meanwhile.
func (q *Queue) file(it *item, l *line, now int64) {
	if q.items[it.id] != it {
		return
	}
	it.line.remove(it)
	it.line, it.at = l, now
	l.add(it, now)
}
