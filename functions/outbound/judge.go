package outbound

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/spool"
)

// hold keeps a recipient's copy until somebody releases it.
func (s *Step) hold(m *spool.Mail, r *spool.Recipient) {
	r.Hold(s.Now(), "A route holds it")
	s.Log.Info("mail to another host", "message", m.Correlation, "tenant", m.Tenant, "domain", r.Domain(), "result", "held")
}

// judge notes what came of a recipient.
func (s *Step) judge(m *spool.Mail, r *spool.Recipient, result relay.Result) {
	now := s.Now()
	r.Tries++
	r.Host, r.Said, r.Status = result.Host, result.Said, "2.0.0"
	word := "sent"
	switch reply, said := result.Err.(relay.Reply); {
	case result.Err == nil:
		r.State, r.DueMS = spool.Sent, now.UnixMilli()
		r.Told = result.DSN // what becomes of it now is for that host to tell
	case said && reply.Permanent(), kinds.Is(result.Err, kinds.Invalid):
		r.State, r.DueMS, word = spool.Failed, now.UnixMilli(), "refused"
	case kinds.Is(result.Err, kinds.Throttled) && now.UnixMilli() < m.ExpiresMS-1: // nobody tried
		r.Tries--
		wait := max(result.Again, 5*time.Second)
		if t := (*tooMany)(nil); errors.As(result.Err, &t) {
			wait = t.wait
		}
		r.DueMS, word = now.Add(jitter(wait)).UnixMilli(), "busy"
	default:
		word = "delayed"
		r.DueMS = now.Add(jitter(backoff(r.Tries))).UnixMilli()
		if r.DueMS >= m.ExpiresMS {
			r.DueMS = m.ExpiresMS - 1 // once more before the end
		}
		if now.UnixMilli() >= m.ExpiresMS-1 {
			r.State, r.DueMS, word = spool.Failed, now.UnixMilli(), "expired"
		}
	}
	if result.Err != nil {
		r.Status, r.Said = statusOf(result.Err), result.Err.Error()
		r.Said = r.Said[:min(len(r.Said), 1000)]
		if _, said := result.Err.(relay.Reply); !said {
			r.Host = "" // which said nothing
		}
	}
	if s.Metrics != nil {
		s.Metrics.tried.WithLabelValues(word).Inc()
		if word == "sent" {
			s.Metrics.seconds.Observe(now.Sub(time.UnixMilli(m.AcceptedMS)).Seconds())
		}
	}
	s.Log.Info("mail to another host", "message", m.Correlation, "tenant", m.Tenant, "domain", r.Domain(), "result", word, "tries", r.Tries,
		"host", r.Host, "status", r.Status, "as", result.Said)
}

// statusOf is the status of RFC 3463 for an error.
func statusOf(err error) string {
	reply, said := err.(relay.Reply)
	switch {
	case said && reply.Enhanced != "":
		return reply.Enhanced
	case said && reply.Permanent():
		return "5.0.0"
	case kinds.Is(err, kinds.Invalid):
		return "5.6.0"
	}
	return "4.4.1" // no answer from host
}

// backoff is how long after so many tries the next one comes.
//
// RFC 5321, section 4.5.4.1: the retry interval SHOULD be at least 30 minutes; however, more sophisticated and variable strategies will be beneficial; two tries in the first hour.
func backoff(tries int) time.Duration {
	steps := []time.Duration{time.Minute, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
	return steps[min(max(tries, 1), len(steps))-1]
}

func jitter(d time.Duration) time.Duration { return d*4/5 + rand.N(d*2/5) }
