// Package blob is the port for message bytes: objects that are written once, read by
// range and deleted when nobody owns them any more. Its contract suite is
// shared/blob/blobtest; twins: shared/blob/files and, in AWS, S3.
package blob

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// MaxPage is how many names one List returns at most.
const MaxPage = 1000

// Info is one stored object.
type Info struct {
	Name     string
	Size     int64 // bytes as stored, the header of Store included
	Modified time.Time
}

// MaxName and MaxElement limit a name and what stands between two slashes in it.
const (
	MaxName    = 512
	MaxElement = 200
)

// Driver is what a twin provides. Names are 1 to 512 bytes of [a-z0-9/._-], with no
// empty, "." or ".." element, nor one over 200 bytes (else kinds.Invalid). All methods are safe for concurrent use.
type Driver interface {
	// Put stores size bytes of body under name, durably (file and folder synced, or
	// S3's 200) before it returns nil. Nothing is ever overwritten: when name is there
	// with the same bytes, this is our own write whose reply was lost: success; with
	// other bytes: kinds.Exists. A failed or interrupted Put shows nothing under name,
	// or (Unavailable) the whole object, never a part.
	Put(ctx context.Context, name string, body io.ReaderAt, size int64) error

	// Open reads n bytes from offset off (n < 0: to the end). A range that reaches past
	// the end is cut; one that begins past it is empty. NotFound when there is no such
	// object. The caller closes the reader.
	Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error)

	// Stat tells the object's size and time, NotFound when it is not there.
	Stat(ctx context.Context, name string) (Info, error)

	// List returns objects whose name begins with prefix and is greater than after, in
	// byte order, at most limit (1..MaxPage). Unfinished writes are never listed.
	List(ctx context.Context, prefix, after string, limit int) ([]Info, error)

	// Delete removes the object; deleting what is not there is success.
	Delete(ctx context.Context, name string) error
}

// CheckName fails with kinds.Invalid when name is not one that a driver may store.
func CheckName(name string) error {
	if len(name) == 0 || len(name) > MaxName {
		return kinds.Errorf(kinds.Invalid, "blob: a name of %d bytes", len(name))
	}
	for e := range strings.SplitSeq(name, "/") {
		if e == "" || e == "." || e == ".." || len(e) > MaxElement {
			return kinds.Errorf(kinds.Invalid, "blob: a name with an element that is empty, a dot, or long")
		}
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '/' || c == '.' || c == '_' || c == '-') {
			return kinds.Errorf(kinds.Invalid, "blob: a name with byte %#x", c)
		}
	}
	return nil
}
