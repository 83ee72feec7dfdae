package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path"
	"time"
)

// mboxWriter writes mboxrd, which says exactly which lines were quoted, with LF line ends.
//
// RFC 4155, appendix A: the canonical mbox database MUST use a single Line-Feed
// character (0x0A) as the end-of-line sequence
type mboxWriter struct {
	root   *os.Root
	layout layout
	opts   WriteOptions
	fill   *filler

	mailbox string   // the one last written
	f       *os.File // its file; nil if none
	index   *indexWriter
}

func (w *mboxWriter) Mailbox(name string) error {
	name = canonical(name)
	if err := checkName(name); err != nil {
		return err
	}
	if w.f != nil && w.mailbox == name {
		return nil
	}
	if err := w.shut(); err != nil {
		return err
	}
	p, _ := w.layout.path(name)
	p += ".mbox"
	if err := makeFolders(w.root, path.Dir(p)); err != nil {
		return err
	}
	f, err := w.root.OpenFile(p, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return writing(err)
	}
	if _, err = f.Seek(0, io.SeekEnd); err == nil {
		w.index, err = openIndex(w.root, p+mboxIndex, name)
	}
	if err != nil {
		f.Close()
		return writing(err)
	}
	w.f, w.mailbox = f, name
	return nil
}

func (w *mboxWriter) Write(m Message) error {
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
	rec := record{Date: m.Date.Unix(), Flags: flags}
	if rec.At, err = w.f.Seek(0, io.SeekCurrent); err != nil {
		return writing(err)
	}
	if err = w.message(&rec, m.Date); err != nil {
		// Only what was whole stays.
		w.f.Truncate(rec.At)
		w.f.Seek(rec.At, io.SeekStart)
		return bodyErr(err)
	}
	return w.index.add(rec)
}

func (w *mboxWriter) message(rec *record, date time.Time) error {
	// RFC 4155, appendix A: a timestamp indicating the UTC date and time when the message
	// was originally received
	line := "From " + sender(headOf(w.fill.head)) + " " + date.UTC().Format(time.ANSIC) + "\n"
	if w.opts.StatusFields {
		line += statusFields(rec.Flags)
	}
	rec.Line = int64(len(line))
	if _, err := io.WriteString(w.f, line); err != nil {
		return writing(err)
	}
	var u unixLines
	q := quoter{}
	h := sha256.New()
	w.fill.sum = func(b []byte) { h.Write(b) }
	err := w.fill.copy(w.f, func(out io.Writer, b []byte) error {
		q.w = out
		err := u.convert(&q, b)
		if b == nil && err == nil {
			err = q.flush()
		}
		return err
	})
	if err != nil {
		return err
	}
	rec.SHA256 = hex.EncodeToString(h.Sum(nil))
	// RFC 4155, appendix A: Each message in the database MUST be terminated by an empty
	// line, containing a single end-of-line marker.
	end := "\n"
	if rec.Cut = u.any && !u.lf; rec.Cut {
		end = "\n\n"
	}
	if _, err := io.WriteString(w.f, end); err != nil {
		return writing(err)
	}
	after, err := w.f.Seek(0, io.SeekCurrent)
	rec.Length = after - rec.At
	return writing(err)
}

// shut finishes the file that is open.
func (w *mboxWriter) shut() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	if e := w.index.close(); err == nil {
		err = e
	}
	w.f = nil
	return writing(err)
}

func (w *mboxWriter) Close() error {
	err := w.shut()
	if e := w.root.Close(); err == nil {
		err = writing(e)
	}
	return err
}

// indexWriter adds to an index.
type indexWriter struct {
	f   *os.File
	out *bufio.Writer
}

// openIndex makes an index, or goes on with it.
func openIndex(root *os.Root, name, mailbox string) (*indexWriter, error) {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, writing(err)
	}
	x := &indexWriter{f, bufio.NewWriter(f)}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		err = x.add(indexHead{indexVersion, mailbox})
	}
	if err != nil {
		f.Close()
		return nil, writing(err)
	}
	return x, nil
}

func (x *indexWriter) add(v any) error {
	b, err := jsonLine(v)
	if err == nil {
		_, err = x.out.Write(b)
	}
	return writing(err)
}

func (x *indexWriter) close() error {
	err := x.out.Flush()
	if e := x.f.Close(); err == nil {
		err = e
	}
	return err
}
