package directory

import (
	"slices"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Settings are set at the service, a tenant, a domain or an account; what is nil is
// inherited from above.
type Settings struct {
	// Quota in bytes that an account may hold; 0 is no quota.
	Quota *int64 `cbor:"1,keyasint,omitempty"`
	// Protocols that an account may log in with.
	Protocols *[]string `cbor:"2,keyasint,omitempty"`
	// Scram keeps a SCRAM-SHA-256 verifier beside the hash of each password that is
	// set from then on.
	Scram *bool `cbor:"3,keyasint,omitempty"`
	// Subaddresses takes user+tag as user.
	Subaddresses *bool `cbor:"4,keyasint,omitempty"`
	// Messages that an account may hold; 0 is any number.
	Messages *int64 `cbor:"5,keyasint,omitempty"`
	// DomainQuota and DomainMessages are what all accounts of a domain may hold together;
	// an account can't have them.
	DomainQuota    *int64 `cbor:"6,keyasint,omitempty"`
	DomainMessages *int64 `cbor:"7,keyasint,omitempty"`
	// TenantQuota and TenantMessages are what all accounts of a tenant may hold together;
	// only the service and its tenants can have them.
	TenantQuota    *int64 `cbor:"8,keyasint,omitempty"`
	TenantMessages *int64 `cbor:"9,keyasint,omitempty"`
	// Warnings tells users by mail that their account is nearly full.
	Warnings *bool `cbor:"10,keyasint,omitempty"`
	// OpenID says whose tokens let accounts in. An account itself can't have it: what a
	// client is told of it must not depend on whether the account is there.
	OpenID *OpenID `cbor:"11,keyasint,omitempty"`
	// FromCheck refuses mail of accounts whose authors are others.
	FromCheck *bool `cbor:"12,keyasint,omitempty"`
	// SentCopy puts what an account sends into its mailbox for sent mail.
	SentCopy *bool `cbor:"13,keyasint,omitempty"`
	// Sending is how much an account may send; DomainSending and TenantSending, set where
	// DomainQuota and TenantQuota can be, how much all together may.
	Sending       *Rate  `cbor:"14,keyasint,omitempty"`
	DomainSending *Rate  `cbor:"15,keyasint,omitempty"`
	TenantSending *Rate  `cbor:"16,keyasint,omitempty"`
	Brake         *Brake `cbor:"17,keyasint,omitempty"`
}

// Effective are settings after inheritance.
type Effective struct {
	Account      account.Quota // what an account may hold
	Domain       account.Quota // what a domain may
	Tenant       account.Quota // what a tenant may
	Warnings     bool
	Protocols    []string
	Scram        bool
	Subaddresses bool
	OpenID       OpenID

	FromCheck, SentCopy                   bool
	Sending, DomainSending, TenantSending Rate
	Brake                                 Brake
}

// AllProtocols is what Protocols may name.
func AllProtocols() []string { return []string{Submission, IMAP, POP3} }

// Inherit applies settings from the service downwards to the defaults.
func Inherit(levels ...Settings) Effective {
	e := Effective{Warnings: true, Protocols: AllProtocols(), Scram: true, Subaddresses: true, FromCheck: true}
	for _, s := range levels {
		inherit(&e.Account.Bytes, s.Quota)
		inherit(&e.Account.Messages, s.Messages)
		inherit(&e.Domain.Bytes, s.DomainQuota)
		inherit(&e.Domain.Messages, s.DomainMessages)
		inherit(&e.Tenant.Bytes, s.TenantQuota)
		inherit(&e.Tenant.Messages, s.TenantMessages)
		inherit(&e.Warnings, s.Warnings)
		inherit(&e.Protocols, s.Protocols)
		inherit(&e.Scram, s.Scram)
		inherit(&e.Subaddresses, s.Subaddresses)
		inherit(&e.OpenID, s.OpenID)
		inherit(&e.FromCheck, s.FromCheck)
		inherit(&e.SentCopy, s.SentCopy)
		inherit(&e.Sending, s.Sending)
		inherit(&e.DomainSending, s.DomainSending)
		inherit(&e.TenantSending, s.TenantSending)
		inherit(&e.Brake, s.Brake)
	}
	return e
}

func inherit[T any](to, set *T) {
	if set != nil {
		*to = *set
	}
}

// level is where settings are set.
type level uint8

const (
	ofService level = iota
	ofTenant
	ofDomain
	ofAccount
)

func (s Settings) check(at level) error {
	for _, n := range []*int64{s.Quota, s.Messages, s.DomainQuota, s.DomainMessages, s.TenantQuota, s.TenantMessages} {
		if n != nil && *n < 0 {
			return kinds.Errorf(kinds.Invalid, "directory: a quota can't be negative")
		}
	}
	if at > ofTenant && (s.TenantQuota != nil || s.TenantMessages != nil) || at > ofDomain && (s.DomainQuota != nil || s.DomainMessages != nil) {
		return kinds.Errorf(kinds.Invalid, "directory: a quota of a whole domain or tenant is set at it or above")
	}
	for _, r := range []*Rate{s.Sending, s.DomainSending, s.TenantSending} {
		if r != nil && min(r.MessagesHour, r.MessagesDay, r.RecipientsHour, r.RecipientsDay) < 0 {
			return kinds.Errorf(kinds.Invalid, "directory: a limit of what is sent can't be negative")
		}
	}
	if at > ofTenant && s.TenantSending != nil || at > ofDomain && s.DomainSending != nil {
		return kinds.Errorf(kinds.Invalid, "directory: what a whole domain or tenant may send is set at it or above")
	}
	if b := s.Brake; b != nil && (min(b.Failures, b.Of, b.Burst, b.Factor) < 0 || b.Failures > 100) {
		return kinds.Errorf(kinds.Invalid, "directory: a brake has a percentage, and numbers that can't be negative")
	}
	if s.OpenID != nil {
		if at == ofAccount {
			return kinds.Errorf(kinds.Invalid, "directory: an OpenID provider is set at a domain or above")
		}
		if err := s.OpenID.check(); err != nil {
			return err
		}
	}
	if s.Protocols != nil {
		return checkProtocols(*s.Protocols)
	}
	return nil
}

func checkProtocols(p []string) error {
	all := AllProtocols()
	for i, name := range p {
		if !slices.Contains(all, name) || slices.Contains(p[:i], name) {
			return kinds.Errorf(kinds.Invalid, "directory: protocols are some of %v, each once", all)
		}
	}
	return nil
}

// changesDomain tells whether two settings differ in what all accounts of a domain may
// hold together; changesTenant, of a tenant.
func (s Settings) changesDomain(o Settings) bool {
	return !same(s.DomainQuota, o.DomainQuota) || !same(s.DomainMessages, o.DomainMessages) || !same(s.DomainSending, o.DomainSending)
}

func (s Settings) changesTenant(o Settings) bool {
	return !same(s.TenantQuota, o.TenantQuota) || !same(s.TenantMessages, o.TenantMessages) || !same(s.TenantSending, o.TenantSending)
}

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
