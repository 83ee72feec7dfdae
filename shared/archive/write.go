package archive

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Message is what a Writer takes.
type Message struct {
	Mailbox string    // UTF-8, levels separated by "/"
	Flags   []string  // as Item has them
	Date    time.Time // internal date; whole seconds are kept
	Body    io.Reader // with CRLF line ends
}

// WriteOptions change what is written; zero values are the defaults.
type WriteOptions struct {
	// StatusFields puts the flags into the header of messages in an mbox as well, where
	// mutt, Dovecot and others look for them. These then see a message that is a few octets
	// longer; this package leaves them out again when it reads.
	StatusFields bool
}

// Writer writes a new archive. What it writes is read back with the same mailboxes,
// flags, dates and octets; a bare LF becomes CRLF. INBOX is INBOX in any case. It is for
// one goroutine.
type Writer interface {
	// Mailbox makes a mailbox, if it is not there; Write does too. kinds.Invalid for a name
	// that no mailbox has.
	Mailbox(name string) error

	// Write adds a message. If reading Body fails, that error is given and the archive is
	// as before. Other errors: kinds.Invalid for a flag, name or date, kinds.Limit for more
	// than about 30 keywords that a Maildir has no letter for, kinds.Unavailable if the disk
	// takes no more.
	Write(Message) error

	// Close finishes the archive. Without it a zip does not exist.
	Close() error
}

// Create makes an archive: Maildir++, mboxrd with a file for each mailbox, or .eml files
// in a folder for each mailbox or zipped. path must not exist, or be an empty folder:
// kinds.Exists. Files are not synced one by one.
func Create(format Format, path string, opts WriteOptions) (Writer, error) {
	if format == Zip {
		return createZip(path)
	}
	if format != Maildir && format != Mbox && format != EML {
		return nil, kinds.Errorf(kinds.Invalid, "archive: no format is called %q", format)
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, opening(err)
	}
	there, err := os.ReadDir(path)
	if err != nil {
		return nil, opening(err)
	}
	if len(there) > 0 {
		return nil, kinds.Errorf(kinds.Exists, "archive: %s is not empty", path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, opening(err)
	}
	switch format {
	case Maildir:
		return newMaildirWriter(root), nil
	case Mbox:
		return &mboxWriter{root: root, layout: newLayout(), opts: opts, fill: newFiller()}, nil
	}
	return &emlWriter{root: root, layout: newLayout(), seen: map[string]bool{}, fill: newFiller()}, nil
}

// filler copies bodies, and tells errors of reading one from errors of writing.
type filler struct {
	lines lines
	out   *bufio.Writer
	buf   [32 << 10]byte
	head  []byte // the first octets of the body last copied
	n     int64  // its octets with CRLF line ends
	sum   func([]byte)
}

func newFiller() *filler {
	return &filler{lines: lines{br: bufio.NewReaderSize(nil, 64<<10)}, out: bufio.NewWriterSize(nil, 64<<10)}
}

// errBody wraps an error of reading a body.
type errBody struct{ error }

func (e errBody) Unwrap() error { return e.error }

// begin reads the start of a body, in which the header is looked for.
func (c *filler) begin(body io.Reader) error {
	c.lines.reset(body, verbatim)
	c.n = 0
	if cap(c.head) == 0 {
		c.head = make([]byte, headLimit)
	}
	n, err := io.ReadFull(&c.lines, c.head[:headLimit])
	c.head = c.head[:n]
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return errBody{err}
	}
	return nil
}

// copy writes the body to w, with CRLF line ends, through convert if it is not nil.
func (c *filler) copy(w io.Writer, convert func(io.Writer, []byte) error) error {
	put := func(b []byte) error {
		c.n += int64(len(b))
		if c.sum != nil {
			c.sum(b)
		}
		if convert != nil {
			return convert(c.out, b)
		}
		_, err := c.out.Write(b)
		return err
	}
	c.out.Reset(w)
	if err := put(c.head); err != nil {
		return writing(err)
	}
	for {
		n, err := c.lines.Read(c.buf[:])
		if err := put(c.buf[:n]); err != nil {
			return writing(err)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return errBody{err}
		}
	}
	if convert != nil {
		if err := convert(c.out, nil); err != nil {
			return writing(err)
		}
	}
	return writing(c.out.Flush())
}

func writing(err error) error { return kinds.Wrap(kinds.Unavailable, err, "archive: writing") }

// bodyErr gives an error of reading the body as it came.
func bodyErr(err error) error {
	var e errBody
	if errors.As(err, &e) {
		return e.error
	}
	return err
}

// check gives the flags as they are kept, and makes the mailbox's name what it will be.
func (m *Message) check() ([]string, error) {
	m.Mailbox = canonical(m.Mailbox)
	if at := m.Date.Unix(); at < minDate || at > maxDate {
		return nil, kinds.Errorf(kinds.Invalid, "archive: no date of a message: %v", m.Date)
	}
	if err := checkName(m.Mailbox); err != nil {
		return nil, err
	}
	return checkFlags(m.Flags)
}

// makeFolders makes a folder and those above it.
func makeFolders(root *os.Root, dir string) error {
	return writing(root.MkdirAll(filepath.FromSlash(dir), 0o700))
}

func put(root *os.Root, name string, b []byte) error {
	return writing(root.WriteFile(path.Clean(name), b, 0o600))
}
