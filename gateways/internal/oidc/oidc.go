// Package oidc judges tokens of OpenID providers: it finds a provider's keys by its
// discovery document, keeps them for a while, and checks signature, issuer, audience and
// time of tokens that are JWTs.
package oidc

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	maxToken  = 9 << 10 // bytes
	maxTries  = 8       // keys that a token without a key's name is tried with
	leeway    = time.Minute
	maxIssuer = 1000 // providers whose keys are kept
)

// Provider is whose tokens are good, for what, and which claim is the address; "" is
// "email", if the provider says that it is verified.
type Provider struct{ Issuer, Audience, Claim string }

// Verifier judges tokens. Safe for concurrent use.
type Verifier struct {
	now     func() time.Time
	private bool
	mu      sync.Mutex
	issuers map[string]*issuer
}

// New makes a verifier. private allows providers that are http or have private addresses.
func New(now func() time.Time, private bool) *Verifier {
	return &Verifier{now: now, private: private, issuers: map[string]*issuer{}}
}

// Configuration is where an issuer's discovery document is.
func Configuration(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// Algorithms of signatures that are taken.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}
}

func errToken(why string) error { return kinds.Errorf(kinds.Unauthenticated, "oidc: %s", why) }

// Verify gives the address that a good token proves.
//
// Errors: kinds.Unauthenticated; kinds.Unavailable when the provider's keys can't be had.
func (v *Verifier) Verify(ctx context.Context, p Provider, token string) (string, error) {
	if p.Issuer == "" {
		return "", errToken("there is no provider")
	}
	if len(token) > maxToken {
		return "", errToken("a token that is too long")
	}
	t, err := jwt.ParseSigned(token, algorithms())
	if err != nil || len(t.Headers) != 1 {
		return "", errToken("no JWT, or none that is signed as it must be")
	}
	claims, all, err := v.open(ctx, p.Issuer, t)
	if err != nil {
		return "", err
	}
	if claims.Expiry == nil || p.Audience == "" {
		return "", errToken("a token that never expires, or is for anybody")
	}
	want := jwt.Expected{Issuer: p.Issuer, AnyAudience: jwt.Audience{p.Audience}, Time: v.now()}
	if err := claims.ValidateWithLeeway(want, leeway); err != nil {
		return "", kinds.Errorf(kinds.Unauthenticated, "oidc: %w", err)
	}
	return addressIn(all, p.Claim)
}

// open checks the signature.
func (v *Verifier) open(ctx context.Context, name string, t *jwt.JSONWebToken) (claims jwt.Claims, all map[string]any, err error) {
	header := t.Headers[0]
	keys, err := v.issuer(name).find(ctx, v, header.KeyID, header.Algorithm)
	if err != nil {
		return claims, nil, err
	}
	for _, k := range keys[:min(len(keys), maxTries)] {
		if t.Claims(k, &claims, &all) == nil {
			return claims, all, nil
		}
	}
	return claims, nil, errToken("a signature of none of the provider's keys")
}

// addressIn gives the address that claims name.
//
// OpenID Connect Core 1.0, section 5.7: email MUST NOT be used as unique identifier; so it is
// taken only from a provider that says that it has verified it.
func addressIn(claims map[string]any, name string) (string, error) {
	if name == "" {
		name = "email"
	}
	// QUIRK: some providers (AWS Cognito among them) give the word instead of the truth value.
	if ok := claims["email_verified"]; name == "email" && ok != true && ok != "true" {
		return "", errToken("an address that is not verified")
	}
	address, _ := claims[name].(string)
	if address == "" {
		return "", errToken("no claim that is the address")
	}
	return address, nil
}

// Claimed gives the address that a token has in its claim "email", which is not verified in
// any way; "" if there is none.
func Claimed(token string) string {
	var claims struct {
		Email string `json:"email"`
	}
	if len(token) > maxToken {
		return ""
	}
	t, err := jwt.ParseSigned(token, algorithms())
	if err != nil || t.UnsafeClaimsWithoutVerification(&claims) != nil {
		return ""
	}
	return claims.Email
}

// issuer gives what is kept of a provider.
func (v *Verifier) issuer(name string) *issuer {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := v.issuers[name]
	if i == nil {
		if len(v.issuers) >= maxIssuer { // whichever comes first: forgetting costs two reads
			for old := range v.issuers {
				delete(v.issuers, old)
				break
			}
		}
		i = &issuer{url: name}
		v.issuers[name] = i
	}
	return i
}
