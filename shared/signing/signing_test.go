package signing_test

import (
	"io"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/shared/signing"
)

// publish puts a record into the zone as an owner does.
func publish(t *testing.T, z *resolvertest.Server, r signing.Record) {
	t.Helper()
	value := r.Value
	var parts []string
	for len(value) > 0 {
		n := min(200, len(value))
		parts = append(parts, `"`+value[:n]+`"`)
		value = value[n:]
	}
	z.Add(t, r.Name+". 1 IN TXT "+strings.Join(parts, " "))
}

const mail = "From: joe@acme.test\r\nSubject: hi\r\n\r\nhello\r\n"

func sign(t *testing.T, k *signing.Keys) string {
	t.Helper()
	d := dkim.Digest{RelaxedBody: true}
	_, _ = io.WriteString(&d, mail)
	porttest.OK(t, d.Close())
	fields, err := k.Sign(t.Context(), "acme.test", d.Header(), d.BodyHash(dkim.Relaxed))
	porttest.OK(t, err)
	return fields
}

// A domain's mail is signed from when its keys are in the DNS; after a rotation by the old
// ones until the new ones are there.
func TestKeysAreUsedFromWhenTheyAreSeen(t *testing.T) {
	w, z := portstest.New(t), resolvertest.Start(t)
	r := resolver.New(resolver.Config{Servers: z.Servers(), Cache: -1})
	k := &signing.Keys{Records: w.Records, Resolver: r, Now: w.Clock.Now}
	if fields := sign(t, k); fields != "" {
		t.Errorf("without keys it is signed: %q", fields)
	}
	first, err := k.List(t.Context(), "acme.test")
	porttest.OK(t, err)
	again, err := k.List(t.Context(), "acme.test")
	porttest.OK(t, err)
	if len(first) != 2 || len(again) != 2 || first[0] != again[0] || first[0].Live {
		t.Fatalf("%+v, then %+v", first, again)
	}
	if fields := sign(t, k); fields != "" {
		t.Errorf("with keys that nobody can look up it is signed: %q", fields)
	}
	for _, record := range first {
		publish(t, z, record)
	}
	passes := func(selector string) {
		t.Helper()
		fields := sign(t, k)
		v := dkim.NewVerifier(resolver.Net{Resolver: r}.LookupTXT, w.Clock.Now())
		_, _ = io.WriteString(v, fields+mail)
		porttest.OK(t, v.Close())
		found := v.Verify(t.Context())
		if len(found) != 2 || found[0].Algorithm != "rsa-sha256" || found[1].Algorithm != "ed25519-sha256" {
			t.Fatalf("%+v", found)
		}
		for _, s := range found {
			if s.Result != dkim.Pass || !strings.HasPrefix(selector, s.Selector[:len(s.Selector)-1]) {
				t.Errorf("%+v, want a key as %s", s, selector)
			}
		}
	}
	passes(first[0].Name)
	porttest.OK(t, k.Rotate(t.Context(), "acme.test"))
	passes(first[0].Name)
	second, err := k.List(t.Context(), "acme.test")
	porttest.OK(t, err)
	if len(second) != 4 || second[0].Live || !second[2].Live || second[2].Name != first[0].Name {
		t.Fatalf("%+v", second)
	}
	for _, record := range second[:2] {
		publish(t, z, record)
	}
	passes(second[0].Name)
	z.Remove(first[0].Name)
	passes(second[0].Name)
	porttest.OK(t, k.Drop(t.Context(), "acme.test"))
	if fields := sign(t, k); fields != "" {
		t.Errorf("of a domain that was given up it is signed: %q", fields)
	}
}
