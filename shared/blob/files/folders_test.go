package files

import (
	"sync"
	"testing"
)

// countSyncs counts folder syncs; the first waits until everybody else waits too.
type countSyncs struct {
	OS
	f     *folders
	users int
	syncs int
}

func (c *countSyncs) SyncDir(path string) error {
	c.syncs++
	for c.syncs == 1 {
		c.f.mu.Lock()
		all := c.f.open[path].users == c.users
		c.f.mu.Unlock()
		if all {
			break
		}
	}
	return nil
}

func TestThoseWhoWaitForOneFolderShareItsSync(t *testing.T) {
	f := &folders{open: map[string]*folder{}, known: map[string]bool{}}
	c := &countSyncs{f: f, users: 20}
	f.fs = c
	var wg sync.WaitGroup
	for range c.users {
		wg.Go(func() {
			if err := f.sync("folder"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// One for the first, and one that began after all others had come.
	if c.syncs != 2 {
		t.Errorf("%d syncs for %d, want 2", c.syncs, c.users)
	}
	if len(f.open) != 0 {
		t.Errorf("%d folders are still in use", len(f.open))
	}
}
