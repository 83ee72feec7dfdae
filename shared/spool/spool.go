// Package spool keeps jobs that could not be done, with the reason, until somebody has
// them tried again or drops them. It is written once, over the records port.
package spool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	space   = "spool"
	sentTo  = "spool-sent" // jobs that were tried again, for as long as a queue may have them
	keepJob = 20 * 24 * time.Hour
	version = 1
	// MaxPage is how many jobs one List returns at most: their bodies are up to 192 KiB each.
	MaxPage = 100
	// noTenant stands for the tenant of a job that names none.
	noTenant = "-"
	// maxReason is how much of a reason is kept, in bytes.
	maxReason = 2000
)

// Job is a parked job.
type Job struct {
	ID          string    `cbor:"-"`
	Version     uint8     `cbor:"1,keyasint"`
	Queue       string    `cbor:"2,keyasint"` // where it came from, and goes when it is tried again
	Tenant      string    `cbor:"3,keyasint"`
	Correlation string    `cbor:"4,keyasint"` // the message's, in logs
	Kind        string    `cbor:"5,keyasint"` // of the last error
	Reason      string    `cbor:"6,keyasint"` // the last error
	Failures    int       `cbor:"7,keyasint"`
	Accepted    time.Time `cbor:"-"` // when the job was sent
	Parked      time.Time `cbor:"-"`
	AcceptedMS  int64     `cbor:"8,keyasint"`
	ParkedMS    int64     `cbor:"9,keyasint"`
	Body        []byte    `cbor:"10,keyasint"`
}

// Spool is safe for concurrent use.
type Spool struct {
	Records records.Driver
	Queue   queue.Driver
	Wakes   string // queue of those who send mail to other hosts; "": queue.Outbound
	Now     func() time.Time
}

// Park keeps a job. name tells the job from all others and stays the same when it is
// parked again because a reply was lost: the job is then there once.
func (s *Spool) Park(ctx context.Context, name string, j Job) (id string, err error) {
	if j.Tenant == "" || strings.Contains(j.Tenant, "/") {
		j.Tenant = noTenant
	}
	j.Version, j.AcceptedMS, j.ParkedMS = version, j.Accepted.UnixMilli(), s.Now().UnixMilli()
	j.Reason = strings.ToValidUTF8(j.Reason[:min(len(j.Reason), maxReason)], "")
	value, err := cbor.Marshal(j)
	if err != nil {
		return "", kinds.Wrap(kinds.Internal, err, "spool: encode")
	}
	sum := sha256.Sum256([]byte(j.Queue + " " + name))
	// By the time at which it was sent, so that a list is in order.
	id = fmt.Sprintf("%s/%012x-%s", j.Tenant, max(0, j.AcceptedMS), hex.EncodeToString(sum[:10]))
	_, err = s.Records.Put(ctx, records.Record{Key: records.Key{Space: space, ID: id}, Value: value}, 0)
	if kinds.Is(err, kinds.Conflict) {
		return id, nil // it was parked before, a little earlier
	}
	return id, err
}

// List gives parked jobs of a tenant (of all, if tenant is ""), those that were sent
// first come first; after is the ID of the last one seen. Fewer than limit (1..MaxPage)
// means the end.
func (s *Spool) List(ctx context.Context, tenant, after string, limit int) ([]Job, error) {
	if limit < 1 || limit > MaxPage {
		return nil, kinds.Errorf(kinds.Invalid, "spool: a page of %d", limit)
	}
	prefix := ""
	if tenant != "" {
		prefix = tenant + "/"
	}
	found, err := s.Records.List(ctx, space, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, len(found))
	for i, r := range found {
		if jobs[i], err = decode(r); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// Get gives one parked job; kinds.NotFound.
func (s *Spool) Get(ctx context.Context, id string) (Job, error) {
	j, _, err := s.get(ctx, id)
	return j, err
}

func (s *Spool) get(ctx context.Context, id string) (Job, uint64, error) {
	if id == "" || len(id) > records.MaxKey {
		return Job{}, 0, kinds.Errorf(kinds.NotFound, "spool: no such job")
	}
	found, err := s.Records.Get(ctx, records.Key{Space: space, ID: id})
	if err != nil {
		return Job{}, 0, err
	}
	if len(found) == 0 {
		return Job{}, 0, kinds.Errorf(kinds.NotFound, "spool: no such job")
	}
	j, err := decode(found[0])
	return j, found[0].Version, err
}

// Retry hands the job to its queue again and then forgets it here. Should the second
// fail, it is done twice, which jobs can bear.
func (s *Spool) Retry(ctx context.Context, id string) error { return s.RetryAs(ctx, id, nil) }

// RetryAs is Retry with another body; nil: the job's own.
func (s *Spool) RetryAs(ctx context.Context, id string, body []byte) error {
	j, version, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	if body != nil {
		j.Body = body
	}
	if err := s.remember(ctx, j); err != nil {
		return err
	}
	if err := s.Queue.Send(ctx, j.Queue, queue.Message{Group: j.Tenant, Body: j.Body}); err != nil {
		return err
	}
	return s.forget(ctx, id, version)
}

// remember notes a job that is about to go to its queue, where nobody can look for it.
func (s *Spool) remember(ctx context.Context, j Job) error {
	value, err := cbor.Marshal(j)
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "spool: encode")
	}
	r := records.Record{Key: records.Key{Space: sentTo, ID: j.ID}, Value: value, Expires: s.Now().Add(keepJob)}
	_, err = s.Records.Put(ctx, r, 0)
	var met *records.Changed
	if errors.As(err, &met) && met.Current != nil {
		_, err = s.Records.Put(ctx, r, met.Current.Version)
	}
	return err
}

// Each tells fn of all jobs that are parked, and of those that were tried again within the
// last 20 days, in which a queue may have them. A job that is tried again meanwhile is told of.
func (s *Spool) Each(ctx context.Context, fn func(Job) error) error {
	// A job is noted as sent before it is no longer parked.
	for _, in := range []string{space, sentTo} {
		for after := ""; ; {
			found, err := s.Records.List(ctx, in, "", after, MaxPage)
			if err != nil {
				return err
			}
			for _, r := range found {
				j, err := decode(r)
				if err != nil {
					return err
				}
				if err := fn(j); err != nil {
					return err
				}
				after = r.ID
			}
			if len(found) < MaxPage {
				break
			}
		}
	}
	return nil
}

// Drop forgets the job: what it was to do is never done. kinds.NotFound.
func (s *Spool) Drop(ctx context.Context, id string) error {
	_, version, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	return s.forget(ctx, id, version)
}

func (s *Spool) forget(ctx context.Context, id string, version uint64) error {
	return s.Records.Delete(ctx, records.Key{Space: space, ID: id}, version)
}

func decode(r records.Record) (Job, error) {
	var j Job
	if err := cbor.Unmarshal(r.Value, &j); err != nil {
		return j, kinds.Errorf(kinds.Corrupt, "spool: record %s: %w", r.ID, err)
	}
	if j.Version != version {
		return j, kinds.Errorf(kinds.TooNew, "spool: record %s of version %d", r.ID, j.Version)
	}
	j.ID = r.ID
	j.Accepted, j.Parked = time.UnixMilli(j.AcceptedMS).UTC(), time.UnixMilli(j.ParkedMS).UTC()
	return j, nil
}
