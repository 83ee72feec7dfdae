// Package audit checks accounts: whether their journals lead to what their snapshots say,
// and whether all that they refer to is there. It reads; only Repair writes, and only
// snapshots.
package audit

import (
	"context"
	"io"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/sharing"
)

// MaxProblems is how many problems a report names.
const MaxProblems = 1000

// Audit is what is checked, and how.
type Audit struct {
	Accounts  *account.Store
	Directory *directory.Directory
	Blobs     blob.Store
	Sharing   *sharing.Sharing // nil: hints to what accounts share are not looked for
	Now       func() time.Time
	Window    time.Duration // what accounts refer to since so long ago must be there; 0: account.DefaultWindow

	Deep     bool         // read all blobs, whose frames have checksums
	Repair   bool         // make a new snapshot where one is broken, and write hints that are missing
	Progress func(Report) // called often; nil: nobody waits
}

// Report is what was found.
type Report struct {
	Accounts int   `json:"accounts"`
	Messages int   `json:"messages"`
	Blobs    int   `json:"blobs"` // that accounts refer to
	Bytes    int64 `json:"bytes"` // of those, as they are stored
	// Blobs that no account refers to, nor has within the window: of mail on its way, of
	// deleted accounts, or of writers that died; and such as a sweep will remove. They are
	// looked for where all accounts are checked.
	Unheld      int       `json:"unheld"`
	UnheldBytes int64     `json:"unheld_bytes"`
	Repaired    int       `json:"repaired"` // accounts
	Failed      int       `json:"failed"`   // problems, of which some may not be named
	Problems    []Problem `json:"problems"`
}

// Problem is something that is not as it should be.
type Problem struct {
	Account string `json:"account,omitempty"` // its address
	Kind    string `json:"kind"`
	What    string `json:"what"`
}

// run is one audit.
type run struct {
	*Audit
	report Report
	since  time.Time
	stored map[uint64]object // all blobs by their names' hashes; nil: only some accounts are checked
}

type object struct {
	size int64
	held bool
}

// One checks the account at an address.
func (a *Audit) One(ctx context.Context, address string) (Report, error) {
	r := a.begin()
	found, err := a.Directory.Account(ctx, directory.ServiceScope("check"), address)
	if err != nil {
		return r.report, kinds.Wrap(kinds.Of(err), err, "account "+address)
	}
	err = r.account(ctx, found)
	return r.report, err
}

// All checks all accounts, and counts blobs that are nobody's. The error is of the
// directory, of the list of blobs or of ctx: what is wrong with accounts is in the report.
func (a *Audit) All(ctx context.Context) (Report, error) {
	r := a.begin()
	if err := r.list(ctx); err != nil {
		return r.report, err
	}
	page := directory.Page{Limit: directory.MaxPage}
	for {
		accounts, next, err := a.Directory.Accounts(ctx, directory.ServiceScope("check"), page)
		if err != nil {
			return r.report, err
		}
		for _, found := range accounts {
			if err := r.account(ctx, found); err != nil {
				return r.report, err
			}
		}
		if page.After = next; next == "" {
			break
		}
	}
	for _, o := range r.stored {
		if !o.held {
			r.report.Unheld++
			r.report.UnheldBytes += o.size
		}
	}
	return r.report, nil
}

func (a *Audit) begin() *run {
	window := a.Window
	if window == 0 {
		window = account.DefaultWindow
	}
	return &run{Audit: a, since: a.Now().Add(-window), report: Report{Problems: []Problem{}}}
}

// list learns of all blobs that there are.
func (r *run) list(ctx context.Context) error {
	r.stored = map[uint64]object{}
	for after := ""; ; {
		found, err := r.Blobs.Driver.List(ctx, blob.Messages, after, blob.MaxPage)
		if err != nil {
			return err
		}
		for _, o := range found {
			after = o.Name
			r.stored[xxhash.Sum64String(o.Name)] = object{size: o.Size}
		}
		r.progress()
		if len(found) < blob.MaxPage {
			return nil
		}
	}
}

func (r *run) progress() {
	if r.Progress != nil {
		r.Progress(r.report)
	}
}

// fail notes a problem.
func (r *run) fail(address string, err error) {
	r.report.Failed++
	if len(r.report.Problems) < MaxProblems {
		r.report.Problems = append(r.report.Problems, Problem{address, kinds.Of(err).String(), err.Error()})
	}
}

// hints looks for those by which others find what the account shares with them.
func (r *run) hints(ctx context.Context, a directory.Account) error {
	if r.Sharing == nil {
		return nil
	}
	open, err := r.Accounts.Open(ctx, a.Ref)
	if err != nil {
		return err
	}
	defer open.Close()
	missing, err := r.Sharing.Missing(ctx, a.Ref, open.State(), r.Repair)
	if err != nil || len(missing) == 0 {
		return err
	}
	err = kinds.Errorf(kinds.NotFound, "%d that it shares mailboxes with are not led to it", len(missing))
	if r.Repair {
		r.report.Repaired++
		r.fail(a.Address, kinds.Wrap(kinds.NotFound, err, "repaired"))
		r.report.Failed--
		return nil
	}
	return err
}

// account checks one account. Its error is that of ctx alone.
func (r *run) account(ctx context.Context, a directory.Account) error {
	v, err := r.verify(ctx, a)
	if err != nil && r.Repair && isDamage(err) {
		if _, broken := r.Accounts.Compact(ctx, a.Ref, true); broken == nil {
			before := err
			if v, err = r.verify(ctx, a); err == nil {
				r.report.Repaired++
				r.fail(a.Address, kinds.Wrap(kinds.Of(before), before, "repaired"))
				r.report.Failed--
			}
		}
	}
	if err == nil {
		err = r.hints(ctx, a)
	}
	if ctx.Err() != nil {
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "audit: interrupted")
	}
	if err != nil {
		r.fail(a.Address, err)
	}
	r.report.Accounts++
	r.report.Messages += v.Messages
	r.progress()
	return nil
}

func isDamage(err error) bool { return kinds.Is(err, kinds.Corrupt) || kinds.Is(err, kinds.NotFound) }

// verify folds the account's journal and looks for all blobs that it refers to. A blob
// that is not as it should be is a problem by itself.
func (r *run) verify(ctx context.Context, a directory.Account) (account.Verified, error) {
	v, err := r.Accounts.Verify(ctx, a.Ref)
	if err != nil {
		return v, err
	}
	seen := map[uint64]bool{}
	return v, r.Accounts.Held(ctx, a.Ref, r.since, func(h account.Held) error {
		b, key := &h.Content.Blob, xxhash.Sum64String(h.Content.Blob.Name)
		if seen[key] || !h.Reachable() {
			return ctx.Err()
		}
		seen[key] = true
		size, err := r.find(ctx, b, key)
		if err == nil && r.Deep {
			err = r.read(ctx, b)
		}
		if err != nil && ctx.Err() == nil {
			r.fail(a.Address, kinds.Wrap(kinds.Of(err), err, "a message of account "+string(a.Ref.ID)))
			return nil
		}
		r.report.Blobs++
		r.report.Bytes += size
		if r.report.Blobs%1000 == 0 || r.Deep {
			r.progress()
		}
		return ctx.Err()
	})
}

// find fails unless the blob is there in its full length, which it gives, 0 for one that
// another account has, too.
func (r *run) find(ctx context.Context, b *blob.Ref, key uint64) (int64, error) {
	want, err := b.Stored()
	if err != nil {
		return 0, kinds.Wrap(kinds.Of(err), err, "blob "+b.Name)
	}
	o, ok := r.stored[key]
	if !ok { // it came after the list, or there is none
		info, err := r.Blobs.Driver.Stat(ctx, b.Name)
		if err != nil {
			return 0, kinds.Wrap(kinds.Of(err), err, "blob "+b.Name)
		}
		o.size = info.Size
	}
	if o.size != want {
		return 0, kinds.Errorf(kinds.Corrupt, "blob %s has %d bytes, its message says %d", b.Name, o.size, want)
	}
	if o.held {
		return 0, nil
	}
	if r.stored != nil {
		r.stored[key] = object{size: o.size, held: true}
	}
	return o.size, nil
}

// read reads all of a blob, so that its checksums are compared.
func (r *run) read(ctx context.Context, b *blob.Ref) error {
	in, err := r.Blobs.Open(ctx, *b, 0, -1)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.Copy(io.Discard, in)
	if err == nil && n != b.Size {
		err = kinds.Errorf(kinds.Corrupt, "blob %s holds %d bytes and not %d", b.Name, n, b.Size)
	}
	return err
}
