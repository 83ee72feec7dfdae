package archive

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// maildirWriter writes Maildir++. A message is written in tmp and then moved, so that
// who reads meanwhile sees whole messages only.
type maildirWriter struct {
	root    *os.Root
	run     string // makes names differ from those of any other archive
	count   int
	folders map[string]*maildirOut
	fill    *filler
}

type maildirOut struct {
	dir   string
	words map[string]int // keyword to its number; their case is kept
	list  []string
}

func newMaildirWriter(root *os.Root) *maildirWriter {
	var b [6]byte
	rand.Read(b[:])
	return &maildirWriter{root: root, run: hex.EncodeToString(b[:]), folders: map[string]*maildirOut{}, fill: newFiller()}
}

func (w *maildirWriter) Mailbox(name string) error {
	_, err := w.folder(canonical(name))
	return err
}

func (w *maildirWriter) folder(name string) (*maildirOut, error) {
	if o := w.folders[name]; o != nil {
		return o, nil
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	o := &maildirOut{dir: ".", words: map[string]int{}}
	fits := true
	if name != inbox {
		o.dir = maildirFolder(name)
		if fits = len(o.dir) <= longestLevel; !fits {
			o.dir = "." + hashed(name)
		}
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := makeFolders(w.root, path.Join(o.dir, sub)); err != nil {
			return nil, err
		}
	}
	if name != inbox {
		// Maildir++: an empty file of this name tells that the folder belongs to a Maildir.
		if err := put(w.root, path.Join(o.dir, "maildirfolder"), nil); err != nil {
			return nil, err
		}
	}
	if !fits {
		if err := put(w.root, path.Join(o.dir, maildirNameFile), []byte(name+"\n")); err != nil {
			return nil, err
		}
	}
	w.folders[name] = o
	return o, nil
}

func (w *maildirWriter) Write(m Message) error {
	flags, err := m.check()
	if err != nil {
		return err
	}
	o, err := w.folder(m.Mailbox)
	if err != nil {
		return err
	}
	if err := w.fill.begin(m.Body); err != nil {
		return bodyErr(err)
	}
	info, more, err := w.info(o, flags)
	if err != nil {
		return err
	}
	w.count++
	base := fmt.Sprintf("%d.R%sQ%08d.godwit", max(0, m.Date.Unix()), w.run, w.count)
	tmp := path.Join(o.dir, "tmp", base)
	f, err := w.root.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return writing(err)
	}
	var u unixLines
	err = w.fill.copy(f, u.convert)
	size, sizeErr := f.Seek(0, io.SeekCurrent)
	for _, e := range []error{sizeErr, f.Close()} {
		if err == nil {
			err = writing(e)
		}
	}
	if err == nil {
		err = writing(w.root.Chtimes(tmp, time.Time{}, m.Date.Truncate(time.Second)))
	}
	if err == nil {
		// Maildir++: S is the file's size; Dovecot's W is the size with CRLF line ends.
		err = writing(w.root.Rename(tmp, path.Join(o.dir, "cur", fmt.Sprintf("%s,S=%d,W=%d%s:2,%s", base, size, w.fill.n, more, info))))
	}
	if err != nil {
		w.root.Remove(tmp)
	}
	return bodyErr(err)
}

// info gives the flags as the end of a name has them, and the field for keywords that
// have no letter. Letters are in order, as the Maildir specification asks for.
func (w *maildirWriter) info(o *maildirOut, flags []string) (info, more string, err error) {
	var letters [128]bool
	for _, f := range flags {
		switch f {
		case draft:
			letters['D'] = true
		case flagged:
			letters['F'] = true
		case answered:
			letters['R'] = true
		case seen:
			letters['S'] = true
		case deleted:
			letters['T'] = true
		default:
			if f == forwarded {
				letters['P'] = true
			}
			n, err := w.word(o, f)
			if err != nil {
				return "", "", err
			}
			if n <= 'z'-'a' {
				letters['a'+n] = true
			} else {
				more += fmt.Sprintf(".%d", n)
			}
		}
	}
	for c, on := range letters {
		if on {
			info += string(rune(c))
		}
	}
	if more != "" {
		more = ",K=" + more[1:]
	}
	if len(more) > 100 { // so many do not fit into a name
		return "", "", kinds.Errorf(kinds.Limit, "archive: a message with too many keywords for the name of a file")
	}
	return info, more, nil
}

// word gives a keyword's number in the folder, which is written down before a message
// has it.
func (w *maildirWriter) word(o *maildirOut, f string) (int, error) {
	if n, ok := o.words[f]; ok {
		return n, nil
	}
	n := len(o.list)
	name := dovecotKeywords
	if n > 'z'-'a' {
		name = moreKeywords
	}
	out, err := w.root.OpenFile(path.Join(o.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, writing(err)
	}
	_, err = fmt.Fprintf(out, "%d %s\n", n, f)
	if e := out.Close(); err == nil {
		err = e
	}
	if err != nil {
		return 0, writing(err)
	}
	o.words[f], o.list = n, append(o.list, f)
	return n, nil
}

func (w *maildirWriter) Close() error { return w.root.Close() }
