package serve

import (
	"context"
	"log/slog"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Checked is what Check has looked at.
type Checked struct{ Accounts, Messages int }

// Check reads a data folder that no service is using: the databases are sound, every
// account's journal folds, and the blob of every message is there in its full length.
// The error, kinds.Corrupt, is the first thing that is not so.
func Check(ctx context.Context, data string) (c Checked, err error) {
	f, err := openFolder(data, rooms...)
	if err != nil {
		return c, err
	}
	defer f.close()
	p, err := openEmbedded(f, &Options{Now: time.Now, Files: files.OS{}})
	if err != nil {
		return c, err
	}
	defer p.close()
	for _, db := range []*sqlitedb.DB{p.db, p.queueDB} {
		if err := db.Check(ctx); err != nil {
			return c, err
		}
	}
	store := account.New(account.Config{Journal: p.Journal, Blobs: blob.Store{Driver: p.Blobs}, Now: time.Now})
	dir := directory.New(directory.Config{Records: p.Records, Accounts: directory.Journals(store), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	page := directory.Page{Limit: directory.MaxPage}
	for {
		accounts, next, err := dir.Accounts(ctx, directory.ServiceScope("check"), page)
		if err != nil {
			return c, err
		}
		for _, a := range accounts {
			n, err := checkAccount(ctx, store, p.Blobs, a.Ref)
			if err != nil {
				return c, kinds.Wrap(kinds.Of(err), err, "account "+string(a.Ref.ID))
			}
			c.Accounts++
			c.Messages += n
		}
		if page.After = next; next == "" {
			return c, nil
		}
	}
}

// checkAccount opens the account, reads all of its mailboxes, and looks for every blob.
func checkAccount(ctx context.Context, store *account.Store, blobs blob.Driver, ref account.Ref) (messages int, err error) {
	a, err := store.Open(ctx, ref)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	var refs []account.ContentRef
	for _, m := range a.State().Mailboxes() {
		state, err := a.Load(ctx, m.ID)
		if err != nil {
			return 0, err
		}
		for _, msg := range state.MailboxByID(m.ID).Messages() {
			refs = append(refs, msg.Content)
		}
	}
	const page = 100
	for len(refs) > 0 {
		n := min(page, len(refs))
		contents, err := a.Contents(ctx, refs[:n])
		if err != nil {
			return messages, err
		}
		for i := range contents {
			b := contents[i].Blob
			info, err := blobs.Stat(ctx, b.Name)
			if err != nil {
				return messages, err
			}
			stored, err := b.Stored()
			if err != nil {
				return messages, kinds.Wrap(kinds.Of(err), err, "blob "+b.Name)
			}
			if info.Size != stored {
				return messages, kinds.Errorf(kinds.Corrupt, "blob %s has %d bytes, its message says %d", b.Name, info.Size, stored)
			}
		}
		messages, refs = messages+n, refs[n:]
	}
	return messages, nil
}
