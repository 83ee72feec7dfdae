package archive

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// emlName gives a file its name: a number that keeps the order and makes it the only
// one, the date, and what any file system takes of the subject.
func emlName(count int, date time.Time, head []byte) string {
	subject := ""
	for f := range header.All(head) {
		if f.Is("Subject") {
			subject = message.DecodeText(f.Text())
			break
		}
	}
	subject = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`<>:"/\|?*%`, r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, subject)
	subject = strings.Join(strings.Fields(subject), " ")
	for i := range subject {
		if i > 80 {
			subject = subject[:i]
			break
		}
	}
	name := fmt.Sprintf("%08d %s %s", count, date.UTC().Format(time.DateOnly), subject)
	return strings.TrimRight(name, " .") + ".eml"
}

// emlWriter writes folders of .eml files.
type emlWriter struct {
	root   *os.Root
	layout layout
	seen   map[string]bool // mailboxes that exist
	fill   *filler
	count  int

	mailbox string // the one last written
	index   *indexWriter
}

func (w *emlWriter) Mailbox(name string) error {
	name = canonical(name)
	if err := checkName(name); err != nil {
		return err
	}
	if w.index != nil && w.mailbox == name {
		return nil
	}
	if err := w.shut(); err != nil {
		return err
	}
	p, _ := w.layout.path(name)
	if !w.seen[name] {
		if err := makeFolders(w.root, p); err != nil {
			return err
		}
		w.seen[name] = true
	}
	x, err := openIndex(w.root, path.Join(p, emlIndex), name)
	w.index, w.mailbox = x, name
	return err
}

func (w *emlWriter) Write(m Message) error {
	flags, err := m.check()
	if err != nil {
		return err
	}
	if err := w.Mailbox(m.Mailbox); err != nil {
		return err
	}
	if err := w.fill.begin(m.Body); err != nil {
		return bodyErr(err)
	}
	w.count++
	p, _ := w.layout.path(m.Mailbox)
	rec := record{Name: emlName(w.count, m.Date, headOf(w.fill.head)), Date: m.Date.Unix(), Flags: flags}
	name := path.Join(p, rec.Name)
	partial := name + ".partial"
	f, err := w.root.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return writing(err)
	}
	err = w.fill.copy(f, nil)
	if e := f.Close(); err == nil {
		err = writing(e)
	}
	if err == nil {
		err = writing(w.root.Chtimes(partial, time.Time{}, m.Date.Truncate(time.Second)))
	}
	if err == nil {
		err = writing(w.root.Rename(partial, name))
	}
	if err != nil {
		w.root.Remove(partial)
		return bodyErr(err)
	}
	return w.index.add(rec)
}

func (w *emlWriter) shut() error {
	if w.index == nil {
		return nil
	}
	err := w.index.close()
	w.index = nil
	return writing(err)
}

func (w *emlWriter) Close() error {
	err := w.shut()
	if e := w.root.Close(); err == nil {
		err = writing(e)
	}
	return err
}

// zipWriter writes the same into one file. What an index holds elsewhere stands in the
// comments of the entries.
type zipWriter struct {
	path   string
	f      *os.File
	spool  *os.File // a message that may yet turn out broken; nil until one is large
	zip    *zip.Writer
	layout layout
	seen   map[string]bool
	fill   *filler
	count  int
}

const partialZip = ".partial"

func createZip(path string) (Writer, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, kinds.Errorf(kinds.Exists, "archive: %s exists", path)
	}
	f, err := os.OpenFile(path+partialZip, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, opening(err)
	}
	return &zipWriter{path: path, f: f, zip: zip.NewWriter(f), layout: newLayout(), seen: map[string]bool{}, fill: newFiller()}, nil
}

func (w *zipWriter) Mailbox(name string) error {
	name = canonical(name)
	if w.seen[name] {
		return nil
	}
	if err := checkName(name); err != nil {
		return err
	}
	p, plain := w.layout.path(name)
	h := &zip.FileHeader{Name: p + "/"}
	if !plain {
		if err := comment(h, record{Mailbox: name}); err != nil {
			return err
		}
	}
	_, err := w.zip.CreateHeader(h)
	w.seen[name] = err == nil
	return writing(err)
}

func comment(h *zip.FileHeader, rec record) error {
	b, err := json.Marshal(rec)
	h.Comment = string(b)
	return writing(err)
}

func (w *zipWriter) Write(m Message) error {
	flags, err := m.check()
	if err != nil {
		return err
	}
	if err := w.Mailbox(m.Mailbox); err != nil {
		return err
	}
	if err := w.fill.begin(m.Body); err != nil {
		return bodyErr(err)
	}
	var body io.Reader = bytes.NewReader(w.fill.head)
	if len(w.fill.head) == headLimit { // there may be more, and an entry once begun can't be taken back
		if body, err = w.spooled(); err != nil {
			return bodyErr(err)
		}
	}
	w.count++
	p, plain := w.layout.path(m.Mailbox)
	h := &zip.FileHeader{Name: p + "/" + emlName(w.count, m.Date, headOf(w.fill.head)), Method: zip.Deflate}
	if y := m.Date.UTC().Year(); y >= 1980 && y < 2100 { // what the format has place for
		h.Modified = m.Date.UTC()
	}
	rec := record{Date: m.Date.Unix(), Flags: flags}
	if !plain {
		rec.Mailbox = m.Mailbox
	}
	if err := comment(h, rec); err != nil {
		return err
	}
	out, err := w.zip.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(out, body)
	}
	return writing(err)
}

// spooled puts the body into a file that has no name.
func (w *zipWriter) spooled() (io.Reader, error) {
	if w.spool == nil {
		f, err := os.CreateTemp("", "godwit-export-*")
		if err != nil {
			return nil, writing(err)
		}
		os.Remove(f.Name())
		w.spool = f
	}
	if err := errors.Join(w.spool.Truncate(0), seekStart(w.spool)); err != nil {
		return nil, writing(err)
	}
	if err := w.fill.copy(w.spool, nil); err != nil {
		return nil, err
	}
	return w.spool, writing(seekStart(w.spool))
}

func seekStart(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func (w *zipWriter) Close() error {
	if w.spool != nil {
		w.spool.Close()
	}
	err := errors.Join(w.zip.Close(), w.f.Sync(), w.f.Close())
	if err == nil {
		err = os.Rename(w.path+partialZip, w.path)
	}
	return writing(err)
}
