// Package outbound sends mail to other hosts. A job of its queue only says which mail to
// look at: the mail's record says what is open, and keeps what was done.
package outbound

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Sender sends a message to recipients of one domain; *relay.Sender.
type Sender interface {
	Send(ctx context.Context, domain string, e relay.Envelope, open func() (io.ReadCloser, error)) []relay.Result
}

// Signer signs for a domain of ours; *signing.Keys.
type Signer interface {
	Sign(ctx context.Context, domain string, h *dkim.Header, bodyHash []byte) (fields string, err error)
	Seal(ctx context.Context, domain string, h *dkim.Header, bodyHash []byte, chain dkim.Chain, results string) (fields string, err error)
}

// Step is the function. Safe for concurrent use.
type Step struct {
	Spool   *spool.Spool
	Blobs   blob.Store
	Queue   queue.Driver // to which notifications go as mail
	Router  *Router
	Signer  Signer // nil: nothing is signed
	Host    string // our name in notifications
	Now     func() time.Time
	Log     *slog.Logger
	Metrics *Metrics // may be nil
	// Elsewhere names, for each way that another process does and this one doesn't, the queue
	// whose jobs that process gets. It is woken by it for the recipients that were left over,
	// who are as they were, while nobody has leased the mail.
	Elsewhere map[string]string
}

// Times of one round.
const (
	domains     = 10              // that are sent to at once
	attemptTime = 6 * time.Minute // for one of them
	// roundTime is when no new attempt is begun any more, so that all end within the lease.
	roundTime = 8 * time.Minute
	pumpEvery = 10 * time.Second
	pumpPage  = 500
	pumpPause = 200 * time.Millisecond
	// lastTime is for what must be noted when the process ends.
	lastTime = 1500 * time.Millisecond
)

// Metrics of what is sent.
type Metrics struct {
	tried   *prometheus.CounterVec
	seconds prometheus.Histogram
}

// NewMetrics registers the metrics, once a process.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		tried: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_outbound_recipients_total",
			Help: "Recipients elsewhere that were tried, by what came of it."}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "godwit_outbound_seconds",
			Help: "Seconds from acceptance until another host had the message.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 12)}),
	}
	r.MustRegister(m.tried, m.seconds)
	return m
}

// Handle looks at the mails that a batch of jobs names. Events of SES may be among them.
func (s *Step) Handle(ctx context.Context, batch []queue.Received) []error {
	errs := make([]error, len(batch))
	var all sync.WaitGroup
	for i := range batch {
		all.Go(func() {
			if bytes.HasPrefix(batch[i].Body, []byte("{")) {
				errs[i] = s.event(ctx, batch[i].Body) // JSON, of SES
				return
			}
			var w spool.Wake
			if err := cbor.Unmarshal(batch[i].Body, &w); err != nil {
				s.Log.Error("a job that names no mail", "error", err)
				return
			}
			errs[i] = s.look(ctx, w.ID)
		})
	}
	all.Wait()
	return errs
}

// HandleDead takes what killed its process. The mail comes again by its time.
func (s *Step) HandleDead(ctx context.Context, batch []queue.Received) []error {
	for i := range batch {
		s.Log.Error("a job for mail to other hosts failed too often; the mail is tried again by its time", "job", batch[i].ID)
	}
	return make([]error, len(batch))
}

// Run wakes mails when their time has come, until ctx ends.
func (s *Step) Run(ctx context.Context) {
	for {
		if err := s.Pump(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("looking for mail that is due", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pumpEvery):
		}
	}
}

// Pump wakes the mails whose time has come.
func (s *Step) Pump(ctx context.Context) error {
	woken := map[string]bool{}
	for {
		ids, err := s.Spool.Due(ctx, pumpPage)
		if err != nil {
			return err
		}
		before := len(woken)
		for _, id := range ids {
			if !woken[id] {
				if err := s.Spool.Wake(ctx, id); err != nil {
					return err
				}
				woken[id] = true
			}
		}
		// Who is woken is due until somebody has him. More are looked for as they go.
		if len(ids) < pumpPage || len(woken) == before {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pumpPause):
		}
	}
}

// look does a round of one mail.
func (s *Step) look(ctx context.Context, id string) error {
	m, err := s.Spool.Lease(ctx, id)
	switch {
	case kinds.Is(err, kinds.NotFound), kinds.Is(err, kinds.Conflict):
		return nil // done, or another's
	case err != nil:
		return err
	}
	// What a round before has found out and could not tell any more.
	if err := s.tell(ctx, m); err != nil {
		return err
	}
	left, err := s.round(ctx, m)
	if err != nil {
		return err
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := s.tell(ctx, m); err != nil {
		return err
	}
	if len(left) == 0 {
		return s.Spool.Release(ctx, m)
	}
	if err := s.Spool.Pass(ctx, m); err != nil {
		return err
	}
	for _, name := range left {
		if err := s.Spool.WakeAt(ctx, name, m.ID); err != nil {
			return err
		}
	}
	return nil
}

// group is what recipients have in common who are sent to at once.
type group struct{ domain, chosen string }

// round tries all recipients that are due, by domain. It gives the queues of the
// processes to which it left some.
func (s *Step) round(ctx context.Context, m *spool.Mail) (left []string, failed error) {
	groups := map[group][]*spool.Recipient{}
	now := s.Now()
	for i := range m.To {
		if r := &m.To[i]; r.State == spool.Open && !time.UnixMilli(r.DueMS).After(now) {
			g := group{r.Domain(), r.Way}
			groups[g] = append(groups[g], r)
		}
	}
	var mu sync.Mutex // of the mail
	var all sync.WaitGroup
	room := make(chan struct{}, domains)
	if failed = s.suppress(ctx, m, groups); failed != nil {
		return nil, failed
	}
	sign := sync.OnceValues(func() (string, error) { return s.sign(ctx, m) })
	for g, to := range groups {
		room <- struct{}{}
		if s.Now().Sub(now) > roundTime || ctx.Err() != nil {
			break // the others are due still
		}
		all.Go(func() {
			defer func() { <-room }()
			way, sender, err := s.Router.Route(ctx, m, g.domain, g.chosen)
			var results []relay.Result
			switch {
			case err != nil:
			case way.Name == directory.Hold:
			case sender == nil && s.Elsewhere[way.Name] != "":
				mu.Lock()
				defer mu.Unlock()
				if name := s.Elsewhere[way.Name]; !slices.Contains(left, name) {
					left = append(left, name)
				}
				return
			case sender == nil:
				err = kinds.Errorf(kinds.Unavailable, "outbound: this service does not send by the way %q", way.Name)
			case way.Name == directory.SES:
				mu.Lock() // it reads all of the mail
				err = s.Spool.KeepSent(ctx, m, s.Now().Add(eventsFor))
				mu.Unlock()
				if err == nil {
					// It signs itself: with the Message-ID that it gives, no signature of ours would hold.
					results, err = s.attempt(ctx, m, func() (string, error) { return "", nil }, sender, g.domain, to)
				}
			default:
				results, err = s.attempt(ctx, m, sign, sender, g.domain, to)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, r := range to {
				switch {
				case err != nil:
					s.judge(m, r, relay.Result{Err: err})
				case way.Name == directory.Hold:
					s.hold(m, r)
				default:
					s.judge(m, r, results[i])
				}
			}
			// At once: when we die now, they would get it twice. Release does it if this was all.
			ctx, cancel := lasting(ctx)
			defer cancel()
			if !done(m) {
				if err := s.Spool.Note(ctx, m); err != nil {
					failed = err
				}
			}
		})
	}
	all.Wait()
	return left, failed
}

// lasting is a context for what is noted at the end: a process that ends still says what it
// has done, so that nobody waits for the end of its lease.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), lastTime)
}

// done tells whether everybody has the mail, and nobody needs to be told.
func done(m *spool.Mail) bool {
	return !slices.ContainsFunc(m.To, func(r spool.Recipient) bool { return r.State != spool.Sent || r.Untold() })
}

// attempt sends to the recipients in one domain.
func (s *Step) attempt(ctx context.Context, m *spool.Mail, sign func() (string, error), sender Sender, domain string, to []*spool.Recipient) ([]relay.Result, error) {
	signature, err := sign()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	e := relay.Envelope{From: cmp.Or(m.Path, m.From), Size: int64(len(signature)+len(m.Head)) + m.Blob.Size, UTF8: m.UTF8, EightBit: m.EightBit, RequireTLS: m.RequireTLS, TLSOptional: m.TLSOptional, Return: m.Return, ID: m.EnvID}
	for _, r := range to {
		e.To = append(e.To, relay.Recipient{Address: r.Address, Notify: r.Notify, Origin: r.Origin})
	}
	return sender.Send(ctx, domain, e, func() (io.ReadCloser, error) {
		body, err := s.Blobs.Open(ctx, m.Blob, 0, m.Blob.Size)
		if err != nil {
			return nil, err
		}
		return &joined{head: append([]byte(signature), m.Head...), ReadCloser: body}, nil
	}), nil
}

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

// sign gives the fields by which the domain of the reverse-path, or SignAs, signs the message;
// what is another's is sealed, or left as it is. An error is why it can't be signed now.
func (s *Step) sign(ctx context.Context, m *spool.Mail) (string, error) {
	if s.Signer == nil || m.BodyHash == nil || m.HeaderLen == 0 {
		return "", nil
	}
	if m.ARC != "" {
		return s.seal(ctx, m)
	}
	domain := m.SignAs
	if at := strings.LastIndexByte(m.From, '@'); at >= 0 && domain == "" {
		domain = strings.ToLower(m.From[at+1:])
	}
	if domain == "" {
		return "", nil
	}
	section, err := s.section(ctx, m, m.HeaderLen)
	if err != nil {
		return "", err
	}
	fields, err := s.Signer.Sign(ctx, domain, dkim.ParseHeader(section), m.BodyHash)
	if kinds.Is(err, kinds.Invalid) {
		return "", nil // it has no author
	}
	return fields, err
}

// seal gives the ARC set by which the domain that forwards a message says what it was when it
// came (RFC 8617).
func (s *Step) seal(ctx context.Context, m *spool.Mail) (string, error) {
	alias := m.To[0].Alias // all have the same domain
	results := ""
	for f := range header.All(m.Head) {
		if f.Is("Authentication-Results") {
			results = strings.TrimSpace(string(f.Value))
			break
		}
	}
	if results == "" {
		return "", nil
	}
	section, err := s.section(ctx, m, m.HeaderLen)
	if err != nil {
		return "", err
	}
	return s.Signer.Seal(ctx, alias[strings.LastIndexByte(alias, '@')+1:], dkim.ParseHeader(section), m.BodyHash, dkim.Chain{Result: dkim.Result(m.ARC)}, results)
}

// section reads the first n octets of the message's header section.
func (s *Step) section(ctx context.Context, m *spool.Mail, n int64) ([]byte, error) {
	r, err := s.Blobs.Open(ctx, m.Blob, 0, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return b, kinds.Wrap(kinds.Unavailable, err, "outbound: the message's header")
}

// joined is bytes, then a reader.
type joined struct {
	head []byte
	io.ReadCloser
}

func (j *joined) Read(p []byte) (int, error) {
	if len(j.head) > 0 {
		n := copy(p, j.head)
		j.head = j.head[n:]
		return n, nil
	}
	return j.ReadCloser.Read(p)
}
