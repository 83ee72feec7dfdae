// Package provider is an OpenID provider for tests.
package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Audience is what its tokens are for.
const Audience = "mail"

// Provider signs tokens, and tells whoever asks with which keys.
type Provider struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	keys   map[string]crypto.Signer // by name
	asked  int
	change func(path string, document map[string]any) any
	broken bool
}

// New starts a provider with the keys "rsa", "ec" and "ed", until the test ends.
func New(t *testing.T) *Provider {
	t.Helper()
	p := &Provider{t: t, keys: map[string]crypto.Signer{}}
	for name, make := range map[string]func() (crypto.Signer, error){
		"rsa": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		"ec":  func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		"ed": func() (crypto.Signer, error) {
			_, k, err := ed25519.GenerateKey(rand.Reader)
			return k, err
		},
	} {
		k, err := make()
		if err != nil {
			t.Fatal(err)
		}
		p.keys[name] = k
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// ServeHTTP answers with the two documents.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	document := map[string]any{}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		document["issuer"], document["jwks_uri"] = p.URL, p.URL+"/keys"
	case "/keys":
		var set []any
		for name, k := range p.keys {
			set = append(set, jose.JSONWebKey{Key: k.Public(), KeyID: name, Use: "sig"})
		}
		document["keys"] = set
	default:
		http.NotFound(w, r)
		return
	}
	if p.broken {
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	}
	var answer any = document
	if p.change != nil {
		answer = p.change(r.URL.Path, document)
	}
	if to, ok := answer.(http.Handler); ok {
		to.ServeHTTP(w, r)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		p.t.Error(err)
	}
}

// Asked is how many requests there were.
func (p *Provider) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Break has it answer with errors, or no more.
func (p *Provider) Break(broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = broken
}

// Change has all documents changed before they are sent: into what encodes as JSON, or an
// http.Handler that answers instead.
func (p *Provider) Change(change func(path string, document map[string]any) any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.change = change
}

// Rename gives a key another name.
func (p *Provider) Rename(from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[to] = p.keys[from]
	delete(p.keys, from)
}

// Claims are those of a good token at a time; more are added, or take their place.
func (p *Provider) Claims(address string, now time.Time, more map[string]any) map[string]any {
	c := map[string]any{"iss": p.URL, "aud": Audience, "sub": "1", "email": address, "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(c, more)
	return c
}

// Token signs claims with a key.
func (p *Provider) Token(key string, claims map[string]any) string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	algorithm := jose.RS256
	switch p.keys[key].(type) {
	case *ecdsa.PrivateKey:
		algorithm = jose.ES256
	case ed25519.PrivateKey:
		algorithm = jose.EdDSA
	}
	return Sign(p.t, algorithm, p.keys[key], key, claims)
}

// Sign signs claims with any key.
func Sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, name string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: name}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
