package archive

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	dovecotKeywords = "dovecot-keywords"
	moreKeywords    = "godwit-keywords" // those for which Dovecot has no letter left
	maildirNameFile = "godwit-mailbox"  // the mailbox's name, if the folder can't have it
	maxKeywordFile  = 1 << 20
)

// fileName is the name of a file with a message, and where in its folder it lies.
type fileName struct {
	fresh bool // in new, not in cur
	name  string
}

// maildirLevels reads the name of a folder of a Maildir. Below the top, Maildir++ has
// ".A.B" for A/B; other layouts have folders in folders, and mbsync's ".B" in A.
//
// QUIRK: "\2e" is a dot and "\5c" a backslash within a level, as Dovecot's listescape
// plugin writes them.
func maildirLevels(name string) (levels []string) {
	parts := []string{name}
	if strings.HasPrefix(name, ".") {
		parts = strings.Split(name[1:], ".")
	}
	for _, p := range parts {
		p = strings.NewReplacer(`\2e`, ".", `\5c`, `\`).Replace(p)
		if decoded, ok := decodeUTF7(p); ok {
			p = decoded
		}
		if p = clean(p); p != "" {
			levels = append(levels, p)
		}
	}
	return levels
}

// maildirFolder is the reverse, for Maildir++.
func maildirFolder(mailbox string) string {
	var b strings.Builder
	for level := range strings.SplitSeq(mailbox, "/") {
		b.WriteByte('.')
		b.WriteString(strings.NewReplacer(".", `\2e`, `\`, `\5c`).Replace(encodeUTF7(level)))
	}
	return b.String()
}

// maildirName gives the name that the folder could not have.
func (t *tree) maildirName(dir string, l *listing) string {
	if !l.named {
		return ""
	}
	b, err := t.small(path.Join(dir, maildirNameFile))
	if name := strings.TrimSuffix(string(b), "\n"); err == nil && isName(name) {
		return name
	}
	return ""
}

func (t *tree) small(name string) ([]byte, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeywordFile))
}

// maildirFiles lists the messages in the order in which they were delivered. Files in
// tmp are not delivered.
func (t *tree) maildirFiles(dir string) (files []fileName, err error) {
	for _, sub := range []string{"new", "cur"} {
		err := t.entries(path.Join(dir, sub), func(e fs.DirEntry) {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				files = append(files, fileName{sub == "new", e.Name()})
			}
		})
		if err != nil && !kinds.Is(err, kinds.NotFound) {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b fileName) int {
		if d := delivery(a.name) - delivery(b.name); d != 0 {
			return int(max(-1, min(1, d)))
		}
		return strings.Compare(a.name, b.name)
	})
	return files, nil
}

// delivery gives the time, in seconds since 1970, with which a name begins; 0 if none.
func delivery(name string) (n int64) {
	for i := 0; i < len(name) && n <= maxDate; i++ {
		if c := name[i]; c >= '0' && c <= '9' {
			n = n*10 + int64(c-'0')
			continue
		} else if c == '.' && i > 0 {
			return n
		}
		break
	}
	return 0
}

// maildirFlags reads the end of a file's name. P (passed) is $Forwarded, as mbsync has it.
//
// QUIRK: where a file system takes no colon, mbsync and others write ";" or "!".
func maildirFlags(name string, words map[int]string) []string {
	base, info := name, ""
	for _, sep := range []string{":2,", ";2,", "!2,"} {
		if i := strings.LastIndex(name, sep); i >= 0 {
			base, info = name[:i], name[i+len(sep):]
			break
		}
	}
	var flags []string
	for _, c := range info {
		switch c {
		case 'D':
			flags = append(flags, draft)
		case 'F':
			flags = append(flags, flagged)
		case 'P':
			flags = append(flags, forwarded)
		case 'R':
			flags = append(flags, answered)
		case 'S':
			flags = append(flags, seen)
		case 'T':
			flags = append(flags, deleted)
		default:
			if 'a' <= c && c <= 'z' {
				flags = append(flags, words[int(c-'a')])
			}
		}
	}
	if i := strings.Index(base, ",K="); i >= 0 {
		more, _, _ := strings.Cut(base[i+len(",K="):], ",")
		for n := range strings.SplitSeq(more, ".") {
			if k, err := strconv.Atoi(n); err == nil && k > 'z'-'a' {
				flags = append(flags, words[k])
			}
		}
	}
	return sortedFlags(flags)
}

// keywords reads the files that name a folder's keywords.
func (t *tree) keywords(dir string) map[int]string {
	words := map[int]string{}
	for _, name := range []string{dovecotKeywords, moreKeywords} {
		b, err := t.small(path.Join(dir, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			number, word, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
			if n, err := strconv.Atoi(number); err == nil && n >= 0 {
				words[n] = word
			}
		}
	}
	return words
}

// maildir reads the messages of one Maildir.
func (t *tree) maildir(s *scratch, n node, yield func(*Item, error) bool) bool {
	words := t.keywords(n.path)
	for _, file := range n.files {
		sub := "cur"
		if file.fresh {
			sub = "new"
		}
		i := &Item{Mailbox: n.mailbox, Where: path.Join(n.path, sub, file.name)}
		changed, _, err := t.message(s, i)
		if err == nil {
			i.Flags = maildirFlags(file.name, words)
			// The server keeps the internal date as the file's time; a copy that loses this has
			// the time of copying, and a message that was appended has a later name. So the
			// earlier of the two is nearer to the truth.
			i.Date, i.DateFrom = changed, FromFileTime
			if named := time.Unix(delivery(file.name), 0).UTC(); named.Unix() > 0 && named.Before(changed) {
				i.Date, i.DateFrom = named, FromFileName
			}
		}
		if !yield(i, err) {
			return false
		}
	}
	return true
}

// message reads the message in the file at i.Where: the file's time, and the header.
func (t *tree) message(s *scratch, i *Item) (changed time.Time, head []byte, err error) {
	f, err := t.open(i.Where)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return changed, nil, kinds.Wrap(kinds.Denied, err, "archive: "+i.Where)
		}
		return changed, nil, kinds.Wrap(kinds.Corrupt, err, "archive: "+i.Where)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return changed, nil, kinds.Wrap(kinds.Corrupt, err, "archive: "+i.Where)
	}
	where := i.Where
	i.again = reread(verbatim, func() (io.Reader, io.Closer, error) {
		f, err := t.open(where)
		return f, f, err
	})
	head, err = s.load(i, f, verbatim, info.Size(), t.opts.MaxMessage)
	return whole(info.ModTime()), head, err
}
