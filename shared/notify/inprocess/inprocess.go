// Package inprocess is notify's embedded twin: watchers and writers are in one process.
package inprocess

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
)

// buffered is how many events a listener holds before it loses some.
const buffered = 1024

// Notify carries events between goroutines.
type Notify struct {
	mu        sync.RWMutex
	listeners map[string]*listener
}

var _ notify.Driver = (*Notify)(nil)

// New makes a Notify without listeners.
func New() *Notify { return &Notify{listeners: map[string]*listener{}} }

type listener struct {
	n      *Notify
	name   string
	events chan notify.Event
}

// Listen opens a listener with a new name.
func (n *Notify) Listen(ctx context.Context) (notify.Listener, error) {
	l := &listener{n: n, name: rand.Text(), events: make(chan notify.Event, buffered)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[l.name] = l
	return l, nil
}

// Tell hands the event to the watcher, or drops it when the watcher is too slow.
func (n *Notify) Tell(ctx context.Context, watcher string, e notify.Event) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	l := n.listeners[watcher]
	if l == nil {
		return kinds.Errorf(kinds.NotFound, "notify: the watcher is gone")
	}
	select {
	case l.events <- e:
	default:
	}
	return nil
}

func (l *listener) Name() string                { return l.name }
func (l *listener) Events() <-chan notify.Event { return l.events }

// Close ends the listener and its channel. Closing twice is fine.
func (l *listener) Close() error {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	if l.n.listeners[l.name] == l {
		delete(l.n.listeners, l.name)
		close(l.events)
	}
	return nil
}
