package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/tests/provider"
)

const alice = "alice@demo.test"

// world is a provider, and a verifier that knows the time from it.
type world struct {
	*provider.Provider
	*Verifier
	t   *testing.T
	now time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{Provider: provider.New(t), t: t, now: time.Unix(1_900_000_000, 0)}
	w.Verifier = New(func() time.Time { return w.now }, true)
	return w
}

func (w *world) whose() Provider { return Provider{Issuer: w.URL, Audience: provider.Audience} }

func (w *world) token(key string, more map[string]any) string {
	w.t.Helper()
	return w.Token(key, w.Claims(alice, w.now, more))
}

// expect verifies a token; want is an address, or an error's kind.
func (w *world) expect(what string, p Provider, token, want string) {
	w.t.Helper()
	got, err := w.Verify(w.t.Context(), p, token)
	if err != nil {
		got = kinds.Of(err).String()
	}
	if got != want {
		w.t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
}

func TestGoodTokensProveAnAddress(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{"rsa", "ec", "ed"} {
		w.expect(key, w.whose(), w.token(key, nil), alice)
	}
	w.expect("one audience of some", w.whose(), w.token("ec", map[string]any{"aud": []string{"x", provider.Audience}}), alice)
	w.expect("the word true", w.whose(), w.token("ec", map[string]any{"email_verified": "true"}), alice)
	w.expect("a clock that is a little slow", w.whose(), w.token("ec", map[string]any{"exp": w.now.Unix() - 30}), alice)
	upn := w.whose()
	upn.Claim = "upn"
	w.expect("another claim", upn, w.token("ec", map[string]any{"upn": "a@demo.test", "email_verified": false}), "a@demo.test")
	if n := w.Asked(); n != 2 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestBadTokensProveNothing(t *testing.T) {
	w := newWorld(t)
	const no = "unauthenticated"
	for what, more := range map[string]map[string]any{
		"expired":                    {"exp": w.now.Unix() - 61},
		"that never expires":         {"exp": nil},
		"not good yet":               {"nbf": w.now.Unix() + 61},
		"of another issuer":          {"iss": "https://elsewhere.test"},
		"for somebody else":          {"aud": "another"},
		"for nobody":                 {"aud": nil},
		"not verified":               {"email_verified": false},
		"that says nothing of that":  {"email_verified": nil},
		"without an address":         {"email": nil},
		"whose address is no string": {"email": []string{alice}},
	} {
		w.expect(what, w.whose(), w.token("rsa", more), no)
	}
	good := w.token("rsa", nil)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"rsa"}`))
	w.expect("not signed", w.whose(), none+"."+body+".", no)
	w.expect("signed for another", w.whose(), head+"."+body+"A."+signature, no)
	w.expect("no token", w.whose(), "opaque", no)
	w.expect("nothing", w.whose(), "", no)
	w.expect("too long", w.whose(), good+strings.Repeat("A", maxToken), no)
	w.expect("by a secret that everybody knows", w.whose(), provider.Sign(t, jose.HS256, []byte(strings.Repeat("public", 9)), "rsa", w.Claims(alice, w.now, nil)), no)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.expect("by another key of that name", w.whose(), provider.Sign(t, jose.RS256, other, "rsa", w.Claims(alice, w.now, nil)), no)
	w.expect("by the key of another name", w.whose(), provider.Sign(t, jose.RS256, other, "new", w.Claims(alice, w.now, nil)), no)
	w.expect("without a provider", Provider{}, good, no)
	w.expect("without an audience", Provider{Issuer: w.URL}, good, no)
}

func TestAKeyThatIsNewIsFoundAndWhoMakesUpKeysGetsNowhere(t *testing.T) {
	w := newWorld(t)
	w.expect("as ever", w.whose(), w.token("ec", nil), alice)
	w.Rename("ec", "ec-2")
	w.expect("at once after a reading", w.whose(), w.token("ec-2", nil), "unauthenticated")
	w.now = w.now.Add(between)
	w.expect("after a while", w.whose(), w.token("ec-2", nil), alice)
	asked := w.Asked()
	made, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w.expect("made up", w.whose(), provider.Sign(t, jose.RS256, made, "made-up", w.Claims(alice, w.now, nil)), "unauthenticated")
		w.now = w.now.Add(between / 10)
	}
	if n := w.Asked() - asked; n > 2*3 {
		t.Errorf("the provider was asked %d times in two minutes", n)
	}
}

func TestAProviderThatIsDown(t *testing.T) {
	w := newWorld(t)
	w.Break(true)
	w.expect("from the beginning", w.whose(), w.token("ec", nil), "unavailable")
	asked := w.Asked()
	w.expect("again", w.whose(), w.token("ec", nil), "unavailable")
	if w.Asked() != asked {
		t.Error("it is asked again at once")
	}
	w.Break(false)
	w.now = w.now.Add(between)
	w.expect("when it is back", w.whose(), w.token("ec", nil), alice)
	w.Break(true)
	w.now = w.now.Add(stale - time.Minute)
	w.expect("by keys of yesterday", w.whose(), w.token("ec", nil), alice)
	w.now = w.now.Add(time.Hour)
	w.expect("by keys of before", w.whose(), w.token("ec", nil), "unavailable")
}

func TestDocumentsThatAreNotTaken(t *testing.T) {
	for what, change := range map[string]func(path string, document map[string]any) any{
		"another issuer": func(_ string, d map[string]any) any {
			if d["issuer"] != nil {
				d["issuer"] = "https://elsewhere.test"
			}
			return d
		},
		"keys elsewhere": func(_ string, d map[string]any) any {
			if d["jwks_uri"] != nil {
				d["jwks_uri"] = "file:///etc/passwd"
			}
			return d
		},
		"too long": func(_ string, d map[string]any) any {
			d["more"] = strings.Repeat("x", maxDocument)
			return d
		},
		"a redirect": func(path string, d map[string]any) any {
			return http.RedirectHandler("/keys", http.StatusFound)
		},
		"no object": func(string, map[string]any) any { return []int{1} },
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.Change(change)
			w.expect(what, w.whose(), w.token("ec", nil), "unavailable")
		})
	}
}

func TestKeysThatAreNotTaken(t *testing.T) {
	w := newWorld(t)
	w.Change(func(_ string, d map[string]any) any {
		if keys, ok := d["keys"].([]any); ok {
			for i, k := range keys {
				key := k.(jose.JSONWebKey)
				key.Use = "enc"
				keys[i] = key
			}
			d["keys"] = append(keys, map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}, map[string]any{"kty": "new"}, 1)
		}
		return d
	})
	w.expect("for encryption", w.whose(), w.token("rsa", nil), "unauthenticated")
	w.expect("shared", w.whose(), provider.Sign(t, jose.HS256, []byte("secret that is long enough to sign"), "oct", w.Claims(alice, w.now, nil)), "unauthenticated")
}

func TestProvidersAreOnTheInternetOnly(t *testing.T) {
	w := newWorld(t)
	secure := httptest.NewTLSServer(w)
	defer secure.Close()
	strict := New(func() time.Time { return w.now }, false)
	for _, issuer := range []string{w.URL, secure.URL, "https://localhost:1", "https://169.254.169.254", "https://[::1]:1"} {
		asked := w.Asked()
		_, err := strict.Verify(t.Context(), Provider{Issuer: issuer, Audience: provider.Audience}, w.token("ec", nil))
		if !kinds.Is(err, kinds.Unavailable) || w.Asked() != asked {
			t.Errorf("%s: %v", issuer, err)
		}
		if strings.HasPrefix(issuer, "https://") && !strings.Contains(err.Error(), "no public address") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for address, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1": true, "2a00:1450::1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "192.0.2.1": false,
		"::1": false, "::": false, "fe80::1": false, "fd00:ec2::254": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": true, "64:ff9b::7f00:1": false,
		"2002:7f00:1::": false, "2001:db8::1": false, "ff02::1": false, "::127.0.0.1": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is public: %v", address, got)
		}
	}
}

func TestClaimedIsNoProof(t *testing.T) {
	w := newWorld(t)
	if got := Claimed(w.token("ed", map[string]any{"iss": "x", "exp": 1})); got != alice {
		t.Error(got)
	}
	for _, s := range []string{"", "x", "a.b.c", w.token("ed", map[string]any{"email": nil})} {
		if got := Claimed(s); got != "" {
			t.Errorf("%q: %s", s, got)
		}
	}
}
