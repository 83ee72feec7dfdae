package archive

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// zipped reads a zip of .eml files. Its list of entries is held in memory, about 500
// bytes each.
type zipped struct {
	io.Closer
	zip  *zip.Reader
	opts Options
}

func openZip(name string, size int64, opts Options) (Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, opening(err)
	}
	z, err := readZip(f, size, opts)
	if err != nil {
		f.Close()
		return nil, kinds.Wrap(kinds.Of(err), err, "archive: "+name)
	}
	z.Closer = f
	return z, nil
}

func readZip(f io.ReaderAt, size int64, opts Options) (*zipped, error) {
	counted := &counter{f: f, entries: opts.MaxFiles, octets: 256*int64(opts.MaxFiles) + 1<<20}
	z, err := zip.NewReader(counted, size)
	if err == nil && len(z.File) > opts.MaxFiles || errors.Is(err, errTooMany) {
		return nil, kinds.Errorf(kinds.Limit, "more than %d entries", opts.MaxFiles)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // looked at below, entry by entry
		return nil, kinds.Wrap(kinds.Corrupt, err, "zip")
	}
	counted.off = true
	r := &zipped{zip: z, opts: opts}
	if names, _ := r.Mailboxes(); len(names) == 0 && len(z.File) > 0 {
		return nil, kinds.Errorf(kinds.Invalid, "no .eml files; what else it holds must be unpacked first")
	}
	return r, nil
}

var errTooMany = errors.New("too many entries")

// counter ends the reading of a zip's list of entries before it fills the memory: the
// list may hold any number of entries, whatever its head says.
type counter struct {
	f       io.ReaderAt
	off     bool
	entries int
	octets  int64
}

func (c *counter) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.f.ReadAt(p, at)
	if !c.off {
		c.entries -= bytes.Count(p[:n], []byte("PK\x01\x02"))
		if c.octets -= int64(n); c.entries < 0 || c.octets < 0 {
			return 0, errTooMany
		}
	}
	return n, err
}

func (z *zipped) Format() Format { return Zip }

func (z *zipped) Mailboxes() (names []string, err error) {
	seen := map[string]bool{}
	for _, f := range z.zip.File {
		e := z.entry(f)
		if (e.err == nil && e.message || e.folder) && !seen[e.mailbox] {
			seen[e.mailbox] = true
			names = append(names, e.mailbox)
		}
	}
	return names, nil
}

func (z *zipped) Items() iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		s := newScratch()
		for _, f := range z.zip.File {
			e := z.entry(f)
			if !e.message {
				continue
			}
			i := &Item{Mailbox: e.mailbox, Where: e.name}
			err := e.err
			if err == nil {
				err = z.message(s, i, f, e)
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

type zipEntry struct {
	name    string
	mailbox string
	message bool
	folder  bool
	rec     record
	known   bool // rec holds
	err     error
}

// entry judges an entry by what the list says of it.
func (z *zipped) entry(f *zip.File) (e zipEntry) {
	e.name = f.Name
	if !utf8.ValidString(e.name) {
		e.name, _ = charmap.CodePage437.NewDecoder().String(e.name) // the zip format's own
	}
	// QUIRK: some Windows programs write backslashes.
	slashed := strings.ReplaceAll(e.name, `\`, "/")
	e.folder = strings.HasSuffix(slashed, "/")
	e.message = !e.folder && strings.EqualFold(path.Ext(slashed), ".eml")
	levels := strings.Split(strings.TrimSuffix(slashed, "/"), "/")
	if !e.folder {
		levels = levels[:len(levels)-1]
	}
	bad := strings.HasPrefix(slashed, "/") || strings.ContainsRune(slashed, 0) || len(levels) > maxDepth || len(slashed) > 4*maxName
	for i, level := range levels {
		bad = bad || level == ".." || level == "." || level == "" || i == 0 && len(level) == 2 && level[1] == ':'
		levels[i] = clean(unescape(level))
	}
	if bad {
		e.folder = false
		e.err = kinds.Errorf(kinds.Corrupt, "archive: %.200q is no name for a file in a zip", e.name)
		return e
	}
	// A record in an entry's comment is what this package wrote.
	e.known = strings.HasPrefix(f.Comment, "{") && json.Unmarshal([]byte(f.Comment), &e.rec) == nil
	switch {
	case e.known && isName(e.rec.Mailbox):
		e.mailbox = e.rec.Mailbox
	case len(levels) == 0:
		e.mailbox = z.opts.Root
	default:
		e.mailbox = mailboxName(levels)
	}
	if !e.folder && !f.Mode().IsRegular() {
		e.err = kinds.Errorf(kinds.Corrupt, "archive: %s is not a regular file", e.name)
	}
	if f.Flags&1 != 0 {
		e.err = kinds.Errorf(kinds.Corrupt, "archive: %s is encrypted", e.name)
	}
	return e
}

func (z *zipped) message(s *scratch, i *Item, f *zip.File, e zipEntry) error {
	if f.UncompressedSize64 > uint64(z.opts.MaxMessage) {
		return tooLarge(i.Where, z.opts.MaxMessage)
	}
	r, err := f.Open()
	if err != nil {
		return kinds.Wrap(kinds.Corrupt, err, "archive: "+i.Where)
	}
	defer r.Close()
	i.again = reread(verbatim, func() (io.Reader, io.Closer, error) {
		r, err := f.Open()
		return r, r, err
	})
	head, err := s.load(i, r, verbatim, int64(f.UncompressedSize64), z.opts.MaxMessage)
	if err != nil {
		return err
	}
	if e.known {
		e.rec.apply(i)
	} else if i.Date, i.DateFrom = dateOf(head); i.Date.IsZero() {
		i.Date, i.DateFrom = whole(f.Modified), FromFileTime
	}
	return nil
}
