// Package smtp is the SMTP gateway: the MX listener, which takes mail for our domains from
// anybody, and the submission listener, which takes it from our users.
//
// The session loop is our own. go-smtp 0.25.1's server was tried; it refuses
// RCPT TO:<Postmaster>, waits for ever on a message that ends in \r\r\n.\r\n, hides bare
// carriage returns from the backend (so that smuggling can't be told), hangs up on one
// line of 3,000 octets, renews no deadline while a message streams in, and sends no 421
// when it is shut down. All of that lies in its line reader and its loop, below anything
// that a layer could mend. Its client is used in the tests.
//
// The tree is the protocol: one file a command, and reply.go has all that is ever
// answered.
package smtp

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/reports"
	"github.com/godwit-mail/godwit/shared/senderauth"
)

// Limits. RFC 5321, section 4.5.3, gives the least that must be possible.
const (
	DefaultMaxSize = 100 << 20 // octets of a message

	maxCommand    = 2048     // octets of a command line with its CRLF; RFC 5321 asks for 512 and what extensions add
	maxLine       = 14 << 10 // octets of any line that is looked at: an AUTH command with its response
	maxLongLine   = 1 << 20  // octets of a longer line that are read off before the session ends
	maxRecipients = 1000     // RCPT commands accepted in one transaction
	maxAccounts   = 5000     // accounts that they lead to
	maxErrors     = 20       // refused commands of a session, but for unknown recipients
	maxUnknown    = 100      // recipients of a session that are not there
	maxIdleWork   = 3000     // commands without a message accepted
	maxLogins     = 3        // failed logins of a session
)

// Times that a peer may take.
const (
	// RFC 5321, section 4.5.3.2.7: An SMTP server SHOULD have a timeout of at least 5 minutes while it is awaiting the next command from the sender.
	commandTime = 5 * time.Minute
	writeTime   = 2 * time.Minute
	// RFC 5321, section 4.5.3.2.5: Data Block: 3 Minutes
	blockTime = 3 * time.Minute
	// While the service shuts down, who doesn't go on with his message is not waited for.
	drainBlockTime = 3 * time.Second
	// A message may take dataTime, and a second more for each slowest octets that came.
	dataTime    = 10 * time.Minute
	slowest     = 1 << 10
	sessionTime = 2 * time.Hour // after which no new command is taken
	commitTime  = 2 * time.Minute
)

// Directory is what the gateway asks the directory; *directory.Directory answers.
type Directory interface {
	Resolve(ctx context.Context, addr address.Address) (*directory.Resolution, error)
	handover.Senders
	handover.Paths
}

// Accounts is what it asks about accounts; *account.Store answers.
type Accounts interface {
	Known(ref account.Ref) (account.Head, bool)
	Head(ctx context.Context, ref account.Ref) (account.Head, error)
	// AnyoneMay tells whether all accounts of the tenant have a right to an INBOX.
	AnyoneMay(ctx context.Context, ref account.Ref, want account.Rights) (bool, error)
}

// Quota is what it asks about the quotas of domains and tenants; *quota.Keeper answers.
type Quota interface {
	Check(ctx context.Context, tenant string, l directory.Limits, messages, bytes int64) error
	Grow(tenant, domain string, messages, bytes int64)
}

// Config is what a Gateway needs.
type Config struct {
	Hostname  string // by which it greets, and which its Received and Authentication-Results fields name
	Directory Directory
	Accounts  Accounts
	Quota     Quota
	Blobs     blob.Store
	Queue     queue.Driver
	Limits    *handover.Limiter // of what users send; nil: there are none
	Outbound  handover.Outbound // nil: mail for other hosts is refused
	Expire    time.Duration     // of mail for other hosts
	Judge     *senderauth.Judge // of who sent what comes from elsewhere; nil: nobody asks
	Tally     *reports.Tally    // counts what it found, for the domains' owners; may be nil
	Inbox     *reports.Inbox    // of what others report of our domains; may be nil
	Obey      bool              // what the author's domain wants done with mail that fails
	Trusted   []netip.Prefix    // peers that are not judged
	Seal      bool              // what is forwarded is sealed (ARC)
	Login     *login.Login      // for submission
	TLS       *tls.Config       // for STARTTLS; nil: not offered, and then nobody can log in there
	Budget    *intake.Budget    // of temporary disk
	TempDir   string            // "" is the system's
	MaxSize   int64             // octets of a message; 0: DefaultMaxSize
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   prometheus.Registerer // may be nil
}

// Gateway serves connections. Its methods MX and Submission are handlers of listeners.
type Gateway struct {
	cfg     Config
	metrics *metrics
}

// New makes a gateway.
func New(cfg Config) *Gateway {
	if cfg.MaxSize == 0 {
		cfg.MaxSize = DefaultMaxSize
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Gateway{cfg: cfg, metrics: newMetrics(cfg.Metrics)}
}

// Refusal is what a listener tells a peer that it has no room for.
const Refusal = "421 4.3.2 Too many connections, try again later\r\n"

// Goodbye is what it tells a peer that comes while it drains.
const Goodbye = "421 4.3.2 Shutting down, try again later\r\n"

// MX serves a connection on which anybody may bring mail for our domains.
func (g *Gateway) MX(ctx context.Context, c net.Conn) { g.serve(ctx, c, false) }

// Submission serves a connection on which our users send mail. Where TLS is implicit, c
// is a *tls.Conn.
func (g *Gateway) Submission(ctx context.Context, c net.Conn) { g.serve(ctx, c, true) }
