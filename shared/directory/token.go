package directory

import (
	"context"
	"net/url"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// OpenID is a provider whose tokens let accounts in. The zero value is none.
type OpenID struct {
	Issuer   string `cbor:"1,keyasint"`           // its URL, as its tokens have it; empty: nobody is let in
	Audience string `cbor:"2,keyasint"`           // what the tokens must be for
	Claim    string `cbor:"3,keyasint,omitempty"` // which claim is the account's address; empty: "email", if it is verified
}

// Longest fields of a provider, in bytes.
const (
	maxIssuer   = 512
	maxAudience = 255
	maxClaim    = 100
)

func (o OpenID) check() error {
	if o == (OpenID{}) {
		return nil
	}
	u, err := url.Parse(o.Issuer)
	// Whether http is good enough is for the gateways to say.
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(o.Issuer) > maxIssuer {
		return kinds.Errorf(kinds.Invalid, "directory: the issuer is a URL without query, at most %d bytes", maxIssuer)
	}
	if o.Audience == "" || len(o.Audience) > maxAudience || len(o.Claim) > maxClaim {
		return kinds.Errorf(kinds.Invalid, "directory: a provider's tokens need an audience (at most %d bytes); the claim's name has at most %d", maxAudience, maxClaim)
	}
	return nil
}

// Token is what a login by a token is judged by.
type Token struct {
	Provider OpenID // of the domain; whether or not the account is there
	found    *loginAccount
}

// Token gives what a token for a login name is judged by.
func (d *Directory) Token(ctx context.Context, username string) (*Token, error) {
	found, l, err := d.login(ctx, username)
	if err != nil {
		return nil, err
	}
	return &Token{Provider: Inherit(l.settings(Settings{})...).OpenID, found: found}, nil
}

// Enter admits over a protocol whom the provider knows by an address. It must be the
// account's own: who may use an alias need not be who may read all mail.
//
// Errors: kinds.Unauthenticated, kinds.Suspended and kinds.Denied, as Authenticate's.
func (t *Token) Enter(proven, protocol string) (*Identity, error) {
	a, err := address.Parse(proven)
	if err != nil || t.found == nil || a.Key() != t.found.at {
		return nil, kinds.Errorf(kinds.Unauthenticated, "directory: the token is another's")
	}
	return t.found.admit(nil, protocol)
}
