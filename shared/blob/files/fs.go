package files

import (
	"io"
	"io/fs"
	"os"
)

// FS is what the store asks of the file system, small enough to put a recorder or a
// fault between.
type FS interface {
	Mkdir(path string) error                    // fs.ErrExist when it is there
	Create(path string) (File, error)           // a new file, for writing
	Rename(from, to string) error               // overwrites nothing: fs.ErrExist when to is there
	SyncDir(path string) error                  // makes the folder's entries durable
	Open(path string) (*os.File, error)         // for reading
	Stat(path string) (fs.FileInfo, error)      //
	Remove(path string) error                   //
	ReadDir(path string) ([]fs.DirEntry, error) // sorted by name
}

// File is a file being written.
type File interface {
	io.Writer
	Sync() error // makes the file's bytes durable
	Close() error
}

// OS is the machine's own file system.
type OS struct{}

var _ FS = OS{}

// Mkdir makes a folder that only its owner may enter.
func (OS) Mkdir(path string) error { return os.Mkdir(path, 0o700) }

// Create makes a file that only its owner may read.
func (OS) Create(path string) (File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// Rename gives a file its name.
func (OS) Rename(from, to string) error { return renameNew(from, to) }

// SyncDir syncs a folder.
func (OS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Open opens a file for reading.
func (OS) Open(path string) (*os.File, error) { return os.Open(path) }

// Stat describes a file.
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// Remove removes a file.
func (OS) Remove(path string) error { return os.Remove(path) }

// ReadDir lists a folder.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// linkNew gives a file a new name where renaming can't refuse to overwrite.
func linkNew(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}
