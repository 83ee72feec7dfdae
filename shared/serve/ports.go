package serve

import (
	"errors"
	"path/filepath"

	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	journalsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
	"github.com/godwit-mail/godwit/shared/ports"
	queuesqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
	recordssqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
)

// embedded are the drivers of one machine, over the data folder.
type embedded struct {
	ports.Set
	// The queue has a database of its own: its rows come and go with every message, and
	// its commits go on while the other's are synced.
	db, queueDB *sqlitedb.DB
}

func openEmbedded(f *folder, o *Options) (_ *embedded, err error) {
	p := &embedded{}
	defer func() {
		if err != nil {
			_ = p.close()
		}
	}()
	if p.db, err = sqlitedb.Open(f.in(databaseName)); err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "database "+f.in(databaseName))
	}
	if p.queueDB, err = sqlitedb.Open(f.in(queueName)); err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "database "+f.in(queueName))
	}
	if p.Journal, err = journalsqlite.New(p.db, o.Now); err != nil {
		return nil, err
	}
	if p.Records, err = recordssqlite.New(p.db, o.Now); err != nil {
		return nil, err
	}
	// A message goes to the dead letters only when it took the process down with it,
	// again and again: what fails is parked, long before.
	if p.Queue, err = queuesqlite.New(p.queueDB, queuesqlite.Options{Now: o.Now, Nasty: o.Nasty}); err != nil {
		return nil, err
	}
	// files.New syncs the data folder, with the databases in it; the folder's own name is
	// in its parent.
	if err := o.Files.SyncDir(filepath.Dir(f.path)); err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "sync the folder above the data folder")
	}
	if p.Blobs, err = files.New(f.in(blobsName), o.Files); err != nil {
		return nil, err
	}
	p.Notify = inprocess.New()
	return p, nil
}

func (p *embedded) close() error {
	var errs []error
	for _, db := range []*sqlitedb.DB{p.queueDB, p.db} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
