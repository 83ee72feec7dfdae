// Package archive reads and writes mail that lies in files: Maildir, mbox, and trees or
// zips of .eml files. What is read is untrusted: each limit is stated in Options, a
// broken message is reported with its place and passed over, and memory stays bounded
// whatever a file holds (about 1 MiB for each message that the caller keeps, and about
// 100 bytes for each file of the folder being read, as its messages come in order).
package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Format is a form in which mail lies in files.
type Format string

// The formats. A folder that holds mbox and .eml files side by side is read as both.
const (
	Maildir Format = "maildir" // a folder with cur and new, or with such folders below it
	Mbox    Format = "mbox"    // a file, or a folder of files, each a mailbox
	EML     Format = "eml"     // a folder of .eml files; its folders are mailboxes
	Zip     Format = "zip"     // the same in one file
)

// Options limit what is read; zero values are the defaults.
type Options struct {
	MaxMessage int64   // octets of a message with CRLF line ends; 64 MiB
	MaxFiles   int     // files in one folder, or entries of one zip; 2,000,000
	Root       string  // the mailbox of messages that lie in no folder; INBOX
	Dialect    Dialect // of mbox files; by default judged for each message
}

// maxDepth limits how deep folders may lie, and levels of a mailbox.
const maxDepth = 64

func (o Options) withDefaults() Options {
	if o.MaxMessage <= 0 {
		o.MaxMessage = 64 << 20
	}
	if o.MaxFiles <= 0 {
		o.MaxFiles = 2_000_000
	}
	if o.Root == "" {
		o.Root = inbox
	}
	return o
}

// DateSource says where a message's internal date is from.
type DateSource string

// The sources of dates.
const (
	FromFileName DateSource = "file name"      // Maildir: the time of delivery
	FromFileTime DateSource = "file time"      // when the file was changed last
	FromLine     DateSource = "From line"      // mbox; taken as UTC unless it says its zone
	FromReceived DateSource = "Received field" // the topmost: when the last server took it
	FromDate     DateSource = "Date field"     // when it was sent; for mail that no server received
	FromIndex    DateSource = "index"          // what this package wrote beside the messages
)

// Item is one message of an archive.
type Item struct {
	Mailbox  string            // UTF-8, levels separated by "/"; INBOX in capitals
	Flags    []string          // as IMAP has them: \Seen and so on, then keywords; no \Recent
	Date     time.Time         // internal date, UTC, in whole seconds
	DateFrom DateSource        //
	Size     int64             // octets that Open gives
	Digest   [sha256.Size]byte // SHA-256 of these octets
	Where    string            // path inside the archive; for mbox with ":" and the octet at which it begins

	body  []byte                        // of a small message
	again func() (io.ReadCloser, error) // reads a large one anew
}

// ID is the same whenever the same octets are found in the same mailbox, in whatever
// format and order, so that who remembers it imports nothing twice. Two copies of a
// message in one mailbox have one ID.
func (i *Item) ID() string {
	h := sha256.New()
	io.WriteString(h, i.Mailbox)
	h.Write([]byte{0})
	h.Write(i.Digest[:])
	return hex.EncodeToString(h.Sum(nil))
}

// Open gives the message with CRLF line ends: a LF without CR before it has got one,
// mbox's quoting is undone, nothing else is changed. It may be called more than once and
// by any goroutine until the Reader is closed. A read fails with kinds.Corrupt if the
// file is no longer what it was.
func (i *Item) Open() (io.ReadCloser, error) {
	if i.again == nil {
		return io.NopCloser(bytes.NewReader(i.body)), nil
	}
	r, err := i.again()
	if err != nil {
		return nil, kinds.Wrap(kinds.Corrupt, err, "archive: "+i.Where)
	}
	return &sized{ReadCloser: r, left: i.Size, where: i.Where}, nil
}

// Reader reads one archive.
type Reader interface {
	// Format is the archive's form; that of its first mailbox if it has several.
	Format() Format

	// Mailboxes gives the names of all mailboxes, also empty ones, without double ones.
	Mailboxes() ([]string, error)

	// Items goes through all messages, mailbox by mailbox. With an item comes nil, or the
	// reason why it can't be had: kinds.Corrupt, kinds.Denied for a file that may not be read,
	// kinds.Limit for one that is too large, or kinds.TooNew for an index of a later version;
	// of such an item only Mailbox and Where hold. An error without an item says that the
	// archive can't be read any further.
	Items() iter.Seq2[*Item, error]

	io.Closer
}

// Open recognises the archive at path. kinds.NotFound if there is nothing, kinds.Invalid
// if it is no archive, kinds.Limit if it has more files than may be.
func Open(path string, opts Options) (Reader, error) {
	opts = opts.withDefaults()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, opening(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, opening(err)
	}
	switch {
	case info.IsDir():
		return openTree(path, "", opts)
	case !info.Mode().IsRegular():
		return nil, kinds.Errorf(kinds.Invalid, "archive: %s is no file or folder", path)
	}
	start, err := firstOctets(path)
	if err != nil {
		return nil, opening(err)
	}
	if strings.HasPrefix(start, "PK\x03\x04") || strings.HasPrefix(start, "PK\x05\x06") {
		return openZip(path, info.Size(), opts)
	}
	return openTree(filepath.Dir(path), filepath.Base(path), opts)
}

func opening(err error) error {
	kind := kinds.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = kinds.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = kinds.Denied
	}
	return kinds.Wrap(kind, err, "archive")
}

func firstOctets(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b [8]byte
	n, err := io.ReadFull(f, b[:])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return string(b[:n]), err
}
