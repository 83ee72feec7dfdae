package api

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/quota"
)

// maxStoring is how many blobs of a request are written at a time: their syncs take long
// and share the disk's.
const maxStoring = 32

// appending is a request that adds messages.
type appending struct {
	*server
	who     directory.Account
	by      account.By
	limits  directory.Effective
	warn    account.Warn
	list    []*incoming
	index   index
	seen    uint64 // up to here all names are known
	found   []byte // names that entries after the request's own number had
	present nameSet
	totals  account.Totals // of the account, as far as known
	full    error          // once there is no room: nothing more is taken
	added   int64
	bytes   int64
}

// run adds what is not there yet, in order, entry by entry, while blobs of later messages are
// being written. An error means that some may be added: sent again with the same number,
// they are found.
func (a *appending) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	head, err := a.mail.Accounts.Head(ctx, a.who.Ref)
	if err != nil {
		return err
	}
	a.totals = head.Standing.Totals
	after := a.seen
	if err := a.look(ctx, head.Seq); err != nil {
		return err
	}
	take := a.choose()
	if err := a.shared(ctx, take); err != nil {
		return err
	}
	done := a.store(ctx, take)
	defer done() // a blob that is being written must not outlive the request
	defer cancel()
	for len(take) > 0 {
		if take, err = a.entry(ctx, take); err != nil {
			return err
		}
	}
	if a.seen == after {
		return nil
	}
	return a.index.note(ctx, a.who.Ref, after, a.seen, a.found)
}

// look reads the names in entries up to a number: of others, which import the same at the same
// time, or of this request, which was sent before.
func (a *appending) look(ctx context.Context, to uint64) error {
	for a.seen < to {
		names, reached, err := a.mail.Accounts.Imported(ctx, a.who.Ref, a.seen, to)
		if err != nil {
			return err
		}
		a.present.add(names)
		a.found = append(a.found, names...)
		a.seen = reached
	}
	return nil
}

// choose gives the messages to be added: those that are neither refused nor there.
func (a *appending) choose() (take []*incoming) {
	twice := nameSet{}
	for _, m := range a.list {
		switch {
		case m.refused != nil:
			m.state = isRefused
		case a.present.has(m.add.Name) || twice.has(m.add.Name):
			m.state = isPresent
		default:
			twice.add(m.add.Name)
			take = append(take, m)
		}
	}
	return take
}

// shared asks whether domain and tenant have room for all.
func (a *appending) shared(ctx context.Context, take []*incoming) error {
	var size int64
	for _, m := range take {
		size += m.size
	}
	for domain, q := range map[string]account.Quota{"": a.limits.Tenant, a.who.Domain: a.limits.Domain} {
		if q == (account.Quota{}) || a.quota == nil {
			continue
		}
		sum, err := a.quota.Use(ctx, a.who.Ref.Tenant, domain)
		if err != nil {
			return err
		}
		if sum.Counted != 0 && q.Full(account.Totals{Messages: sum.Messages, Bytes: sum.Bytes}, int64(len(take)), size) {
			a.full = kinds.Errorf(kinds.Quota, "the account's domain or tenant is full")
		}
	}
	return nil
}

// store begins to write the messages' blobs, in order. What it gives waits for the last.
func (a *appending) store(ctx context.Context, take []*incoming) (wait func()) {
	work := make(chan *incoming)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(work)
		for _, m := range take {
			select {
			case work <- m:
			case <-ctx.Done():
				return
			}
		}
	})
	for range min(maxStoring, len(take)) {
		running.Go(func() {
			for m := range work {
				m.failed = a.content(ctx, m)
				close(m.stored)
			}
		})
	}
	return running.Wait
}

// content writes a message's blob.
func (a *appending) content(ctx context.Context, m *incoming) (err error) {
	scanner := message.NewScanner()
	name, header := blob.NewName(a.who.Ref.Tenant, a.now()), blob.Header{Owners: []string{string(a.who.Ref.ID)}}
	if len(m.parts) > 0 {
		m.add.Content.Blob, err = a.join(ctx, m.parts, name, header, scanner)
	} else {
		_, _ = scanner.Write(m.octets) // never fails
		m.add.Content.Blob, err = a.mail.Blobs.Put(ctx, name, header, bytes.NewReader(m.octets), m.size)
	}
	if err != nil {
		return err
	}
	sum := scanner.Finish()
	m.add.Content.Summary = sum.Encode()
	m.add.EmailID, m.add.Thread = account.EmailID(), account.ThreadID(a.who.Ref, sum.Thread.Root, "", nil)
	return nil
}

// join writes the blob of a message that came in parts. It holds in memory what is stored of
// it, so one is joined at a time.
func (a *appending) join(ctx context.Context, parts []blob.Ref, name string, header blob.Header, scanner io.Writer) (blob.Ref, error) {
	select {
	case a.joining <- struct{}{}:
		defer func() { <-a.joining }()
	case <-ctx.Done():
		return blob.Ref{}, kinds.Wrap(kinds.Unavailable, ctx.Err(), "api: wait for other large messages")
	}
	var stored bytes.Buffer
	framer, frame := blob.NewFramer(&stored), make([]byte, 0, blob.FrameSize)
	for _, p := range parts {
		h, err := a.mail.Blobs.ReadHeader(ctx, p.Name)
		if err != nil || !slices.Contains(h.Owners, partOwner(a.who.Ref)) {
			return blob.Ref{}, noPart(err)
		}
		r, err := a.mail.Blobs.Open(ctx, p, 0, -1)
		if err != nil {
			return blob.Ref{}, noPart(err)
		}
		for {
			n, err := r.Read(frame[len(frame):cap(frame)])
			_, _ = scanner.Write(frame[len(frame) : len(frame)+n])
			frame = frame[:len(frame)+n]
			if len(frame) == cap(frame) {
				if err := framer.Frame(frame); err != nil {
					r.Close()
					return blob.Ref{}, err
				}
				frame = frame[:0]
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				r.Close()
				return blob.Ref{}, noPart(err)
			}
		}
		r.Close()
	}
	if len(frame) > 0 {
		if err := framer.Frame(frame); err != nil {
			return blob.Ref{}, err
		}
	}
	return a.mail.Blobs.PutFrames(ctx, name, header, framer, bytes.NewReader(stored.Bytes()))
}

// noPart is the error of a part that can't be read: the client's if it can't help to try again.
func noPart(err error) error {
	if err != nil && kinds.Of(err).Temporary() {
		return err
	}
	return kinds.Errorf(kinds.Invalid, "api: a part of a message that was not sent, or is gone")
}

// entry adds as many of the messages as fit into one entry, and gives the rest.
func (a *appending) entry(ctx context.Context, take []*incoming) ([]*incoming, error) {
	var batch []account.Add
	var of []*incoming
	cost, totals := 0, a.totals
	for len(take) > 0 && len(batch) < account.MaxBatch {
		m := take[0]
		if a.full == nil && a.limits.Account.Full(totals, 1, m.size) {
			a.full = kinds.Errorf(kinds.Quota, "the account is full")
		}
		if a.full != nil {
			m.state, m.refused, take = isRefused, a.full, take[1:]
			continue
		}
		select {
		case <-m.stored:
		case <-ctx.Done():
			return nil, kinds.Wrap(kinds.Unavailable, ctx.Err(), "api: wait for a message's blob")
		}
		if kinds.Is(m.failed, kinds.Invalid) {
			m.state, m.refused, take = isRefused, m.failed, take[1:]
			continue
		}
		if m.failed != nil {
			return nil, m.failed
		}
		c := account.BatchCost(&m.add)
		if cost+c > account.MaxBatchBytes && len(batch) > 0 {
			break
		}
		cost, take = cost+c, take[1:]
		if a.present.has(m.add.Name) {
			m.state = isPresent
			continue
		}
		batch, of = append(batch, m.add), append(of, m)
		totals.Messages, totals.Bytes = totals.Messages+1, totals.Bytes+m.size
	}
	if len(batch) == 0 {
		return take, nil
	}
	out, err := a.mail.Accounts.DeliverWarning(ctx, a.who.Ref, a.seen, a.by, batch, a.warn)
	if err != nil {
		return nil, err
	}
	var seq uint64
	for i, m := range of {
		if m.state = isPresent; !out[i].Duplicate {
			m.state, seq = isImported, out[i].Seq
			a.added, a.bytes = a.added+1, a.bytes+m.size
			a.found = append(a.found, m.add.Name...)
		}
	}
	if seq == 0 {
		return take, nil // all came from somebody else, whose entries are read with the next of ours
	}
	if head, ok := a.mail.Accounts.Known(a.who.Ref); ok {
		a.totals = head.Standing.Totals
	}
	if err := a.look(ctx, seq-1); err != nil {
		return nil, err
	}
	a.seen = seq
	return take, nil
}

// counted adds what was taken to the sums of domain and tenant.
func (a *appending) counted(ctx context.Context) {
	if a.quota == nil || a.added == 0 || a.limits.Domain == (account.Quota{}) && a.limits.Tenant == (account.Quota{}) {
		return
	}
	if err := a.quota.Add(context.WithoutCancel(ctx), a.who.Ref.Tenant, a.who.Domain, a.added, a.bytes); err != nil { // the next count finds it
		a.log.WarnContext(ctx, "cannot add what was imported to what a domain holds", "account", a.who.Ref.ID, "error", err)
	}
}

// warner gives what tells the account's owner that it is nearly full.
func (s *server) warner(who directory.Account, limits directory.Effective) account.Warn {
	if !limits.Warnings {
		return nil
	}
	w := quota.Warner{Blobs: s.mail.Blobs, Now: s.now, Log: s.log}
	return w.Of(who.Ref, who.Address, limits.Account)
}
