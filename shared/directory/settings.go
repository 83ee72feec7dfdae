package directory

import (
	"slices"

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
}

// Effective are settings after inheritance.
type Effective struct {
	Quota        int64
	Protocols    []string
	Scram        bool
	Subaddresses bool
}

// AllProtocols is what Protocols may name.
func AllProtocols() []string { return []string{Submission, IMAP, POP3} }

// Inherit applies settings from the service downwards to the defaults.
func Inherit(levels ...Settings) Effective {
	e := Effective{Protocols: AllProtocols(), Scram: true, Subaddresses: true}
	for _, s := range levels {
		if s.Quota != nil {
			e.Quota = *s.Quota
		}
		if s.Protocols != nil {
			e.Protocols = *s.Protocols
		}
		if s.Scram != nil {
			e.Scram = *s.Scram
		}
		if s.Subaddresses != nil {
			e.Subaddresses = *s.Subaddresses
		}
	}
	return e
}

func (s Settings) check() error {
	if s.Quota != nil && *s.Quota < 0 {
		return kinds.Errorf(kinds.Invalid, "directory: a quota can't be negative")
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
