// Package backup copies what a service keeps, over its ports, into a folder or a bucket
// (anything that is a blob.Driver), and restores accounts from there. A backup is made of
// runs, each of which adds what is new since the one before:
//
//	format               says that this is a backup, and of which version
//	packs/RUN/NUMBER     pieces of what is kept, and at the end what they are
//	runs/RUN             the run's manifest: its packs with their checksums, and how far
//	                     the journal of each account goes
//
// All of it is written once and never changed. Each pack is read back when it is written,
// and the manifest comes last: a run without it does not count, and the next one takes over
// those of its packs that are whole. What a run says is consistent for each account: its
// journal up to some entry, and all blobs that those entries refer to, which were there
// before the entries were.
//
// In it are the mail and the hashes of passwords and API keys. Jobs on their way and mail
// that is parked are not: who sends has them, or they are delivered later.
package backup

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	formatName = "format"
	formatText = "godwit backup 1\n"
	runPrefix  = "runs/"
	packPrefix = "packs/"
	maxRuns    = 100_000
	maxPacks   = 1_000_000 // of one run
)

func runName(run int) string { return fmt.Sprintf("%s%06d", runPrefix, run) }

func packName(run, pack int) string { return fmt.Sprintf("%s%06d/%06d", packPrefix, run, pack) }

// begin looks whether store is a backup that this program reads; where there is nothing,
// make makes it one.
func begin(ctx context.Context, store blob.Driver, make bool) error {
	b, err := readAll(ctx, store, formatName, 100)
	if kinds.Is(err, kinds.NotFound) && make {
		found, err := store.List(ctx, "", "", 1)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return kinds.Errorf(kinds.Invalid, "backup: there is something else at the destination (%s); name an empty one", found[0].Name)
		}
		return store.Put(ctx, formatName, strings.NewReader(formatText), int64(len(formatText)))
	}
	if kinds.Is(err, kinds.NotFound) {
		return kinds.Errorf(kinds.NotFound, "backup: there is no backup there")
	}
	if err != nil {
		return err
	}
	if string(b) == formatText {
		return nil
	}
	if strings.HasPrefix(string(b), "godwit backup ") {
		return kinds.Errorf(kinds.TooNew, "backup: %s: it is of another version: %q", formatName, b)
	}
	return kinds.Errorf(kinds.Corrupt, "backup: %s says %q", formatName, b)
}

// readAll reads a whole object of at most limit bytes.
func readAll(ctx context.Context, store blob.Driver, name string, limit int64) ([]byte, error) {
	r, err := store.Open(ctx, name, 0, -1)
	if err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "backup: "+name)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "backup: read "+name)
	}
	if int64(len(b)) > limit {
		return nil, kinds.Errorf(kinds.Corrupt, "backup: %s has more than %d bytes", name, limit)
	}
	return b, nil
}

// numbers lists the objects below a prefix that are named by a number.
func numbers(ctx context.Context, store blob.Driver, prefix string, limit int) (list []int, err error) {
	for after := ""; ; {
		found, err := store.List(ctx, prefix, after, blob.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			after = o.Name
			n, err := strconv.Atoi(o.Name[len(prefix):])
			if err != nil || n < 1 || len(list) == limit {
				return nil, kinds.Errorf(kinds.Corrupt, "backup: %q has no place there", o.Name)
			}
			list = append(list, n)
		}
		if len(found) < blob.MaxPage {
			return list, nil
		}
	}
}

// Under is the part of a store whose names begin with prefix ("" or "a/b/").
func Under(store blob.Driver, prefix string) blob.Driver {
	if prefix == "" {
		return store
	}
	return under{store, prefix}
}

type under struct {
	store  blob.Driver
	prefix string
}

func (u under) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	return u.store.Put(ctx, u.prefix+name, body, size)
}

func (u under) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	return u.store.Open(ctx, u.prefix+name, off, n)
}

func (u under) Stat(ctx context.Context, name string) (blob.Info, error) {
	i, err := u.store.Stat(ctx, u.prefix+name)
	i.Name = strings.TrimPrefix(i.Name, u.prefix)
	return i, err
}

func (u under) List(ctx context.Context, prefix, after string, limit int) ([]blob.Info, error) {
	if after != "" {
		after = u.prefix + after
	}
	list, err := u.store.List(ctx, u.prefix+prefix, after, limit)
	for i := range list {
		list[i].Name = strings.TrimPrefix(list[i].Name, u.prefix)
	}
	return list, err
}

func (u under) Delete(ctx context.Context, name string) error {
	return u.store.Delete(ctx, u.prefix+name)
}
