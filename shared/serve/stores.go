package serve

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/backup"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/compaction"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	journalsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/ports"
	recordssqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
	"github.com/godwit-mail/godwit/shared/settings"
)

// Stores are what a service keeps, for a command that works on it as a whole.
type Stores struct {
	ports.Set // of ReadStores only Journal, Blobs and Records
	log       *slog.Logger
	close     []func() error
}

// ReadStores opens what a service keeps for reading only: over AWS where the settings are of
// that role, else in the data folder, which a process may be serving meanwhile.
func ReadStores(ctx context.Context, st *settings.Settings, log *slog.Logger) (*Stores, error) {
	if st.Role == settings.Gateway {
		return cloudStores(ctx, st, log)
	}
	s := &Stores{log: log}
	path := filepath.Join(st.Data, databaseName)
	db, err := sqlitedb.OpenReading(path)
	if kinds.Is(err, kinds.NotFound) {
		return nil, kinds.Errorf(kinds.NotFound, "there is no service in data folder %s; name its folder with --data", st.Data)
	}
	if err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "database "+path)
	}
	s.close = append(s.close, db.Close)
	s.Journal, err = journalsqlite.New(db, time.Now)
	if err == nil {
		s.Records, err = recordssqlite.New(db, time.Now)
	}
	if err == nil {
		s.Blobs, err = files.OpenReading(filepath.Join(st.Data, blobsName), files.OS{})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenStores opens what a service keeps, to change it: over AWS beside those who serve, else
// in the data folder, which it makes where there is none, and which must not be in use.
func OpenStores(ctx context.Context, st *settings.Settings, log *slog.Logger) (*Stores, error) {
	if st.Role == settings.Gateway {
		return cloudStores(ctx, st, log)
	}
	f, err := openFolder(st.Data, rooms...)
	if err != nil {
		return nil, err
	}
	embedded, err := openEmbedded(f, &Options{Now: time.Now, Files: files.OS{}})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return &Stores{Set: embedded.Set, log: log, close: []func() error{embedded.close, f.close}}, nil
}

func cloudStores(ctx context.Context, st *settings.Settings, log *slog.Logger) (*Stores, error) {
	p, err := cloud.Open(ctx, cloud.Config{Name: st.AWSName, Bucket: st.AWSBucket, Key: st.AWSKey, Log: log})
	if err != nil {
		return nil, err
	}
	return &Stores{Set: p.Set, log: log}, nil
}

// Close lets go of them.
func (s *Stores) Close() error {
	var errs []error
	for _, f := range s.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// Source is the service as what is backed up.
func (s *Stores) Source() backup.Source {
	return backup.Source{Records: s.Records, Journal: s.Journal, Blobs: s.Blobs, Now: time.Now, Log: s.log}
}

// Target is the service as what is restored into.
func (s *Stores) Target() backup.Target {
	blobs := blob.Store{Driver: s.Blobs}
	accounts := account.New(account.Config{Journal: s.Journal, Notify: s.Notify, Blobs: blobs, Log: s.log, Compact: compaction.Asker(s.Queue)})
	return backup.Target{Accounts: accounts, Blobs: blobs, Now: time.Now, Log: s.log, Directory: directory.New(directory.Config{
		Records: s.Records, Accounts: directory.Journals(accounts), Now: time.Now, Log: s.log})}
}

// lockOfBackup keeps two from writing into one folder.
const lockOfBackup = "LOCK"

// OpenBackup opens a place for backups: a folder, or s3://BUCKET/PREFIX. For writing, the
// folder is made where there is none (its parent must be), and taken until close.
func OpenBackup(ctx context.Context, at string, write bool) (_ blob.Driver, close func() error, err error) {
	if strings.HasPrefix(at, "s3://") {
		d, err := bucketOf(ctx, at)
		return d, func() error { return nil }, err
	}
	if strings.Contains(at, "://") {
		return nil, nil, kinds.Errorf(kinds.Invalid, "%q is neither a folder nor s3://BUCKET/PREFIX", at)
	}
	if !write {
		d, err := files.OpenReading(at, files.OS{})
		if kinds.Is(err, kinds.NotFound) {
			err = kinds.Errorf(kinds.NotFound, "there is no backup in folder %s", at)
		}
		return d, func() error { return nil }, err
	}
	unusable := func(err error) error {
		return kinds.Errorf(kinds.Invalid, "folder %s can't be used for a backup: %w", at, err)
	}
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, nil, unusable(err)
	}
	lock, err := os.OpenFile(filepath.Join(at, lockOfBackup), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, unusable(err)
	}
	if err = lockFile(lock); errors.Is(err, errLocked) {
		err = kinds.Errorf(kinds.Exists, "another backup is writing to folder %s; wait for its end", at)
	}
	var d *files.Files
	if err == nil {
		d, err = files.New(at, files.OS{})
	}
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return d, lock.Close, nil
}

func bucketOf(ctx context.Context, at string) (blob.Driver, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, kinds.Errorf(kinds.Invalid, "%q is not of the form s3://BUCKET/PREFIX", at)
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
		if blob.CheckName(prefix+"x") != nil || len(prefix) > 400 {
			return nil, kinds.Errorf(kinds.Invalid, "%q: a prefix is of a-z, 0-9, '.', '_', '-' and '/'", at)
		}
	}
	bucket, err := cloud.OpenBucket(ctx, u.Host)
	return backup.Under(bucket, prefix), err
}
