package api

import (
	"context"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Parked shows the spool to the API: in mail's words, and a tenant its own jobs only.
// A job's id has the tenant in front, with a dot where the spool has a slash. window is how
// far back accounts' pasts can be told.
func Parked(s *spool.Spool, window time.Duration) Spool { return parked{s, window} }

type parked struct {
	spool  *spool.Spool
	window time.Duration
}

func outerID(id string) string { return strings.Replace(id, "/", ".", 1) }
func innerID(id string) string { return strings.Replace(id, ".", "/", 1) }

func (p parked) List(ctx context.Context, tenant, after string, limit int) (jobs []Job, next string, err error) {
	limit = max(1, min(limit, spool.MaxPage))
	found, err := p.spool.List(ctx, tenant, innerID(after), limit)
	if err != nil {
		return nil, "", err
	}
	for _, j := range found {
		jobs = append(jobs, jobOf(j))
	}
	if len(found) == limit {
		next = outerID(found[limit-1].ID)
	}
	return jobs, next, nil
}

func (p parked) Show(ctx context.Context, tenant, id string) (Job, error) {
	j, err := p.get(ctx, tenant, id)
	if err != nil {
		return Job{}, err
	}
	return jobOf(j), nil
}

// get hides another tenant's jobs; "" is the whole service.
func (p parked) get(ctx context.Context, tenant, id string) (spool.Job, error) {
	j, err := p.spool.Get(ctx, innerID(id))
	if err == nil && tenant != "" && j.Tenant != tenant {
		err = kinds.Errorf(kinds.NotFound, "spool: no such job")
	}
	return j, err
}

// Retry of a job from before the window needs mayDuplicate: what its deliveries would be
// found by may be trimmed, so they are not looked for.
func (p parked) Retry(ctx context.Context, tenant, id string, mayDuplicate bool) error {
	j, err := p.get(ctx, tenant, id)
	if err != nil {
		return err
	}
	d, err := delivery.Decode(j.Body)
	if err != nil || p.spool.Now().Sub(d.ReceivedAt()) < p.window {
		return p.spool.Retry(ctx, j.ID)
	}
	if !mayDuplicate {
		return kinds.Errorf(kinds.Conflict, "api: the job is from before the last %d days: which of its deliveries took place can't be told any more",
			int(p.window.Hours()/24))
	}
	for i := range d.Recipients {
		d.Recipients[i].Seen = account.DontSearch
	}
	body, err := d.Encode()
	if err != nil {
		return err
	}
	return p.spool.RetryAs(ctx, j.ID, body)
}

func (p parked) Drop(ctx context.Context, tenant, id string) error {
	j, err := p.get(ctx, tenant, id)
	if err != nil {
		return err
	}
	return p.spool.Drop(ctx, j.ID)
}

// jobOf is as much of a job as can be read: what does not decode was parked for that.
func jobOf(j spool.Job) Job {
	out := Job{ID: outerID(j.ID), Tenant: j.Tenant, Received: j.Accepted, Parked: j.Parked, Failures: j.Failures,
		Reason: j.Kind + ": " + j.Reason}
	if d, err := delivery.Decode(j.Body); err == nil {
		out.From, out.Size, out.Received = d.From, d.Blob.Size, d.ReceivedAt()
		for _, r := range d.Recipients {
			out.Recipients = append(out.Recipients, r.Address)
		}
	}
	return out
}
