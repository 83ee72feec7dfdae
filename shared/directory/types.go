package directory

import (
	"time"

	"github.com/godwit-mail/godwit/shared/account"
)

// Service is what holds for all tenants.
type Service struct {
	Tag        string   `cbor:"-"`
	Created    int64    `cbor:"1,keyasint"`           // milliseconds
	Postmaster string   `cbor:"2,keyasint,omitempty"` // gets mail for postmaster where nobody nearer does
	Settings   Settings `cbor:"3,keyasint"`
}

// Tenant is a customer of the service. Tenants know nothing of each other.
type Tenant struct {
	Name       string   `cbor:"-"`
	Tag        string   `cbor:"-"` // of this version, for conditional changes
	Created    int64    `cbor:"1,keyasint"`
	Suspended  bool     `cbor:"2,keyasint,omitempty"`
	Postmaster string   `cbor:"3,keyasint,omitempty"`
	Settings   Settings `cbor:"4,keyasint"`
	Unsettled  bool     `cbor:"5,keyasint,omitempty"` // not all accounts have been told of the last suspension or its end
}

// Domain is a mail domain of a tenant. It is pending until its owner is proven: it then
// receives nothing, has no accounts, and other tenants may lay claim to it as well.
type Domain struct {
	Name       string   `cbor:"-"` // A-labels
	Tag        string   `cbor:"-"`
	Active     bool     `cbor:"-"`
	Tenant     string   `cbor:"1,keyasint"`
	Created    int64    `cbor:"2,keyasint"`
	Suspended  bool     `cbor:"3,keyasint,omitempty"`
	CatchAll   string   `cbor:"4,keyasint,omitempty"` // gets mail for unknown users; empty: it is refused
	Postmaster string   `cbor:"5,keyasint,omitempty"`
	Settings   Settings `cbor:"6,keyasint"`
	Proof      string   `cbor:"7,keyasint,omitempty"` // what a TXT record must say
	Unsettled  bool     `cbor:"8,keyasint,omitempty"` // as a tenant's
}

// Account is who owns mail.
type Account struct {
	Ref          account.Ref
	Address      string
	Domain       string
	Tag          string
	Created      int64
	Name         string // of the person or purpose
	Suspended    bool   // itself; its domain or tenant may be besides
	Settings     Settings
	AppPasswords []AppPassword
	Identities   []string // beside its addresses, what it may send as
	Stopped      *Stop    // why its mail to other hosts is held; nil: it isn't
	Public       bool     // it belongs to nobody: there is no login, and others of the tenant use it as they are granted
}

// AppPassword is a random password for one program.
type AppPassword struct {
	ID        string   `cbor:"1,keyasint"`
	Name      string   `cbor:"2,keyasint"`
	Created   int64    `cbor:"3,keyasint"`
	Protocols []string `cbor:"4,keyasint,omitempty"` // empty: all that the account may use
	Hash      []byte   `cbor:"5,keyasint"`           // SHA-256: it has 130 random bits
	Scram     string   `cbor:"6,keyasint,omitempty"` // of the form in which it was shown
	Used      int64    `cbor:"7,keyasint,omitempty"` // milliseconds: the beginning of the UTC day on which it was used last; 0: never
}

// Alias leads to one other address, of the tenant or elsewhere.
type Alias struct {
	Address, Domain, Target, Tag string
	Created                      int64
}

// Group leads to any number of addresses, of the tenant or elsewhere.
type Group struct {
	Address, Domain, Tag string
	Members              []string
	Created              int64
}

// Key is an API key. Its secret is known only to who was given it.
type Key struct {
	ID      string `cbor:"-"`
	Tenant  string `cbor:"-"` // empty: the whole service
	Tag     string `cbor:"-"`
	Domain  string `cbor:"1,keyasint,omitempty"` // empty: the whole tenant
	Name    string `cbor:"2,keyasint,omitempty"`
	Created int64  `cbor:"3,keyasint"`
	Hash    []byte `cbor:"4,keyasint" json:"-"`  // SHA-256 of the secret
	Mail    bool   `cbor:"5,keyasint,omitempty"` // whether it may read and add mail
}

// kind of an entry.
const (
	kindAccount = iota + 1
	kindAlias
	kindGroup
)

// entry is what an address stands for. The record at the address is the account itself:
// one conditional put both claims the address and makes the account.
type entry struct {
	Tenant  string `cbor:"1,keyasint"`
	Kind    uint8  `cbor:"2,keyasint"`
	Created int64  `cbor:"3,keyasint"`

	Targets []string `cbor:"4,keyasint,omitempty"` // of an alias or group, in key form; what is elsewhere as elsewhere has it

	Account    account.Ref   `cbor:"5,keyasint"`
	Name       string        `cbor:"6,keyasint,omitempty"`
	Hash       string        `cbor:"7,keyasint,omitempty"` // argon2id, PHC string
	Scram      string        `cbor:"8,keyasint,omitempty"`
	Apps       []AppPassword `cbor:"9,keyasint,omitempty"`
	Suspended  bool          `cbor:"10,keyasint,omitempty"`
	Barred     bool          `cbor:"11,keyasint,omitempty"` // what the journal was last told: itself, its domain or tenant is suspended
	Generation uint32        `cbor:"12,keyasint,omitempty"` // of the journal's Access
	Settings   Settings      `cbor:"13,keyasint"`
	Public     bool          `cbor:"14,keyasint,omitempty"`
	Identities []string      `cbor:"15,keyasint,omitempty"` // in key form
	Stopped    *Stop         `cbor:"16,keyasint,omitempty"`
	LetGo      int64         `cbor:"17,keyasint,omitempty"` // when it was Stopped last and let go
}

// claim is a tenant's own note of a domain, or of where an account id lives. It is
// written before what it points to, so that nothing exists without it.
type claim struct {
	Created int64  `cbor:"1,keyasint"`
	Proof   string `cbor:"2,keyasint,omitempty"`
	Address string `cbor:"3,keyasint,omitempty"`
}

func (d *Directory) stamp() int64 { return d.now().UnixMilli() }

// Time is a record's time for people.
func Time(millis int64) time.Time { return time.UnixMilli(millis).UTC() }
