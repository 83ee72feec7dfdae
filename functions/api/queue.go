package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
)

// Spool is where jobs are parked that really failed. tenant "" is all tenants; a job of
// another tenant is kinds.NotFound. Positions are the spool's own.
type Spool interface {
	List(ctx context.Context, tenant, after string, limit int) (jobs []Job, next string, err error)
	Show(ctx context.Context, tenant, id string) (Job, error)
	// Retry hands a job out again. One that may have been done in part, so long ago
	// that it can't be told any more, is kinds.Conflict unless mayDuplicate.
	Retry(ctx context.Context, tenant, id string, mayDuplicate bool) error
	Drop(ctx context.Context, tenant, id string) error
}

// Job is a parked job.
type Job struct {
	ID         string    `json:"id"`
	Tenant     string    `json:"tenant"`
	From       string    `json:"from" doc:"The reverse-path; empty for a notification."`
	Recipients []string  `json:"recipients" nullable:"false"`
	Size       int64     `json:"size" doc:"Bytes of the message."`
	Received   time.Time `json:"received"`
	Parked     time.Time `json:"parked"`
	Failures   int       `json:"failures"`
	Reason     string    `json:"reason"`
}

// JobPath names a parked job.
type JobPath struct {
	ID string `path:"id" maxLength:"256"`
}

func (s *server) queue(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/queue", "list-queue", "List parked jobs", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByTenant
		}) (*list[Job], error) {
			return listed(ctx, s, in.Paged, "queue/"+in.Tenant, in.Tenant, func(who directory.Scope, after string) ([]Job, string, error) {
				if err := who.NeedTenant(); err != nil {
					return nil, "", err
				}
				return s.spool.List(ctx, who.Tenant, after, in.limit())
			}, func(j Job) Job { return j })
		})

	huma.Register(api, operation(http.MethodGet, "/v1/queue/{id}", "get-job", "Show a parked job", http.StatusOK),
		func(ctx context.Context, in *JobPath) (*struct{ Body Job }, error) {
			j, err := s.job(ctx, in.ID)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return &struct{ Body Job }{j}, nil
		})

	huma.Register(api, operation(http.MethodPost, "/v1/queue/{id}/retry", "retry-job", "Try a parked job again", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			JobPath
			Body *struct {
				MayDuplicate bool `json:"may_duplicate,omitempty" doc:"Even if it can't be told any more which mailboxes have the message already."`
			}
		}) (*none, error) {
			j, err := s.job(ctx, in.ID)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return nil, s.problem(ctx, s.spool.Retry(ctx, j.Tenant, j.ID, in.Body != nil && in.Body.MayDuplicate))
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/queue/{id}", "drop-job", "Drop a parked job: its message is lost", http.StatusNoContent),
		func(ctx context.Context, in *JobPath) (*none, error) {
			j, err := s.job(ctx, in.ID)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return nil, s.problem(ctx, s.spool.Drop(ctx, j.Tenant, j.ID))
		})
}

// job reads a job of the key's own tenant.
func (s *server) job(ctx context.Context, id string) (Job, error) {
	who := scope(ctx)
	j, err := s.spool.Show(ctx, who.Tenant, id)
	if err != nil {
		return Job{}, err
	}
	return j, who.NeedTenant()
}
