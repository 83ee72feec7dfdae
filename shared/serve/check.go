package serve

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/audit"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/sharing"
)

// Checked is what Check has looked at.
type Checked struct{ Accounts, Messages int }

// Check reads a data folder that no service is using: the databases are sound, every
// account's journal folds and leads to what its snapshot says, and the blob of every message
// is there in its full length. The error is the first thing that is not so.
func Check(ctx context.Context, data string) (c Checked, err error) {
	err = Stopped(ctx, data, func(a *audit.Audit) error {
		report, err := a.All(ctx)
		c = Checked{report.Accounts, report.Messages}
		if err == nil && report.Failed > 0 {
			err = kinds.Errorf(kinds.Corrupt, "account %s: %s", report.Problems[0].Account, report.Problems[0].What)
		}
		return err
	})
	return c, err
}

// Stopped gives fn an audit of a data folder that no service is using, after a look at its
// databases.
func Stopped(ctx context.Context, data string, fn func(*audit.Audit) error) error {
	// Who misspells the folder is told so, and gets no new one.
	if _, err := os.Stat(filepath.Join(data, databaseName)); err != nil {
		return kinds.Errorf(kinds.NotFound, "there is no data of a service in %s; name its folder with --data", data)
	}
	f, err := openFolder(data, rooms...)
	if err != nil {
		return err
	}
	defer f.close()
	p, err := openEmbedded(f, &Options{Now: time.Now, Files: files.OS{}})
	if err != nil {
		return err
	}
	defer p.close()
	for _, db := range []*sqlitedb.DB{p.db, p.queueDB} {
		if err := db.Check(ctx); err != nil {
			return err
		}
	}
	return fn(auditOf(p.Set))
}

// Running gives fn an audit of the service in AWS, which may be running.
func Running(ctx context.Context, c cloud.Config, fn func(*audit.Audit) error) error {
	aws, err := cloud.Open(ctx, c)
	if err != nil {
		return err
	}
	return fn(auditOf(aws.Set))
}

func auditOf(p ports.Set) *audit.Audit {
	blobs := blob.Store{Driver: p.Blobs}
	store := account.New(account.Config{Journal: p.Journal, Blobs: blobs, Now: time.Now})
	dir := directory.New(directory.Config{Records: p.Records, Accounts: directory.Journals(store), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	return &audit.Audit{Accounts: store, Blobs: blobs, Now: time.Now, Directory: dir,
		Sharing: sharing.New(sharing.Config{Accounts: store, Directory: dir, Records: p.Records, Now: time.Now})}
}
