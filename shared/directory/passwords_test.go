package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// RFC 7677, section 3: the example of an exchange, from which both keys can be checked.
func TestScramVerifier(t *testing.T) {
	b64 := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		porttest.OK(t, err)
		return b
	}
	const (
		nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
		auth  = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" + nonce
	)
	v, err := (&scramParams{b64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096}).verifier("pencil")
	porttest.OK(t, err)
	keys, ok := strings.CutPrefix(v, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
	stored, server, ok2 := strings.Cut(keys, ":")
	if !ok || !ok2 {
		t.Fatalf("verifier %s", v)
	}
	if got := mac(b64(server), auth); !bytes.Equal(got, b64("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")) {
		t.Errorf("the server's signature is %x", got)
	}
	client, proof := mac(b64(stored), auth), b64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	for i := range client {
		client[i] ^= proof[i]
	}
	if sum := sha256.Sum256(client); !bytes.Equal(sum[:], b64(stored)) {
		t.Error("the stored key doesn't check the client's proof")
	}
}

func TestEvaluationsAreBoundedAndWaitingEnds(t *testing.T) {
	h := newHasher(Passwords{Evaluated: func() { t.Error("evaluated") }}, time.Now)
	for range hashAtOnce {
		_, err := h.slot(t.Context())
		porttest.OK(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := h.matches(ctx, "", "some password")
		ended <- err
	}()
	cancel()
	porttest.Kind(t, <-ended, kinds.Unavailable)
}

func TestHash(t *testing.T) {
	h := newHasher(Passwords{}, time.Now)
	hash, scram, err := h.make(t.Context(), "päßword¹ with blanks", nil)
	porttest.OK(t, err)
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || scram != "" {
		t.Errorf("hash %s, verifier %q", hash, scram)
	}
	for password, want := range map[string]bool{"pa\u0308ßword¹ with blanks": true, "päßword1 with blanks": false} {
		if ok, err := h.matches(t.Context(), hash, password); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	_, _, err = h.make(t.Context(), "short", nil)
	porttest.Kind(t, err, kinds.Invalid)
	_, _, err = h.make(t.Context(), strings.Repeat("x", MaxPassword+1), nil)
	porttest.Kind(t, err, kinds.Limit)
}

func TestHashesCantAskForMuch(t *testing.T) {
	for _, bad := range []string{
		"", "$", "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZWtleXNvbWVrZXkxMg",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$c29tZWtleXNvbWVrZXkxMg",
		"$argon2id$v=19$m=19456,t=11,p=1$c29tZXNhbHQ$c29tZWtleXNvbWVrZXkxMg",
		"$argon2id$v=19$m=19456,t=2,p=0$c29tZXNhbHQ$c29tZWtleXNvbWVrZXkxMg",
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c2hvcnQ",
	} {
		if _, err := parsePHC(bad); !kinds.Is(err, kinds.Corrupt) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("gw1.-.aaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("gw1.tenant.aaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("gw1...")
	f.Fuzz(func(t *testing.T, s string) {
		tenant, id, secret, err := parseKey(s)
		if err != nil {
			if !kinds.Is(err, kinds.Unauthenticated) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if tenant == "" {
			tenant = keyService
		}
		if s != keyPrefix+"."+tenant+"."+id+"."+secret {
			t.Fatalf("%q is read as %q, %q, %q", s, tenant, id, secret)
		}
	})
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZWtleXNvbWVrZXkxMg")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err != nil {
			return
		}
		if p.memory > maxMemory || p.passes > maxPasses || p.lanes > maxLanes || p.lanes < 1 || len(p.salt) > 64 || len(p.key) > 64 {
			t.Fatalf("%q asks for %+v", s, p)
		}
		if again, err := parsePHC(p.String()); err != nil || again.String() != p.String() {
			t.Fatalf("%q: %v", s, err)
		}
	})
}
