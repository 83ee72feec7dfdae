package serve

import (
	"context"
	"path/filepath"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	journalsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/queue"
	queuesqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
	"github.com/godwit-mail/godwit/shared/records"
	recordssqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
)

// Decorators stand round the ports of one service, for tests. Each may be nil.
type Decorators struct {
	Journal func(journal.Driver) journal.Driver
	Blobs   func(blob.Driver) blob.Driver
	Queue   func(queue.Driver) queue.Driver
	Records func(records.Driver) records.Driver
	Notify  func(notify.Driver) notify.Driver
}

// ports are the drivers of one process, over the data folder.
type ports struct {
	// The queue has a database of its own: its rows come and go with every message, and
	// its commits go on while the other's are synced.
	db, queueDB *sqlitedb.DB

	journal journal.Driver
	blobs   blob.Driver
	queue   queue.Driver
	records records.Driver
	notify  notify.Driver
}

func openPorts(f *folder, o *Options, hook observe.Hook) (_ *ports, err error) {
	p := &ports{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.db, err = sqlitedb.Open(f.in(databaseName)); err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "database "+f.in(databaseName))
	}
	if p.queueDB, err = sqlitedb.Open(f.in(queueName)); err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "database "+f.in(queueName))
	}
	j, err := journalsqlite.New(p.db, o.Now)
	if err != nil {
		return nil, err
	}
	r, err := recordssqlite.New(p.db, o.Now)
	if err != nil {
		return nil, err
	}
	// A message goes to the dead letters only when it took the process down with it,
	// again and again: what fails is parked, long before.
	q, err := queuesqlite.New(p.queueDB, queuesqlite.Options{Now: o.Now, Nasty: o.Nasty})
	if err != nil {
		return nil, err
	}
	// files.New syncs the data folder, with the databases in it; the folder's own name is
	// in its parent.
	if err := o.Files.SyncDir(filepath.Dir(f.path)); err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "sync the folder above the data folder")
	}
	b, err := files.New(f.in(blobsName), o.Files)
	if err != nil {
		return nil, err
	}
	d := o.Decorators
	p.journal = observe.Journal(wrap[journal.Driver](d.Journal, j), hook)
	p.blobs = observe.Blob(wrap[blob.Driver](d.Blobs, b), hook)
	p.queue = observe.Queue(wrap[queue.Driver](d.Queue, q), hook)
	p.records = observe.Records(wrap[records.Driver](d.Records, r), hook)
	p.notify = observe.Notify(wrap[notify.Driver](d.Notify, inprocess.New()), hook)
	return p, nil
}

func wrap[D any](with func(D) D, d D) D {
	if with == nil {
		return d
	}
	return with(d)
}

// ready tells whether the stores answer.
func (p *ports) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := p.records.Get(ctx, records.Key{Space: "health", ID: "probe"}); err != nil {
		return err
	}
	_, err := p.queue.Depth(ctx, queue.Deliver)
	return err
}

func (p *ports) close() (err error) {
	for _, db := range []*sqlitedb.DB{p.queueDB, p.db} {
		if db == nil {
			continue
		}
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}
	return err
}
