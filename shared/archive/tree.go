package archive

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// tree reads a folder, or one file of it. os.Root sees to it that no symbolic link leads
// out of the folder; links to folders are not followed at all, so that none leads in a
// circle.
type tree struct {
	root   *os.Root
	only   string // one file
	opts   Options
	format Format
}

// A node is a mailbox of the tree, or what is wrong with one.
type node struct {
	format  Format
	mailbox string
	path    string
	index   *index     // nil if there is none; holds while the node is visited
	files   []fileName // of a Maildir or of .eml files
	err     error
}

func openTree(dir, only string, opts Options) (Reader, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, opening(err)
	}
	t := &tree{root: root, only: only, opts: opts}
	if only == "" {
		t.format = Maildir // as whose folders' names are read until the first mailbox says otherwise
	}
	found := false
	err = t.walk(false, func(n node) bool {
		if n.err == nil {
			t.format, found = n.format, true
		}
		return !found
	})
	if err == nil && !found {
		err = kinds.Errorf(kinds.Invalid, "archive: %s holds no Maildir, mbox or .eml files", path.Join(dir, only))
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return t, nil
}

func (t *tree) Format() Format { return t.format }

func (t *tree) Close() error { return t.root.Close() }

func (t *tree) Mailboxes() (names []string, err error) {
	seen := map[string]bool{}
	err = t.walk(false, func(n node) bool {
		if n.err == nil && !seen[n.mailbox] {
			seen[n.mailbox] = true
			names = append(names, n.mailbox)
		}
		return true
	})
	return names, err
}

func (t *tree) Items() iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		s, stopped := newScratch(), false
		err := t.walk(true, func(n node) bool {
			switch {
			case n.err != nil:
				stopped = !yield(&Item{Mailbox: n.mailbox, Where: n.path}, n.err)
			case n.format == Maildir:
				stopped = !t.maildir(s, n, yield)
			case n.format == Mbox:
				stopped = !t.mbox(s, n, yield)
			default:
				stopped = !t.emls(s, n, yield)
			}
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// walk goes through the mailboxes, a folder before what is below it, else by name, until
// visit is false. It fails if the top can't be read.
func (t *tree) walk(files bool, visit func(node) bool) error {
	if t.only != "" {
		n, ok := t.fileNode(".", nil, t.only)
		if !ok && strings.EqualFold(path.Ext(t.only), ".eml") {
			n, ok = node{format: EML, mailbox: t.opts.Root, path: ".", files: []fileName{{name: t.only}}}, true
		}
		if ok {
			t.mboxNode(&n, visit)
		}
		return nil
	}
	_, err := t.folder(".", nil, files, visit)
	return err
}

func (t *tree) folder(dir string, levels []string, files bool, visit func(node) bool) (on bool, err error) {
	if len(levels) > maxDepth || strings.Count(dir, "/") > maxDepth {
		return visit(node{path: dir, err: kinds.Errorf(kinds.Limit, "archive: %s lies more than %d folders deep", dir, maxDepth)}), nil
	}
	l, err := t.list(dir)
	if err != nil {
		if dir == "." {
			return false, err
		}
		return visit(node{path: dir, err: err}), nil
	}
	mailbox := t.opts.Root
	if len(levels) > 0 {
		mailbox = mailboxName(levels)
	}
	switch {
	case l.isMaildir():
		n := node{format: Maildir, mailbox: mailbox, path: dir}
		if name := t.maildirName(dir, l); name != "" {
			n.mailbox = name
		}
		if files {
			n.files, n.err = t.maildirFiles(dir)
		}
		l.folders = slices.DeleteFunc(l.folders, func(s string) bool { return s == "cur" || s == "new" || s == "tmp" })
		on = visit(n)
	case len(l.emls) > 0 || l.index:
		n := node{format: EML, mailbox: mailbox, path: dir, files: l.emls}
		on = t.withIndex(path.Join(dir, emlIndex), l.index, &n, visit)
	default:
		on = true
	}
	l.emls = nil
	if !l.isMaildir() {
		for _, name := range l.others {
			if n, ok := t.fileNode(dir, levels, name); ok && on {
				on = t.mboxNode(&n, visit)
			}
		}
	}
	l.others = nil
	for _, name := range l.folders {
		if !on {
			return false, nil
		}
		if on, err = t.folder(path.Join(dir, name), append(slices.Clip(levels), t.levels(name)...), files, visit); err != nil {
			return false, err
		}
	}
	return on, nil
}

// withIndex visits a node with the index that lies beside it.
func (t *tree) withIndex(name string, there bool, n *node, visit func(node) bool) bool {
	if !there {
		return visit(*n)
	}
	f, err := t.open(name)
	if err == nil {
		defer f.Close()
		n.index, err = newIndex(f)
	}
	if err != nil {
		n.index = nil
		return visit(node{mailbox: n.mailbox, path: name, err: kinds.Wrap(kinds.Of(err), err, name)}) && visit(*n)
	}
	if n.index.head.Mailbox != "" {
		n.mailbox = n.index.head.Mailbox
	}
	return visit(*n)
}

// mboxNode visits a file with the index that may lie beside it.
func (t *tree) mboxNode(n *node, visit func(node) bool) bool {
	_, err := t.root.Lstat(n.path + mboxIndex)
	return t.withIndex(n.path+mboxIndex, err == nil && n.format == Mbox, n, visit)
}

// levels gives what a folder's name adds to a mailbox's name.
func (t *tree) levels(name string) (levels []string) {
	if t.format == Maildir {
		return maildirLevels(name)
	}
	// Thunderbird keeps what is below the mailbox X in X.sbd, Apple Mail exports it as X.mbox.
	for _, suffix := range []string{".sbd", ".mbox"} {
		name = strings.TrimSuffix(name, suffix)
	}
	if level := clean(unescape(name)); level != "" {
		levels = append(levels, level)
	}
	return levels
}

// fileNode looks whether a file is an mbox.
func (t *tree) fileNode(dir string, levels []string, name string) (n node, ok bool) {
	full := path.Join(dir, name)
	stem, is := strings.CutSuffix(name, ".mbox")
	if !is && !t.startsLikeMbox(full) {
		return n, false
	}
	n = node{format: Mbox, path: full, mailbox: mailboxName(append(slices.Clip(levels), clean(unescape(stem))))}
	switch {
	case stem == "mbox" && strings.HasSuffix(dir, ".mbox"): // as Apple Mail exports
		n.mailbox = mailboxName(levels)
	case stem == "" || !is && len(levels) == 0 && (t.only != "" || stem == "mbox"): // a spool file is named for the user
		n.mailbox = t.opts.Root
	}
	return n, true
}

func (t *tree) startsLikeMbox(name string) bool {
	f, err := t.open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [64]byte
	k, _ := io.ReadFull(f, b[:])
	s := strings.TrimLeft(strings.TrimPrefix(string(b[:k]), "\xef\xbb\xbf"), "\r\n")
	return strings.HasPrefix(s, "From ")
}

// open opens a file of the tree for reading. Only a regular one: to open a pipe would
// wait for its writer.
func (t *tree) open(name string) (*os.File, error) {
	info, err := t.root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, err
	}
	return t.root.Open(name)
}

// listing is what a folder holds.
type listing struct {
	folders []string
	emls    []fileName
	others  []string
	index   bool
	named   bool // has a file that holds the mailbox's name
}

// isMaildir asks for two of the three folders, as copying may lose an empty one.
func (l *listing) isMaildir() bool {
	n := 0
	for _, name := range []string{"cur", "new", "tmp"} {
		if _, ok := slices.BinarySearch(l.folders, name); ok {
			n++
		}
	}
	return n >= 2
}

func (t *tree) list(dir string) (*listing, error) {
	l := &listing{}
	err := t.entries(dir, func(e fs.DirEntry) {
		name := e.Name()
		switch {
		case e.IsDir():
			l.folders = append(l.folders, name)
		case !e.Type().IsRegular() && e.Type() != fs.ModeSymlink:
		case name == emlIndex:
			l.index = true
		case name == maildirNameFile:
			l.named = true
		case strings.EqualFold(path.Ext(name), ".eml"):
			l.emls = append(l.emls, fileName{name: name})
		case !strings.HasSuffix(name, mboxIndex) && !strings.HasSuffix(name, ".msf"):
			l.others = append(l.others, name)
		}
	})
	slices.Sort(l.folders)
	slices.Sort(l.others)
	slices.SortFunc(l.emls, func(a, b fileName) int { return strings.Compare(a.name, b.name) })
	return l, err
}

// entries gives what lies in a folder. kinds.Limit for more than may be.
func (t *tree) entries(dir string, each func(fs.DirEntry)) error {
	f, err := t.root.Open(dir)
	if err != nil {
		return opening(err)
	}
	defer f.Close()
	for n := 0; ; {
		batch, err := f.ReadDir(1024)
		for _, e := range batch {
			each(e)
		}
		if n += len(batch); n > t.opts.MaxFiles {
			return kinds.Errorf(kinds.Limit, "archive: %s holds more than %d files", dir, t.opts.MaxFiles)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return kinds.Wrap(kinds.Corrupt, err, "archive: "+dir)
		}
	}
}
