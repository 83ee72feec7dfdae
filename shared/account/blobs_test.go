package account

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/blobtest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// memoryBlobs is a blob store without a disk.
type memoryBlobs struct {
	now func() time.Time

	mu      sync.Mutex
	objects map[string][]byte
	times   map[string]time.Time
}

func newMemoryBlobs(now func() time.Time) *memoryBlobs {
	return &memoryBlobs{now: now, objects: map[string][]byte{}, times: map[string]time.Time{}}
}

func TestMemoryBlobsAreABlobStore(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.World {
		return blobtest.World{Driver: newMemoryBlobs(porttest.NewClock().Now)}
	})
}

func (m *memoryBlobs) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	b := make([]byte, max(size, 0))
	if n, err := body.ReadAt(b, 0); int64(n) != size || size < 0 {
		return kinds.Errorf(kinds.Invalid, "memory: a body of %d bytes, not %d: %w", n, size, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "memory: put")
	}
	if old, ok := m.objects[name]; ok {
		if bytes.Equal(old, b) {
			return nil
		}
		return kinds.Errorf(kinds.Exists, "memory: %s is there", name)
	}
	m.objects[name], m.times[name] = b, m.now()
	return nil
}

func (m *memoryBlobs) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[name]
	switch {
	case ctx.Err() != nil:
		return nil, kinds.Wrap(kinds.Unavailable, ctx.Err(), "memory: open")
	case off < 0:
		return nil, kinds.Errorf(kinds.Invalid, "memory: offset %d", off)
	case !ok:
		return nil, kinds.Errorf(kinds.NotFound, "memory: there is no %s", name)
	}
	b = b[min(off, int64(len(b))):]
	if n >= 0 {
		b = b[:min(n, int64(len(b)))]
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (m *memoryBlobs) Stat(_ context.Context, name string) (blob.Info, error) {
	if err := blob.CheckName(name); err != nil {
		return blob.Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[name]
	if !ok {
		return blob.Info{}, kinds.Errorf(kinds.NotFound, "memory: there is no %s", name)
	}
	return blob.Info{Name: name, Size: int64(len(b)), Modified: m.times[name]}, nil
}

func (m *memoryBlobs) List(_ context.Context, prefix, after string, limit int) (list []blob.Info, err error) {
	if limit < 1 || limit > blob.MaxPage {
		return nil, kinds.Errorf(kinds.Invalid, "memory: list %d", limit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(name, prefix) && name > after && len(list) < limit {
			list = append(list, blob.Info{Name: name, Size: int64(len(m.objects[name])), Modified: m.times[name]})
		}
	}
	return list, nil
}

func (m *memoryBlobs) Delete(_ context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	delete(m.times, name)
	return nil
}

// change gives each object with that prefix to fn, and keeps what it gives; nil: nothing.
func (m *memoryBlobs) change(prefix string, fn func(name string, b []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if b := fn(name, bytes.Clone(m.objects[name])); b != nil {
			m.objects[name] = b
		} else {
			delete(m.objects, name)
		}
	}
}
