package spool

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dsn"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	outgoing  = "outgoing"
	sentSpace = "sent"
	// MaxOutgoing is how many recipients one Mail names at most.
	MaxOutgoing = 100
	// patience is when a mail is looked at again of which the queue has lost the word.
	patience = 2 * time.Minute
	// LeaseTime is how long who sends a mail has it for himself.
	LeaseTime = 15 * time.Minute
)

// Mail is a message on its way to other hosts. Its record is the truth; the queue only
// wakes who sends it.
type Mail struct {
	ID          string      `cbor:"-"`
	Version     uint8       `cbor:"1,keyasint"`
	Tenant      string      `cbor:"2,keyasint"`
	Correlation string      `cbor:"3,keyasint"` // the message's, in logs
	Kind        string      `cbor:"4,keyasint"` // Submission, Forward, Notification or Report
	From        string      `cbor:"5,keyasint"` // reverse-path, "" is the null sender
	Sender      account.Ref `cbor:"6,keyasint"` // who sent it, and is told its fate
	Head        []byte      `cbor:"7,keyasint"` // put before the blob
	Blob        blob.Ref    `cbor:"8,keyasint"`
	HeaderLen   int64       `cbor:"9,keyasint"` // of the blob's header section, with its empty line; 0 if it has none
	UTF8        bool        `cbor:"10,keyasint,omitempty"`
	EightBit    bool        `cbor:"11,keyasint,omitempty"`
	RequireTLS  bool        `cbor:"12,keyasint,omitempty"`
	Return      string      `cbor:"13,keyasint,omitempty"` // RET
	EnvID       string      `cbor:"14,keyasint,omitempty"`
	AcceptedMS  int64       `cbor:"15,keyasint"`
	ExpiresMS   int64       `cbor:"16,keyasint"` // when it is given up
	To          []Recipient `cbor:"17,keyasint"`
	LeasedMS    int64       `cbor:"18,keyasint,omitempty"` // until when somebody has it for himself
	Rounds      int         `cbor:"19,keyasint,omitempty"` // that were begun
	Warned      bool        `cbor:"20,keyasint,omitempty"` // the sender knows that it is delayed
	Seen        uint64      `cbor:"21,keyasint,omitempty"` // the sender's last entry known at acceptance

	// Holder tells leases apart that begin at the same time: without it, two records would be
	// equal, and the second taken for the first whose reply was lost.
	Holder string `cbor:"22,keyasint,omitempty"`
	// BodyHash is the SHA-256 of the relaxed body, by which it is signed (DKIM); nil: it isn't.
	BodyHash []byte `cbor:"23,keyasint,omitempty"`

	// Path is the reverse-path by which a Forward goes on, where that isn't From.
	Path string `cbor:"27,keyasint,omitempty"`
	// Proven tells of a Forward that From was found to be who sent it: a notification to it
	// reaches nobody who has nothing to do with the message.
	Proven bool `cbor:"28,keyasint,omitempty"`
	// ARC is what came of the message's chain, as RFC 8601 words it, where it is to be sealed.
	ARC string `cbor:"29,keyasint,omitempty"`

	// TLSOptional tells that what recipients' domains ask of TLS doesn't count (RFC 8689, section 3).
	TLSOptional bool `cbor:"35,keyasint,omitempty"`
	// SignAs is the domain of ours by which it is signed, "" is that of the reverse-path.
	SignAs string `cbor:"36,keyasint,omitempty"`

	version uint64 // of the record
}

// Kinds of mail.
const (
	Submission   = "submission" // that our users send
	Forward      = "forward"    // that an address of ours leads on to another host
	Notification = "dsn"        // of the fate of another, to a sender elsewhere
	Report       = "report"     // of what we have seen of a domain, to its owner
)

// Ours is the tenant of mail that is the service's own, such as reports.
const Ours = noTenant

// Recipient is one recipient of a Mail.
type Recipient struct {
	Address string `cbor:"1,keyasint"`
	Notify  string `cbor:"2,keyasint,omitempty"`
	Origin  string `cbor:"3,keyasint,omitempty"`
	State   State  `cbor:"4,keyasint"`
	Tries   int    `cbor:"5,keyasint,omitempty"`
	DueMS   int64  `cbor:"6,keyasint,omitempty"`  // when it is tried next, or was the last time
	Status  string `cbor:"7,keyasint,omitempty"`  // of the last try, RFC 3463
	Host    string `cbor:"8,keyasint,omitempty"`  // that answered
	Said    string `cbor:"9,keyasint,omitempty"`  // what it answered, or why nobody did
	Told    bool   `cbor:"10,keyasint,omitempty"` // the sender has been told its fate, where he wants to know
	HeldMS  int64  `cbor:"11,keyasint,omitempty"` // since when it is Held
	// Way is what an administrator has chosen: "direct", "ses", Usual, Released, or ByRoute and
	// a route's id; "": as the routes say.
	Way   string `cbor:"12,keyasint,omitempty"`
	Alias string `cbor:"13,keyasint,omitempty"` // of a Forward: the address of ours that led to it
}

// State is how far a recipient's copy is.
type State uint8

// The states. Only Open goes on by itself.
const (
	Open   State = iota
	Sent         // the other host has it
	Failed       // and never will
	Held         // until somebody releases it; meanwhile its time does not run
)

// Untold tells whether the sender has yet to hear what became of the recipient's copy: that
// it failed, or went to a host that tells nothing more of it, where he wants to know that.
func (r *Recipient) Untold() bool {
	return !r.Told && (r.State == Failed || r.State == Sent && dsn.Wants(r.Notify, dsn.Success))
}

// Domain is the domain of the recipient, lower case.
func (r *Recipient) Domain() string {
	return strings.ToLower(r.Address[strings.LastIndexByte(r.Address, '@')+1:])
}

// Wake is the body of a job of the queue Outbound.
type Wake struct {
	ID string `cbor:"1,keyasint"`
}

// Send takes a mail over, to send it. When it returns, the mail will be sent, whatever
// ends. name tells it from all others and stays the same when it is sent again because a
// reply was lost: it is then there once.
func (s *Spool) Send(ctx context.Context, name string, m *Mail) error {
	if len(m.To) == 0 || len(m.To) > MaxOutgoing || m.Tenant == "" || strings.Contains(m.Tenant, "/") {
		return kinds.Errorf(kinds.Invalid, "spool: a mail of %q to %d recipients", m.Tenant, len(m.To))
	}
	m.Version = version
	m.ID = fmt.Sprintf("%s/%012x-%s", m.Tenant, max(0, m.AcceptedMS), name)
	r, err := m.record(s.Now().Add(patience))
	if err != nil {
		return err
	}
	if _, err = s.Records.Put(ctx, r, 0); err != nil && !kinds.Is(err, kinds.Conflict) {
		return err
	}
	// Should this fail, it is found by its time.
	_ = s.Wake(ctx, m.ID)
	return nil
}

// Wake has somebody look at a mail soon.
func (s *Spool) Wake(ctx context.Context, id string) error {
	return s.WakeAt(ctx, cmp.Or(s.Wakes, queue.Outbound), id)
}

// WakeAt has those look at a mail soon who get the jobs of a queue.
func (s *Spool) WakeAt(ctx context.Context, name, id string) error {
	body, err := cbor.Marshal(Wake{id})
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "spool: encode")
	}
	tenant, _, _ := strings.Cut(id, "/")
	return s.Queue.Send(ctx, name, queue.Message{Group: tenant, Body: body})
}

func (m *Mail) record(due time.Time) (records.Record, error) {
	value, err := cbor.Marshal(m)
	if err != nil {
		return records.Record{}, kinds.Wrap(kinds.Internal, err, "spool: encode")
	}
	return records.Record{Key: records.Key{Space: outgoing, ID: m.ID}, Value: value, Due: due}, nil
}

// Due gives the ids of mails that somebody should look at: those that are to be tried, and
// those of which a lease has ended without a word. At most limit (1..1000).
func (s *Spool) Due(ctx context.Context, limit int) ([]string, error) {
	found, err := s.Records.Due(ctx, outgoing, s.Now(), limit)
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	return ids, err
}

// Lease gives a mail to whoever sends it, who has it for himself for LeaseTime.
// kinds.NotFound: it is done; kinds.Conflict: another has it, or it is not due.
func (s *Spool) Lease(ctx context.Context, id string) (*Mail, error) {
	m, err := s.Outgoing(ctx, id)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	if m.LeasedMS > now.UnixMilli() || m.next().After(now) {
		return nil, kinds.Errorf(kinds.Conflict, "spool: %s is leased, or not due", id)
	}
	m.LeasedMS, m.Holder = now.Add(LeaseTime).UnixMilli(), rand.Text()
	m.Rounds++
	return m, s.put(ctx, m, now.Add(LeaseTime))
}

// next is when it is to be tried: at once while nobody has; zero when nobody is open.
func (m *Mail) next() time.Time {
	next := time.Time{}
	for _, r := range m.To {
		if at := time.UnixMilli(r.DueMS); r.State == Open && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// Note keeps what was done so far, while the mail is leased.
func (s *Spool) Note(ctx context.Context, m *Mail) error {
	return s.put(ctx, m, time.UnixMilli(m.LeasedMS))
}

// WarnAfter is when a sender is told that his mail is still on its way.
const WarnAfter = 4 * time.Hour

// Release ends a lease: the mail is forgotten when nobody is open or held any more and the
// sender knows of all who failed, else it is due when the first of them is.
func (s *Spool) Release(ctx context.Context, m *Mail) error {
	due := m.next()
	if m.any((*Recipient).Untold) {
		due = s.Now()
	}
	held := m.any(func(r *Recipient) bool { return r.State == Held })
	if due.IsZero() && held && !m.Warned {
		due = time.UnixMilli(m.AcceptedMS).Add(WarnAfter)
	}
	if due.IsZero() && !held {
		return s.Records.Delete(ctx, records.Key{Space: outgoing, ID: m.ID}, m.version)
	}
	m.LeasedMS = 0
	return s.put(ctx, m, due)
}

// Pass is Release for who leaves recipients that are due to another process, whom he tells
// of the mail: should that get lost, it is looked at again some minutes later.
func (s *Spool) Pass(ctx context.Context, m *Mail) error {
	m.LeasedMS = 0
	return s.put(ctx, m, s.Now().Add(patience))
}

func (m *Mail) any(is func(*Recipient) bool) bool {
	return slices.ContainsFunc(m.To, func(r Recipient) bool { return is(&r) })
}

func (s *Spool) put(ctx context.Context, m *Mail, due time.Time) error {
	r, err := m.record(due)
	if err != nil {
		return err
	}
	m.version, err = s.Records.Put(ctx, r, m.version)
	return err
}

// KeepSent keeps a mail, as far as notifications need it, for whom somebody tells later what
// became of it; until when.
func (s *Spool) KeepSent(ctx context.Context, m *Mail, until time.Time) error {
	r, err := m.record(time.Time{})
	if err != nil {
		return err
	}
	r.Space, r.Expires = sentSpace, until
	if _, err = s.Records.Put(ctx, r, 0); kinds.Is(err, kinds.Conflict) {
		return nil // it was kept when others of it were sent
	}
	return err
}

// Sent gives a mail that was kept; kinds.NotFound.
func (s *Spool) Sent(ctx context.Context, id string) (*Mail, error) {
	return s.mail(ctx, sentSpace, id)
}

// Outgoing gives a mail as it is; kinds.NotFound.
func (s *Spool) Outgoing(ctx context.Context, id string) (*Mail, error) {
	return s.mail(ctx, outgoing, id)
}

func (s *Spool) mail(ctx context.Context, space, id string) (*Mail, error) {
	if id == "" || len(id) > records.MaxKey {
		return nil, kinds.Errorf(kinds.NotFound, "spool: no such mail")
	}
	found, err := s.Records.Get(ctx, records.Key{Space: space, ID: id})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, kinds.Errorf(kinds.NotFound, "spool: no such mail")
	}
	return decodeMail(found[0])
}

// ListOutgoing gives mails of a tenant (of all, if tenant is ""), the oldest first; after is
// the ID of the last one seen. Fewer than limit (1..MaxPage) means the end.
func (s *Spool) ListOutgoing(ctx context.Context, tenant, after string, limit int) ([]*Mail, error) {
	if limit < 1 || limit > MaxPage {
		return nil, kinds.Errorf(kinds.Invalid, "spool: a page of %d", limit)
	}
	prefix := ""
	if tenant != "" {
		prefix = tenant + "/"
	}
	found, err := s.Records.List(ctx, outgoing, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]*Mail, len(found))
	for i, r := range found {
		if list[i], err = decodeMail(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Change alters a mail that nobody has leased: fn says how, or gives an error. kinds.Conflict
// when it is leased.
func (s *Spool) Change(ctx context.Context, id string, fn func(*Mail) error) error {
	m, err := s.Outgoing(ctx, id)
	if err != nil {
		return err
	}
	if m.LeasedMS > s.Now().UnixMilli() {
		return kinds.Errorf(kinds.Conflict, "spool: the mail is being sent")
	}
	if err := fn(m); err != nil {
		return err
	}
	return s.Release(ctx, m)
}

func decodeMail(r records.Record) (*Mail, error) {
	m := new(Mail)
	if err := mailMode.Unmarshal(r.Value, m); err != nil {
		var unknown *cbor.UnknownFieldError
		if errors.As(err, &unknown) {
			return nil, kinds.Errorf(kinds.TooNew, "spool: record %s: %w", r.ID, err)
		}
		return nil, kinds.Errorf(kinds.Corrupt, "spool: record %s: %w", r.ID, err)
	}
	if m.Version != version {
		return nil, kinds.Errorf(kinds.TooNew, "spool: record %s of version %d", r.ID, m.Version)
	}
	m.ID, m.version = r.ID, r.Version
	return m, nil
}

// mailMode never changes: what a newer version has written is not to be written back
// without it.
var mailMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField}.DecMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return m
}()
