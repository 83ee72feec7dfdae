// Package filestest has a file layer for tests that knows what a power cut would leave.
package filestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
)

// Recorder is a file layer that keeps account of what is durable: bytes after a sync of
// their file, a name after a sync of its folder. What was there before it is held to be
// at risk, except for the folder that was given to New and those above it.
type Recorder struct {
	files.FS
	root string

	// Before, if not nil, is asked before each operation ("create", "write", "sync",
	// "close", "rename", "mkdir", "syncdir", "remove"), which fails with its error.
	Before func(op, path string) error

	mu       sync.Mutex
	unsynced map[string]bool // files with bytes that are not durable
	names    map[string]bool // names that are durable
	syncs    int
}

// New makes a recorder over the machine's file system for a store in a folder of parent.
func New(parent string) *Recorder {
	return &Recorder{FS: files.OS{}, root: parent, unsynced: map[string]bool{}, names: map[string]bool{}}
}

// Durable fails unless a power cut now would leave the file at path as it is.
func (r *Recorder) Durable(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unsynced[path] {
		return fmt.Errorf("the bytes of %s are not synced", path)
	}
	for p := path; p != r.root; p = filepath.Dir(p) {
		if len(p) <= len(r.root) {
			return fmt.Errorf("%s is not below %s", path, r.root)
		}
		if !r.names[p] {
			return fmt.Errorf("the name %s is not synced in its folder", p)
		}
	}
	return nil
}

// Syncs tells how many syncs of files and folders there were.
func (r *Recorder) Syncs() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.syncs
}

// Guard gives d, whose Put then fails the test when it is a success and the object, in
// the store in the folder store, would not outlive a power cut.
func (r *Recorder) Guard(t testing.TB, d blob.Driver, store string) blob.Driver {
	return guard{d, r, t, filepath.Join(store, "objects")}
}

type guard struct {
	blob.Driver
	r       *Recorder
	t       testing.TB
	objects string
}

func (g guard) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	err := g.Driver.Put(ctx, name, body, size)
	if err == nil {
		if err := g.r.Durable(filepath.Join(g.objects, files.Path(name))); err != nil {
			g.t.Errorf("put has returned, but %v", err)
		}
	}
	return err
}

func (r *Recorder) before(op, path string) error {
	if r.Before == nil {
		return nil
	}
	return r.Before(op, path)
}

// note changes the account, under the lock, when err is nil, and returns err.
func (r *Recorder) note(err error, change func()) error {
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		change()
	}
	return err
}

// Mkdir makes a folder, whose name is at risk.
func (r *Recorder) Mkdir(path string) error {
	if err := r.before("mkdir", path); err != nil {
		return err
	}
	r.mu.Lock() // or somebody who finds it and syncs it has it taken from his account
	defer r.mu.Unlock()
	err := r.FS.Mkdir(path)
	if err == nil {
		delete(r.names, path)
	}
	return err
}

// Create makes a file, whose name is at risk.
func (r *Recorder) Create(path string) (files.File, error) {
	if err := r.before("create", path); err != nil {
		return nil, err
	}
	f, err := r.FS.Create(path)
	return &file{f, r, path}, r.note(err, func() { delete(r.names, path) })
}

// Rename gives a file a name, which is at risk.
func (r *Recorder) Rename(from, to string) error {
	if err := r.before("rename", to); err != nil {
		return err
	}
	r.mu.Lock() // so that nobody sees the new name before its account
	defer r.mu.Unlock()
	err := r.FS.Rename(from, to)
	if err == nil {
		delete(r.names, to)
		r.unsynced[to] = r.unsynced[from]
		delete(r.unsynced, from)
	}
	return err
}

// SyncDir makes the names in a folder durable that were there when it began.
func (r *Recorder) SyncDir(path string) error {
	there, err := r.FS.ReadDir(path)
	if err == nil {
		err = r.before("syncdir", path)
	}
	if err == nil {
		err = r.FS.SyncDir(path)
	}
	return r.note(err, func() {
		r.syncs++
		for _, e := range there {
			r.names[filepath.Join(path, e.Name())] = true
		}
	})
}

// Remove removes a file.
func (r *Recorder) Remove(path string) error {
	if err := r.before("remove", path); err != nil {
		return err
	}
	err := r.FS.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.note(err, func() { delete(r.names, path); delete(r.unsynced, path) })
}

type file struct {
	files.File
	r    *Recorder
	path string
}

func (f *file) Write(p []byte) (int, error) {
	if err := f.r.before("write", f.path); err != nil {
		return 0, err
	}
	_ = f.r.note(nil, func() { f.r.unsynced[f.path] = true })
	return f.File.Write(p)
}

func (f *file) Sync() error {
	if err := f.r.before("sync", f.path); err != nil {
		return err
	}
	return f.r.note(f.File.Sync(), func() { f.r.syncs++; f.r.unsynced[f.path] = false })
}

func (f *file) Close() error {
	if err := f.r.before("close", f.path); err != nil {
		f.File.Close()
		return err
	}
	return f.File.Close()
}
