// Package directory knows the tenants, domains, accounts, aliases, groups, settings and
// API keys of a service. It is written once, over the records port. Administration goes
// through a Scope: what lies outside it can't be told from what does not exist.
package directory

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/records"
)

// CacheFor is the greatest age of anything that Resolve and MaySendAs answer from.
const CacheFor = 30 * time.Second

// Accounts are the accounts' journals, as far as the directory writes them. Journals
// makes it of an account.Store.
type Accounts interface {
	// Create appends entry 1. Idempotent.
	Create(ctx context.Context, ref account.Ref, by account.By) error
	// Access notes a suspension or a new password under a generation, which ends the
	// sessions of lower ones. A generation that the journal has reached changes nothing.
	Access(ctx context.Context, ref account.Ref, by account.By, suspended bool, generation uint32) error
	// Close ends the journal; a reason of "" opens it again. Idempotent.
	Close(ctx context.Context, ref account.Ref, by account.By, reason string) error
	// BeginEpoch begins a new epoch above that of ref. One that was interrupted is completed.
	BeginEpoch(ctx context.Context, ref account.Ref, by account.By) (account.Begun, error)
	// Usage gives the account's running totals.
	Usage(ctx context.Context, ref account.Ref) (account.Totals, error)
}

// Config is what a directory needs.
type Config struct {
	Records   records.Driver
	Accounts  Accounts
	Now       func() time.Time
	Log       *slog.Logger
	Passwords Passwords
	Grace     time.Duration // how long a deleted account can come back; 0: account.DefaultWindow
	// Forward: aliases and groups may lead to addresses of other hosts.
	Forward bool
	// LookupTXT reads DNS TXT records for the proof of a domain; net.Resolver has it.
	// nil: domains can be proven by service keys only.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
}

// Directory is safe for concurrent use.
type Directory struct {
	records   records.Driver
	accounts  Accounts
	now       func() time.Time
	log       *slog.Logger
	hasher    *hasher
	graceTime time.Duration
	lookupTXT func(ctx context.Context, name string) ([]string, error)
	resolved  *cache[*Resolution]    // by address
	members   *cache[*Resolution]    // of groups, by their addresses
	senders   *cache[Sender]         // by account id
	scopes    *cache[any]            // Service, Tenant and Domain by record key
	routes    *cache[[]Route]        // by tenant, with those of the service
	salts     atomic.Pointer[[]byte] // key of the salts of those who aren't there
	forward   bool
	srs       atomic.Pointer[srsKeys] // by which reverse-paths of forwarded mail are made
}

// New makes a directory.
func New(c Config) *Directory {
	return &Directory{
		records: c.Records, accounts: c.Accounts, now: c.Now, log: c.Log, hasher: newHasher(c.Passwords, c.Now), lookupTXT: c.LookupTXT, forward: c.Forward, graceTime: c.Grace,
		resolved: newCache[*Resolution](c.Now, maxResolved), scopes: newCache[any](c.Now, maxScopes),
		members: newCache[*Resolution](c.Now, maxResolved), senders: newCache[Sender](c.Now, maxScopes), routes: newCache[[]Route](c.Now, maxScopes),
	}
}

// Identity is an account that has logged in.
type Identity struct {
	Account                 account.Ref
	Tenant, Domain, Address string
	// Generation was current at login. A session ends when its account's standing
	// shows a higher one.
	Generation  uint32
	AppPassword string // id of the app password that was used, if one was
}

// Protocols that an account may log in with.
const (
	Submission = "submission"
	IMAP       = "imap"
	POP3       = "pop3"
)
