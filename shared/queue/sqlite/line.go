package sqlite

import (
	"container/heap"
	"math/rand/v2"
	"slices"
)

// line is one queue as it stands in memory. Everything here is under Queue.mu; times
// are Unix milliseconds.
type line struct {
	name   string
	groups map[string]*group // those with something ready
	ring   []*group          // the same, in turn
	turn   int
	ready  int
	hidden byTime
	wake   chan struct{} // holds a token when something may be ready
}

type group struct {
	name  string
	items []*item
}

// item is one message.
type item struct {
	id    int64
	line  *line
	group string
	sent  int64
	at    int64 // ready from then on
	count int
	index int    // in hidden, or -1
	body  []byte // nil: on disk only
}

// add files a message by its time.
func (l *line) add(it *item, now int64) {
	if it.at > now {
		if heap.Push(&l.hidden, it); it.index == 0 {
			l.signal() // who waits, waits for a later one
		}
		return
	}
	g := l.groups[it.group]
	if g == nil {
		g = &group{name: it.group}
		l.groups[it.group] = g
		l.ring = append(l.ring, g)
	}
	g.items = append(g.items, it)
	l.ready++
	l.signal()
}

// remove takes a message out, wherever it is filed.
func (l *line) remove(it *item) {
	if it.index >= 0 {
		heap.Remove(&l.hidden, it.index)
		return
	}
	g := l.groups[it.group]
	if g == nil {
		return
	}
	if i := slices.Index(g.items, it); i >= 0 {
		l.takeOut(g, i)
	}
}

// take gives the next ready message: groups in turn, so that one with many messages
// doesn't hold up the others, and in a group the oldest. With rnd it is any message.
func (l *line) take(rnd *rand.Rand) *item {
	if len(l.ring) == 0 {
		return nil
	}
	if l.turn >= len(l.ring) {
		l.turn = 0
	}
	g, i := l.ring[l.turn], 0
	l.turn++
	if rnd != nil {
		g = l.ring[rnd.IntN(len(l.ring))]
		i = rnd.IntN(len(g.items))
	}
	it := g.items[i]
	l.takeOut(g, i)
	return it
}

func (l *line) takeOut(g *group, i int) {
	if i == 0 {
		g.items[0] = nil
		g.items = g.items[1:]
	} else {
		g.items = slices.Delete(g.items, i, i+1)
	}
	l.ready--
	if len(g.items) > 0 {
		return
	}
	delete(l.groups, g.name)
	at := slices.Index(l.ring, g)
	l.ring = slices.Delete(l.ring, at, at+1)
	if at < l.turn {
		l.turn--
	}
}

// promote makes ready what was hidden until now.
func (l *line) promote(now int64) {
	for len(l.hidden) > 0 && l.hidden[0].at <= now {
		it := heap.Pop(&l.hidden).(*item)
		l.add(it, now)
	}
}

func (l *line) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// byTime is a heap, the message that is ready first on top.
type byTime []*item

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, j int) bool { return h[i].at < h[j].at }
func (h byTime) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *byTime) Push(x any) {
	it := x.(*item)
	it.index = len(*h)
	*h = append(*h, it)
}
func (h *byTime) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	it.index = -1
	return it
}
