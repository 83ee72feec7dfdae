package handover

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/records"
)

// Stopper is what a Limiter needs of the directory; *directory.Directory has it.
type Stopper interface {
	Senders
	Resolve(ctx context.Context, addr address.Address) (*directory.Resolution, error)
	StopSending(ctx context.Context, s directory.Scope, addr string, stop *directory.Stop) (directory.Account, bool, error)
}

// Limiter holds what accounts send against their limits, and stops who sends as if somebody
// else did. What is sent is counted in records, by clock hours and days (UTC): one call for
// each limit that is set, none where none is, and one for the day of who sends to other hosts
// while a brake is set (one more for the hour, if it is for bursts).
type Limiter struct {
	Directory Stopper
	Records   records.Driver
	Blobs     blob.Store
	Queue     queue.Driver
	Host      string
	Now       func() time.Time
	Log       *slog.Logger
}

// Over is the error, of kind Throttled, of who has sent as much as he may.
type Over struct {
	Day  bool // it is no use to come again this hour
	text string
}

func (o *Over) Error() string { return o.text }

// Kind is kinds.Throttled.
func (o *Over) Kind() kinds.Kind { return kinds.Throttled }

// A count is a number of messages and, in its low half, one of recipients: so that both cost
// one call.
const perMessage = 1 << 32

// keepCounts is how long a day's count is kept: a brake looks back seven days.
const keepCounts = 9 * 24 * time.Hour

// bucket is one counter.
type bucket struct {
	what       string // it counts: "account", "domain", "tenant"
	key        records.Key
	day        bool
	messages   int64 // limits, 0 is none
	recipients int64
	count      int64 // after it was added to
}

func counter(tenant, what, of string, at time.Time, day bool) records.Key {
	layout := "2006010215"
	if day {
		layout = "20060102"
	}
	return records.Key{Space: "sending/" + tenant, ID: what + "/" + of + "/" + at.UTC().Format(layout)}
}

// FailedKey is the counter of a day's recipients who did not get what an account sent.
func FailedKey(tenant, account string, at time.Time) records.Key {
	return counter(tenant, "failed", account, at, true)
}

// CountFailed adds to it.
func CountFailed(ctx context.Context, r records.Driver, tenant, account string, at time.Time, n int) error {
	_, err := r.Add(ctx, FailedKey(tenant, account, at), int64(n), keepCounts)
	return err
}

// Take counts a message to so many recipients, of whom some are elsewhere. *Over when it is
// too much; hold says why the copies of those elsewhere are to be held, "" if they aren't.
// What can't be counted is let pass.
func (l *Limiter) Take(ctx context.Context, id *directory.Identity, recipients, elsewhere int) (hold string, err error) {
	s, err := l.Directory.Sender(ctx, id)
	if err != nil {
		return "", err
	}
	list := l.buckets(id, &s, elsewhere > 0)
	n := int64(perMessage + recipients)
	if err := l.add(ctx, list, n); err != nil {
		l.Log.Warn("cannot count what is sent", "account", id.Account.ID, "error", err)
		list = nil
	}
	for _, b := range list {
		if over := b.over(recipients); over != nil {
			_ = l.add(ctx, list, -n)
			l.Log.Warn("more is sent than may be", "tenant", id.Tenant, "domain", id.Domain, "account", id.Account.ID, "limit", over)
			l.tell(ctx, id, s.Postmaster, b.key.ID, "Mail of "+id.Address+" was refused", over.Error())
			return "", over
		}
	}
	if s.Stopped != nil {
		return s.Stopped.Reason, nil
	}
	// Who was looked at and let go is not stopped again on the same day.
	const day = 24 * time.Hour
	if elsewhere == 0 || l.Now().UTC().Truncate(day).Equal(time.UnixMilli(s.LetGo).UTC().Truncate(day)) {
		return "", nil
	}
	why, err := l.brake(ctx, id, &s.Brake, list)
	if err != nil {
		l.Log.Warn("cannot judge what an account sends", "account", id.Account.ID, "error", err)
		return "", nil
	}
	if why != "" {
		return why, l.stop(ctx, id, &s, why)
	}
	return "", nil
}

// buckets gives the counters that are needed.
func (l *Limiter) buckets(id *directory.Identity, s *directory.Sender, elsewhere bool) (list []*bucket) {
	now := l.Now()
	for _, at := range []struct {
		what, of string
		rate     directory.Rate
	}{{"account", string(id.Account.ID), s.Account}, {"domain", id.Domain, s.Domain}, {"tenant", id.Tenant, s.Tenant}} {
		own := at.what == "account" && elsewhere
		if at.rate.MessagesHour+at.rate.RecipientsHour > 0 || own && s.Brake.Burst > 0 {
			list = append(list, &bucket{what: at.what, key: counter(id.Tenant, at.what, at.of, now, false), messages: at.rate.MessagesHour, recipients: at.rate.RecipientsHour})
		}
		if at.rate.MessagesDay+at.rate.RecipientsDay > 0 || own && (s.Brake.Failures > 0 || s.Brake.Burst > 0) {
			list = append(list, &bucket{what: at.what, key: counter(id.Tenant, at.what, at.of, now, true), day: true, messages: at.rate.MessagesDay, recipients: at.rate.RecipientsDay})
		}
	}
	return list
}

// add adds to all of them at once.
func (l *Limiter) add(ctx context.Context, list []*bucket, n int64) error {
	var all errgroup.Group
	for _, b := range list {
		all.Go(func() (err error) {
			keep := 2 * time.Hour
			if b.day {
				keep = keepCounts
			}
			b.count, err = l.Records.Add(ctx, b.key, n, keep)
			return err
		})
	}
	return all.Wait()
}

// over gives why a message to so many recipients is too much.
func (b *bucket) over(recipients int) *Over {
	period, next := "an hour", "in the next hour"
	if b.day {
		period, next = "a day", "tomorrow (UTC)"
	}
	switch {
	case b.recipients > 0 && int64(recipients) > b.recipients:
		return &Over{true, fmt.Sprintf("The %s may send to %d recipients in %s, and this message alone has more", b.what, b.recipients, period)}
	case b.messages > 0 && b.count/perMessage > b.messages:
		return &Over{b.day, fmt.Sprintf("The %s may send %d messages in %s; try again %s", b.what, b.messages, period, next)}
	case b.recipients > 0 && b.count%perMessage > b.recipients:
		return &Over{b.day, fmt.Sprintf("The %s may send to %d recipients in %s; try again %s", b.what, b.recipients, period, next)}
	}
	return nil
}

// brake gives why an account is to be stopped, "" if it isn't.
func (l *Limiter) brake(ctx context.Context, id *directory.Identity, b *directory.Brake, list []*bucket) (string, error) {
	var hour, day int64
	for _, at := range list {
		if n := at.count % perMessage; at.what == "account" && at.day {
			day = n
		} else if at.what == "account" {
			hour = n
		}
	}
	if b.Failures > 0 && day >= max(b.Of, 1) {
		failed, err := l.Records.Add(ctx, FailedKey(id.Tenant, string(id.Account.ID), l.Now()), 0, keepCounts)
		if err != nil {
			return "", err
		}
		if failed*100 >= day*b.Failures {
			return fmt.Sprintf("%d of %d recipients today did not get what was sent to them", failed, day), nil
		}
	}
	if b.Burst == 0 || hour <= b.Burst {
		return "", nil
	}
	var busiest int64
	for back := range 7 {
		n, err := l.Records.Add(ctx, counter(id.Tenant, "account", string(id.Account.ID), l.Now().AddDate(0, 0, -1-back), true), 0, keepCounts)
		if err != nil {
			return "", err
		}
		busiest = max(busiest, n%perMessage)
	}
	if hour <= busiest*b.Factor {
		return "", nil
	}
	return fmt.Sprintf("%d recipients in this hour, after at most %d on each of the seven days before", hour, busiest), nil
}

// stop holds what an account sends from now on, and tells who answers for its domain.
func (l *Limiter) stop(ctx context.Context, id *directory.Identity, s *directory.Sender, why string) error {
	at := l.Now()
	_, changed, err := l.Directory.StopSending(ctx, directory.Scope{Tenant: id.Tenant, Actor: "system"}, id.Address, &directory.Stop{At: at.UnixMilli(), Reason: why})
	if err != nil || !changed {
		return err
	}
	l.Log.Error("an account's mail to other hosts is held", "tenant", id.Tenant, "domain", id.Domain, "account", id.Account.ID, "reason", why)
	l.tell(ctx, id, s.Postmaster, fmt.Sprint("stopped/", id.Account.ID, "/", at.UnixMilli()), "Mail of "+id.Address+" is held",
		"What it sends to other hosts is held: "+why+".\r\n\r\nIf somebody else has its password, set another. To let it send again, and what is held go:\r\n\r\n    godwit account sending "+id.Address+" --release")
	return nil
}

// tell writes to who answers for a domain: once about one thing. Nobody is kept from sending
// because he can't be told.
func (l *Limiter) tell(ctx context.Context, id *directory.Identity, postmaster, about, subject, text string) {
	to, err := address.Parse(postmaster)
	if err == nil {
		var r *directory.Resolution
		if r, err = l.Directory.Resolve(ctx, to); err == nil {
			now := l.Now().UTC()
			for _, a := range r.Recipients {
				name := nameOf(about, string(a.Account.ID))
				mail := "From: Mail service <postmaster@" + id.Domain + ">\r\nTo: <" + a.Address + ">\r\nSubject: " + oneLine(subject) + "\r\nDate: " + now.Format("Mon, 02 Jan 2006 15:04:05 -0700") +
					"\r\nMessage-ID: <" + name + "@" + l.Host + ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
					"Of the account " + id.Address + ":\r\n\r\n" + text + ".\r\n"
				n := Notice{Name: name, Correlation: name, Account: a.Account, Address: a.Address, Text: []byte(mail), Host: l.Host, Protocol: "submission", At: now}
				if err = n.Send(ctx, l.Blobs, l.Queue); err != nil {
					break
				}
			}
		}
	}
	if err != nil {
		l.Log.Warn("cannot tell the postmaster", "tenant", id.Tenant, "domain", id.Domain, "error", err)
	}
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }
