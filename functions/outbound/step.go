// Package outbound sends mail to other hosts. A job of its queue only says which mail to
// look at: the mail's record says what is open, and keeps what was done.
package outbound

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
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
