package archive

import (
	"bytes"
	"encoding/hex"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/header"
)

// mbox reads the messages of one mbox file.
func (t *tree) mbox(s *scratch, n node, yield func(*Item, error) bool) bool {
	fail := func(err error) bool {
		return yield(&Item{Mailbox: n.mailbox, Where: n.path}, kinds.Wrap(kinds.Corrupt, err, "archive: "+n.path))
	}
	f, err := t.open(n.path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	m := &mboxFile{t: t, s: s, f: f, info: info, path: n.path, mailbox: n.mailbox, index: n.index,
		split: newSplitter(f, info.Size(), t.opts.Dialect)}
	for {
		i, err := m.next()
		if err == io.EOF {
			return true
		}
		if i == nil {
			return fail(err)
		}
		if !yield(i, err) {
			return false
		}
	}
}

type mboxFile struct {
	t       *tree
	s       *scratch
	f       io.ReaderAt
	info    fs.FileInfo
	path    string
	mailbox string
	index   *index
	split   *splitter
}

// next gives the next message, or one that can't be had with the reason why; without
// one, io.EOF or what ended reading.
func (m *mboxFile) next() (*Item, error) {
	if !m.split.begun {
		if junk, err := m.split.first(); err != nil {
			return nil, err
		} else if junk > 0 {
			return m.item(0), kinds.Errorf(kinds.Corrupt, "archive: %s: its first %d bytes are no mbox", m.path, junk)
		}
	}
	for {
		if m.split.line != nil {
			if rec, ok := m.index.at(m.split.from); ok {
				if i := m.indexed(rec); i != nil {
					return i, m.split.skip(rec.At + rec.Length)
				}
			}
		}
		sp, err := m.split.next()
		if err != nil {
			return nil, err
		}
		i := m.item(sp.from)
		head, err := m.load(i, sp.start, sp.end, sp.quoting)
		if err != nil {
			return i, err
		}
		if isFolderData(head) {
			continue
		}
		i.Flags = statusFlags(head)
		if at, ok := fromDate(sp.line); ok && plausible(at) {
			i.Date, i.DateFrom = at, FromLine
		} else if i.Date, i.DateFrom = dateOf(head); i.Date.IsZero() {
			i.Date, i.DateFrom = whole(m.info.ModTime()), FromFileTime
		}
		return i, nil
	}
}

func (m *mboxFile) item(at int64) *Item {
	return &Item{Mailbox: m.mailbox, Where: m.path + ":" + strconv.FormatInt(at, 10)}
}

func (m *mboxFile) load(i *Item, start, end int64, q quoting) ([]byte, error) {
	name, t := m.path, m.t
	i.again = reread(q, func() (io.Reader, io.Closer, error) {
		f, err := t.open(name)
		return io.NewSectionReader(f, start, end-start), f, err
	})
	return m.s.load(i, io.NewSectionReader(m.f, start, end-start), q, (end-start)*31/32, m.t.opts.MaxMessage)
}

// indexed reads the message of which the index says where it ends; nil if the file has
// changed since.
func (m *mboxFile) indexed(rec record) *Item {
	start, next := rec.At+rec.Line, rec.At+rec.Length
	end := next - 1
	if rec.Cut {
		end--
	}
	if rec.Line < 0 || rec.Length < 0 || end < start || next > m.info.Size() {
		return nil
	}
	var b [5]byte
	if n, _ := m.f.ReadAt(b[:], next); next < m.info.Size() && string(b[:n]) != "From " {
		return nil
	}
	i := m.item(rec.At)
	if _, err := m.load(i, start, end, anyLevel); err != nil || hex.EncodeToString(i.Digest[:]) != rec.SHA256 {
		return nil
	}
	rec.apply(i)
	return i
}

// isFolderData knows the message in which UW's programs and Pine keep the state of an
// mbox; it is none of the user's.
func isFolderData(head []byte) bool {
	if !bytes.Contains(head, []byte("FOLDER INTERNAL DATA")) {
		return false
	}
	subject, imap := false, false
	for f := range header.All(head) {
		subject = subject || f.Is("Subject") && strings.Contains(f.Text(), "FOLDER INTERNAL DATA")
		imap = imap || f.Is("X-IMAP")
	}
	return subject && imap
}

// emls reads the messages of one folder of .eml files.
func (t *tree) emls(s *scratch, n node, yield func(*Item, error) bool) bool {
	for _, file := range n.files {
		i := &Item{Mailbox: n.mailbox, Where: path.Join(n.path, file.name)}
		changed, head, err := t.message(s, i)
		if err == nil {
			if rec, ok := n.index.named(file.name); ok {
				rec.apply(i)
			} else if i.Date, i.DateFrom = dateOf(head); i.Date.IsZero() {
				i.Date, i.DateFrom = changed, FromFileTime
			}
		}
		if !yield(i, err) {
			return false
		}
	}
	return true
}
