package files

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// folders makes folders and syncs them, once for all who wait for the same one.
type folders struct {
	fs   FS
	root string // durable before anything is put below it

	mu    sync.Mutex
	open  map[string]*folder
	known map[string]bool // there, and known to be durable
}

const keepKnown = 10_000

type folder struct {
	users   int
	started atomic.Int64 // how many syncs have begun
	mu      sync.Mutex   // one sync at a time
	err     error        // of the last sync
}

// make makes the folder and those above it, durably. That it is there proves nothing: a
// crash of the process, or somebody who hasn't synced yet, leaves folders that a power
// cut takes away with all that is in them.
func (f *folders) make(dir string) error {
	f.mu.Lock()
	known := dir == f.root || f.known[dir]
	f.mu.Unlock()
	if known {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := f.make(parent); err != nil {
		return err
	}
	if err := f.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.sync(parent); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) >= keepKnown {
		clear(f.known)
	}
	f.known[dir] = true
	return nil
}

// sync returns when the folder, as it was at the call, is durable.
func (f *folders) sync(dir string) error {
	f.mu.Lock()
	d := f.open[dir]
	if d == nil {
		d = &folder{}
		f.open[dir] = d
	}
	d.users++
	before := d.started.Load()
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if d.users--; d.users == 0 {
			delete(f.open, dir)
		}
	}()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started.Load() > before {
		return d.err // one that began after the call has ended meanwhile
	}
	d.started.Add(1)
	d.err = f.fs.SyncDir(dir)
	return d.err
}
