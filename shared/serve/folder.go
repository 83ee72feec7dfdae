package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// What stands in the data folder.
const (
	lockName     = "LOCK"
	databaseName = "godwit.db"
	queueName    = "queue.db"
	blobsName    = "blobs"
	tlsName      = "tls"
	tempName     = "tmp"
	keyName      = "admin.key"
)

// folder is the data folder, held by this process alone until close.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder where it isn't there (its parent must be), with those
// rooms, and takes it. The errors say what to do.
func openFolder(path string, rooms ...string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, kinds.Wrap(kinds.Invalid, err, "data folder")
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, unusable(path, err)
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(path, err)
	}
	if err := lockFile(f); err != nil {
		defer f.Close()
		if !errors.Is(err, errLocked) {
			return nil, unusable(path, err)
		}
		holder := "another process"
		var pid [20]byte
		if n, _ := f.ReadAt(pid[:], 0); n > 0 {
			holder = "process " + strings.TrimSpace(string(pid[:n]))
		}
		return nil, kinds.Errorf(kinds.Exists, "data folder %s is in use by %s; stop it, or take another folder with --data", path, holder)
	}
	fd := &folder{path: path, lock: f}
	// Who holds it, for the message above. It is the lock that counts, not this text.
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err == nil {
		err = fd.makeRooms(rooms)
	}
	if err != nil {
		f.Close()
		return nil, unusable(path, err)
	}
	return fd, nil
}

// makeRooms makes the folders within, and empties the temporary one: what is there
// was left by a process that died.
func (f *folder) makeRooms(names []string) error {
	for _, name := range names {
		if err := os.Mkdir(f.in(name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	left, err := os.ReadDir(f.in(tempName))
	for _, e := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(f.in(tempName), e.Name())))
	}
	return err
}

func (f *folder) in(name string) string { return filepath.Join(f.path, name) }

// close lets go of the folder. The file stays: removing it would let two processes
// lock two files of the same name.
func (f *folder) close() error { return f.lock.Close() }

func unusable(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return kinds.Errorf(kinds.Invalid, "data folder %s can't be used: %w; choose another one with --data", path, err)
}
