package dkim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Key is a public key as it stands in the DNS.
type Key struct {
	Algorithm string // "rsa" or "ed25519"
	Public    crypto.PublicKey
	Testing   bool // t=y: its owner is only trying
	strict    bool // t=s: no subdomains in i=
	hashes    []string
	services  []string
}

// ParseKey reads the text at SELECTOR._domainkey.DOMAIN.
//
// RFC 6376, section 3.6.1; RFC 8463, section 4: for k=ed25519, p= is the key's 32 octets.
func ParseKey(text string) (*Key, error) {
	t, err := parseTags(text)
	if err != nil {
		return nil, errors.New("the key's record can't be read")
	}
	k := &Key{Algorithm: strings.ToLower(t.compact("k")), hashes: t.list("h"), services: t.list("s")}
	if k.Algorithm == "" {
		k.Algorithm = "rsa"
	}
	k.Testing, k.strict = contains(t.list("t"), "y"), contains(t.list("t"), "s")
	if v, ok := t["v"]; ok && v != "DKIM1" {
		return nil, errors.New("the key's record is of another version")
	}
	if _, ok := t["p"]; ok && t.compact("p") == "" {
		return nil, errors.New("the key was revoked")
	}
	raw, ok := t.base64("p")
	if !ok {
		return nil, errors.New("the key's record holds no key")
	}
	switch k.Algorithm {
	case "rsa":
		k.Public, err = parseRSA(raw)
	case "ed25519":
		if len(raw) != ed25519.PublicKeySize {
			return nil, errors.New("the key has a wrong length")
		}
		k.Public = ed25519.PublicKey(raw)
	default:
		err = errors.New("the key is of another kind")
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// parseRSA reads a key in either of the two forms that are in use.
func parseRSA(raw []byte) (*rsa.PublicKey, error) {
	var key *rsa.PublicKey
	if any, err := x509.ParsePKIXPublicKey(raw); err == nil {
		key, _ = any.(*rsa.PublicKey)
	} else if key, err = x509.ParsePKCS1PublicKey(raw); err != nil {
		return nil, errors.New("the key can't be read")
	}
	switch {
	case key == nil:
		return nil, errors.New("the key is of another kind")
	case key.N.BitLen() < minRSA:
		return nil, fmt.Errorf("the key is too weak (%d bits)", key.N.BitLen())
	case key.N.BitLen() > maxRSA:
		return nil, fmt.Errorf("the key is too long (%d bits)", key.N.BitLen())
	}
	return key, nil
}

// unfit says why the key may not be used for a signature.
func (k *Key) unfit(s *signature) string {
	switch {
	case k.Algorithm != s.algorithm():
		return "the key is of another kind"
	case len(k.hashes) > 0 && !contains(k.hashes, "sha256"):
		return "the key is for another hash"
	case len(k.services) > 0 && !contains(k.services, "email") && !contains(k.services, "*"):
		return "the key is not for mail"
	case k.strict && s.Identity != "" && s.identityDomain() != s.Domain:
		return "the key is not for subdomains"
	}
	return ""
}

// verify tells whether value signs text.
func (k *Key) verify(algorithm string, text, value []byte) bool {
	sum := sha256.Sum256(text)
	switch key := k.Public.(type) {
	case *rsa.PublicKey:
		return algorithm == "rsa" && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], value) == nil
	case ed25519.PublicKey:
		// RFC 8463, section 3: the hash is what is signed.
		return algorithm == "ed25519" && ed25519.Verify(key, sum[:], value)
	}
	return false
}

// fetchKey looks a key up. The result is empty if there is one.
func fetchKey(ctx context.Context, lookup Lookup, selector, domain string) (*Key, Result, string) {
	texts, err := lookup(ctx, selector+"._domainkey."+domain)
	var temporary interface{ Temporary() bool }
	switch {
	case ctx.Err() != nil, errors.As(err, &temporary) && temporary.Temporary():
		return nil, TempError, "the key can't be looked up now"
	case err != nil || len(texts) == 0:
		return nil, PermError, "there is no key"
	case len(texts) > 1:
		// RFC 6376, section 3.6.2.2: the result of multiple TXT records is undefined.
		return nil, PermError, "there is more than one key"
	}
	key, err := ParseKey(texts[0])
	if err != nil {
		return nil, PermError, err.Error()
	}
	return key, "", ""
}
