package backup

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const packsVerified = 2 // at once

// Verify reads all of a backup: that each pack is what was written, then that each account
// of the newest run can be read and the backup has the blobs of all its messages. It gives
// what is wrong; each error names the object or the account.
func Verify(ctx context.Context, store blob.Driver, told Told) (run Run, wrong []error, err error) {
	b, err := Open(ctx, store, 0)
	if err != nil {
		return run, nil, err
	}
	var state Progress
	for _, m := range b.chain.runs {
		state.Total += int64(len(m.Packs))
	}
	state.Total += int64(len(b.directory.Accounts))
	var mu sync.Mutex
	step := func(bytes int64, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			if ctx.Err() != nil || kinds.Of(err).Temporary() {
				return err
			}
			wrong = append(wrong, err)
		}
		if state.Done, state.Bytes = state.Done+1, state.Bytes+bytes; told != nil {
			told(state)
		}
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(packsVerified)
	for _, m := range b.chain.runs {
		for _, p := range m.Packs {
			g.Go(func() error { return step(p.Size, verifyPack(gctx, store, m.Run, p)) })
		}
	}
	if err := g.Wait(); err != nil {
		return b.Run, wrong, err
	}
	from := b.accounts()
	for _, a := range b.directory.Accounts {
		err := b.complete(ctx, from, a.Ref)
		if err != nil {
			err = kinds.Wrap(kinds.Of(err), err, "account "+string(a.Ref.Partition()))
		}
		if err := step(0, err); err != nil {
			return b.Run, wrong, err
		}
	}
	return b.Run, wrong, nil
}

// complete fails unless an account can be read and there are the blobs of all its messages.
func (b *Backup) complete(ctx context.Context, from *account.Store, ref account.Ref) error {
	a, err := from.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer a.Close()
	for _, m := range a.State().Mailboxes() {
		state, err := a.Load(ctx, m.ID)
		if err != nil {
			return err
		}
		box := state.MailboxByID(m.ID)
		for at := 0; at < box.Len(); at += 256 {
			var refs []account.ContentRef
			for i := at; i < min(at+256, box.Len()); i++ {
				refs = append(refs, box.At(i).Content)
			}
			contents, err := a.Contents(ctx, refs)
			if err != nil {
				return err
			}
			for i := range contents {
				want, err := contents[i].Blob.Stored()
				if err != nil {
					return err
				}
				if have, err := b.blobs().Driver.Stat(ctx, contents[i].Blob.Name); err != nil {
					return err
				} else if have.Size != want {
					return kinds.Errorf(kinds.Corrupt, "blob %s has %d bytes and not %d", have.Name, have.Size, want)
				}
			}
		}
	}
	return nil
}
