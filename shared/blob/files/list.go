package files

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// List returns objects by prefix, in byte order of their names.
func (f *Files) List(ctx context.Context, prefix, after string, limit int) ([]blob.Info, error) {
	if limit < 1 || limit > blob.MaxPage {
		return nil, kinds.Errorf(kinds.Invalid, "blob: a limit of %d", limit)
	}
	base := prefix[:strings.LastIndexByte(prefix, '/')+1]
	if base != "" {
		if err := blob.CheckName(base[:len(base)-1]); err != nil {
			return nil, nil // nothing can have such a name
		}
	}
	l := &listing{f: f, prefix: prefix, after: after, limit: limit}
	err := l.walk(ctx, base)
	if err != nil {
		return nil, err
	}
	return l.found, nil
}

type listing struct {
	f             *Files
	prefix, after string
	limit         int
	found         []blob.Info
}

// walk lists what is in the folder of names that begin with base ("" or "a/b/").
func (l *listing) walk(ctx context.Context, base string) error {
	if err := ctx.Err(); err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "blob: list")
	}
	entries, err := l.f.fs.ReadDir(filepath.Join(l.f.objects, Path(base)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fail(err, "list")
	}
	// By name, where a folder's is that of its objects up to the slash.
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		n := e.Name()
		if e.IsDir() {
			n = strings.TrimSuffix(n, folderMark) + "/"
		}
		n = base + n
		inside := strings.HasPrefix(n, l.prefix)
		before := n <= l.after && !(e.IsDir() && strings.HasPrefix(l.after, n))
		if inside && !before {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		if len(l.found) == l.limit {
			return nil
		}
		if strings.HasSuffix(n, "/") {
			err = l.walk(ctx, n)
		} else {
			err = l.add(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) add(ctx context.Context, name string) error {
	i, err := l.f.Stat(ctx, name)
	if kinds.Is(err, kinds.NotFound) {
		return nil // deleted since
	}
	if err == nil {
		l.found = append(l.found, i)
	}
	return err
}
