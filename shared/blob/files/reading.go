package files

import (
	"context"
	"io"
	"path/filepath"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Reading is a store that is read beside the process that writes to it: it makes nothing,
// and leaves alone what is unfinished. Put and Delete are kinds.Denied.
type Reading struct{ files *Files }

var _ blob.Driver = Reading{}

// OpenReading opens the store in root, NotFound when there is none.
func OpenReading(root string, layer FS) (Reading, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return Reading{}, fail(err, "open")
	}
	f := &Files{fs: layer, objects: filepath.Join(root, "objects")}
	if _, err := layer.Stat(f.objects); err != nil {
		return Reading{}, fail(err, "open")
	}
	return Reading{f}, nil
}

// Put is refused.
func (Reading) Put(context.Context, string, io.ReaderAt, int64) error { return errReading() }

// Delete is refused.
func (Reading) Delete(context.Context, string) error { return errReading() }

func errReading() error {
	return kinds.Errorf(kinds.Denied, "blob: the store was opened for reading")
}

// Open reads a range of an object.
func (r Reading) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	return r.files.Open(ctx, name, off, n)
}

// Stat tells an object's size and time.
func (r Reading) Stat(ctx context.Context, name string) (blob.Info, error) {
	return r.files.Stat(ctx, name)
}

// List returns objects by prefix, in byte order of their names.
func (r Reading) List(ctx context.Context, prefix, after string, limit int) ([]blob.Info, error) {
	return r.files.List(ctx, prefix, after, limit)
}
