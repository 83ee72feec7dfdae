package account

import (
	"container/list"
	"sync"
)

// lru keeps what was used last, within a budget of bytes. Safe for concurrent use.
type lru[K comparable, V any] struct {
	mu     sync.Mutex
	budget int64
	used   int64
	items  map[K]*list.Element
	order  list.List // newest first
}

type lruItem[K comparable, V any] struct {
	key  K
	val  V
	cost int64
}

func newLRU[K comparable, V any](budget int64) *lru[K, V] {
	return &lru[K, V]{budget: budget, items: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(k K) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	el := l.items[k]
	if el == nil {
		return v, false
	}
	l.order.MoveToFront(el)
	return el.Value.(*lruItem[K, V]).val, true
}

// put keeps v and gives the keys that had to go for it: k itself when v is larger than all
// that may be kept.
func (l *lru[K, V]) put(k K, v V, cost int64) (gone []K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(k)
	if cost > l.budget {
		return []K{k} // it would drive out all others for nothing
	}
	l.items[k] = l.order.PushFront(&lruItem[K, V]{k, v, cost})
	l.used += cost
	for l.used > l.budget {
		k := l.order.Back().Value.(*lruItem[K, V]).key
		l.remove(k)
		gone = append(gone, k)
	}
	return gone
}

func (l *lru[K, V]) drop(k K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(k)
}

func (l *lru[K, V]) remove(k K) {
	if el := l.items[k]; el != nil {
		l.order.Remove(el)
		l.used -= el.Value.(*lruItem[K, V]).cost
		delete(l.items, k)
	}
}
