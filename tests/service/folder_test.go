//go:build !localstack

package service_test

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/tests/world"
)

// syncs notes which folders were synced.
type syncs struct {
	files.OS
	mu   sync.Mutex
	dirs []string
}

func (s *syncs) SyncDir(path string) error {
	s.mu.Lock()
	s.dirs = append(s.dirs, path)
	s.mu.Unlock()
	return s.OS.SyncDir(path)
}

func TestANewDataFolderOutlivesAPowerCut(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	layer := &syncs{}
	world.Start(t, world.Config{Data: data, Options: serve.Options{Files: layer}})
	layer.mu.Lock()
	defer layer.mu.Unlock()
	for _, dir := range []string{filepath.Dir(data), data} {
		if !slices.Contains(layer.dirs, dir) {
			t.Errorf("%s was not synced, only %q", dir, layer.dirs)
		}
	}
}
