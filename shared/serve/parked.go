package serve

import (
	"context"
	"strings"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/spool"
)

// parkedJobs shows the spool to the API: in mail's words, and a tenant its own jobs only.
// A job's id has the tenant in front, with a dot where the spool has a slash.
type parkedJobs struct{ spool *spool.Spool }

var _ api.Spool = parkedJobs{}

func outerID(id string) string { return strings.Replace(id, "/", ".", 1) }
func innerID(id string) string { return strings.Replace(id, ".", "/", 1) }

func (p parkedJobs) List(ctx context.Context, tenant, after string, limit int) (jobs []api.Job, next string, err error) {
	limit = max(1, min(limit, spool.MaxPage))
	found, err := p.spool.List(ctx, tenant, innerID(after), limit)
	if err != nil {
		return nil, "", err
	}
	for _, j := range found {
		jobs = append(jobs, shown(j))
	}
	if len(found) == limit {
		next = outerID(found[limit-1].ID)
	}
	return jobs, next, nil
}

func (p parkedJobs) Show(ctx context.Context, tenant, id string) (api.Job, error) {
	j, err := p.get(ctx, tenant, id)
	if err != nil {
		return api.Job{}, err
	}
	return shown(j), nil
}

// get hides another tenant's jobs; "" is the whole service.
func (p parkedJobs) get(ctx context.Context, tenant, id string) (spool.Job, error) {
	j, err := p.spool.Get(ctx, innerID(id))
	if err == nil && tenant != "" && j.Tenant != tenant {
		err = kinds.Errorf(kinds.NotFound, "spool: no such job")
	}
	return j, err
}

// Retry needs no mayDuplicate: journals are not trimmed, so every delivery of the past
// is still found by its name.
func (p parkedJobs) Retry(ctx context.Context, tenant, id string, _ bool) error {
	j, err := p.get(ctx, tenant, id)
	if err != nil {
		return err
	}
	return p.spool.Retry(ctx, j.ID)
}

func (p parkedJobs) Drop(ctx context.Context, tenant, id string) error {
	j, err := p.get(ctx, tenant, id)
	if err != nil {
		return err
	}
	return p.spool.Drop(ctx, j.ID)
}

// shown is as much of a job as can be read: what does not decode was parked for that.
func shown(j spool.Job) api.Job {
	out := api.Job{ID: outerID(j.ID), Tenant: j.Tenant, Received: j.Accepted, Parked: j.Parked, Failures: j.Failures,
		Reason: j.Kind + ": " + j.Reason}
	if d, err := delivery.Decode(j.Body); err == nil {
		out.From, out.Size, out.Received = d.From, d.Blob.Size, d.ReceivedAt()
		for _, r := range d.Recipients {
			out.Recipients = append(out.Recipients, r.Address)
		}
	}
	return out
}
