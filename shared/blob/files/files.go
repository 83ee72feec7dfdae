// Package files is the blob store's embedded twin: one file an object. A file is
// written and synced under a temporary name, then takes its own, then the folder is
// synced, so that a crash at any moment leaves the whole object or none.
package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Files keeps objects under a folder: finished ones in objects, others in unfinished.
// The folder of element "a" is named "a+", as "a" may be an object as well as "a/b".
type Files struct {
	fs         FS
	objects    string
	unfinished string
	folders    folders
	buffers    sync.Pool
}

var _ blob.Driver = (*Files)(nil)

const folderMark = "+"

// New opens the store in root, which is made if it isn't there (its parent must be),
// and removes what unfinished writes have left. One process at a time may use it.
func New(root string, layer FS) (*Files, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fail(err, "open")
	}
	f := &Files{fs: layer, objects: filepath.Join(root, "objects"), unfinished: filepath.Join(root, "unfinished")}
	f.buffers.New = func() any { b := make([]byte, 64<<10); return &b }
	f.folders = folders{fs: layer, root: filepath.Dir(root), open: map[string]*folder{}, known: map[string]bool{}}
	for _, dir := range []string{f.objects, f.unfinished} {
		if err := f.folders.make(dir); err != nil {
			return nil, fail(err, "open")
		}
	}
	left, err := layer.ReadDir(f.unfinished)
	if err != nil {
		return nil, fail(err, "open")
	}
	for _, e := range left {
		if err := layer.Remove(filepath.Join(f.unfinished, e.Name())); err != nil {
			return nil, fail(err, "open")
		}
	}
	return f, nil
}

// Put stores an object: two syncs, the second shared with others in the same folder.
func (f *Files) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	if size < 0 {
		return kinds.Errorf(kinds.Invalid, "blob: a size of %d", size)
	}
	if err := ctx.Err(); err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "blob: put")
	}
	path := f.path(name)
	dir := filepath.Dir(path)
	if err := f.folders.make(dir); err != nil {
		return fail(err, "put")
	}
	temp := filepath.Join(f.unfinished, rand.Text())
	if err := f.write(temp, body, size); err != nil {
		_ = f.fs.Remove(temp)
		return err
	}
	err := f.fs.Rename(temp, path)
	if err != nil {
		_ = f.fs.Remove(temp)
		if !errors.Is(err, fs.ErrExist) {
			return fail(err, "put")
		}
		if err := f.same(path, body, size); err != nil {
			return err
		}
	}
	return fail(f.folders.sync(dir), "put")
}

func (f *Files) write(path string, body io.ReaderAt, size int64) error {
	file, err := f.fs.Create(path)
	if err != nil {
		return fail(err, "put")
	}
	err = f.copy(file, body, size)
	if err == nil {
		err = fail(file.Sync(), "put")
	}
	if cerr := file.Close(); err == nil {
		err = fail(cerr, "put")
	}
	return err
}

func (f *Files) copy(to io.Writer, body io.ReaderAt, size int64) error {
	buf := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buf)
	for off := int64(0); off < size; {
		n, err := body.ReadAt((*buf)[:min(size-off, int64(len(*buf)))], off)
		if n == 0 {
			return kinds.Errorf(kinds.Invalid, "blob: the body ends after %d bytes of %d: %w", off, size, err)
		}
		if _, err := to.Write((*buf)[:n]); err != nil {
			return fail(err, "put")
		}
		off += int64(n)
	}
	return nil
}

// same fails with Exists unless the file at path holds the same bytes.
func (f *Files) same(path string, body io.ReaderAt, size int64) error {
	file, err := f.fs.Open(path)
	if err != nil {
		return fail(err, "put") // deleted since: temporary, and the caller comes again
	}
	defer file.Close()
	there, err := file.Stat()
	if err != nil {
		return fail(err, "put")
	}
	differs := there.Size() != size
	mine, theirs := f.buffers.Get().(*[]byte), f.buffers.Get().(*[]byte)
	defer f.buffers.Put(mine)
	defer f.buffers.Put(theirs)
	for off := int64(0); off < size && !differs; off += int64(len(*mine)) {
		n := min(size-off, int64(len(*mine)))
		if m, err := file.ReadAt((*theirs)[:n], off); int64(m) < n {
			return fail(err, "put")
		}
		if m, err := body.ReadAt((*mine)[:n], off); int64(m) < n {
			return kinds.Errorf(kinds.Invalid, "blob: the body is short: %w", err)
		}
		differs = !bytes.Equal((*mine)[:n], (*theirs)[:n])
	}
	if differs {
		return kinds.Errorf(kinds.Exists, "blob: another object has the name")
	}
	return nil
}

// Open reads a range of an object.
func (f *Files) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, kinds.Errorf(kinds.Invalid, "blob: an offset of %d", off)
	}
	file, err := f.fs.Open(f.path(name))
	if err != nil {
		return nil, fail(err, "open")
	}
	if off > 0 {
		if _, err := file.Seek(off, io.SeekStart); err != nil {
			file.Close()
			return nil, fail(err, "open")
		}
	}
	if n < 0 {
		n = math.MaxInt64
	}
	return &reader{LimitedReader: io.LimitedReader{R: file, N: n}, file: file}, nil
}

// reader is a range of a file.
type reader struct {
	io.LimitedReader
	file *os.File
}

// WriteTo hands the file itself to w, so that a socket can take it without a copy.
func (r *reader) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, &r.LimitedReader) }

func (r *reader) Close() error { return r.file.Close() }

// Stat tells an object's size and time.
func (f *Files) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := blob.CheckName(name); err != nil {
		return blob.Info{}, err
	}
	i, err := f.fs.Stat(f.path(name))
	if err != nil {
		return blob.Info{}, fail(err, "stat")
	}
	return blob.Info{Name: name, Size: i.Size(), Modified: i.ModTime()}, nil
}

// Delete removes an object.
func (f *Files) Delete(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	if err := f.fs.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err, "delete")
	}
	return nil
}

func (f *Files) path(name string) string {
	return filepath.Join(f.objects, Path(name))
}

// Path gives the path, below the store's folder objects, of the object with the name.
func Path(name string) string {
	return filepath.FromSlash(strings.ReplaceAll(name, "/", folderMark+"/"))
}

// fail gives a file system's error its kind.
func fail(err error, doing string) error {
	if errors.Is(err, fs.ErrNotExist) && doing != "put" {
		return kinds.Wrap(kinds.NotFound, err, "blob: "+doing)
	}
	return kinds.Wrap(kinds.Unavailable, err, "blob: "+doing)
}
