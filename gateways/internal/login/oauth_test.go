package login

import (
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/tests/provider"
)

// give gives a mechanism one message. Of a token that isn't taken it gives the story, and the
// kind of the error at last; else the kind, or "ok".
func (w *town) give(t *testing.T, mechanism, message string) (kind string, story map[string]string) {
	t.Helper()
	e, err := w.login.Start(t.Context(), mechanism, w.peer, directory.IMAP)
	must(t, err)
	challenge, done, err := e.Next([]byte(message))
	if err == nil && !done {
		must(t, json.Unmarshal(challenge, &story))
		dummy := "\x01"
		if mechanism == xoauth2 {
			dummy = ""
		}
		_, done, err = e.Next([]byte(dummy))
	}
	switch {
	case err != nil:
		return kinds.Of(err).String(), story
	case !done || e.Identity().Address != alice:
		t.Errorf("%q: done %v as %+v", message, done, e.Identity())
	}
	return "ok", story
}

func TestATokenLetsIn(t *testing.T) {
	w := newTown(t, tls.VersionTLS13)
	root := directory.ServiceScope("test")
	p := provider.New(t)
	w.login = New(Config{Directory: w.World, Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler), Private: true})
	_, err := w.CreateAlias(t.Context(), root, "sales@demo.test", alice)
	must(t, err)
	_, err = w.ChangeTenant(t.Context(), root, "demo", "", func(v *directory.Tenant) error {
		v.Settings.OpenID = &directory.OpenID{Issuer: p.URL, Audience: provider.Audience}
		return nil
	})
	must(t, err)
	token := func(address string) string { return p.Token("ec", p.Claims(address, w.Clock.Now(), nil)) }
	good := token(alice)
	for _, c := range []struct{ what, mechanism, message, want string }{
		{"OAUTHBEARER", bearer, "n,a=" + alice + ",\x01host=mail.demo.test\x01port=993\x01auth=Bearer " + good + "\x01\x01", "ok"},
		{"without a name", bearer, "n,,\x01auth=Bearer " + good + "\x01\x01", "ok"},
		{"by an alias", bearer, "n,a=sales@demo.test,\x01auth=bearer " + good + "\x01\x01", "ok"},
		{"XOAUTH2", xoauth2, "user=" + alice + "\x01auth=Bearer " + good + "\x01\x01", "ok"},
		{"another's", bearer, "n,a=" + alice + ",\x01auth=Bearer " + token("bob@demo.test") + "\x01\x01", "unauthenticated"},
		{"for the alias's address", bearer, "n,a=sales@demo.test,\x01auth=Bearer " + token("sales@demo.test") + "\x01\x01", "unauthenticated"},
		{"of nobody", bearer, "n,a=nobody@demo.test,\x01auth=Bearer " + token("nobody@demo.test") + "\x01\x01", "unauthenticated"},
		{"no token", xoauth2, "user=" + alice + "\x01auth=Bearer opaque\x01\x01", "unauthenticated"},
		{"no message", bearer, "n,a=" + alice + ",", "invalid"},
	} {
		got, story := w.give(t, c.mechanism, c.message)
		if got != c.want {
			t.Errorf("%s: %s", c.what, got)
		}
		if c.want == "unauthenticated" && (story["openid-configuration"] != p.URL+"/.well-known/openid-configuration" || story["status"] == "") {
			t.Errorf("%s: the client is told %v", c.what, story)
		}
	}
	if _, story := w.give(t, bearer, "n,a=a@elsewhere.test,\x01auth=Bearer "+good+"\x01\x01"); story["status"] != "invalid_token" || story["openid-configuration"] != "" {
		t.Errorf("of another's domain it is told %v", story)
	}
}

func TestGuessersByTokenAreThrottled(t *testing.T) {
	w := newTown(t, tls.VersionTLS13)
	w.login.cfg.Wait = newWorld().cfg.Wait
	for range peerRefused {
		if got, _ := w.give(t, bearer, "n,a="+alice+",\x01auth=Bearer x\x01\x01"); got == "throttled" {
			return
		}
	}
	t.Error("never")
}

func TestWhatIsNoTokenMessage(t *testing.T) {
	for _, s := range []string{"", "\x01", "n,,", "n,,\x01\x01", "p=x,,\x01auth=Bearer x\x01\x01", "n,b=x,\x01auth=Bearer x\x01\x01", "n,a=,\x01auth=Bearer x\x01\x01",
		"n,,\x01auth=Bearer x\x01", "n,,\x01auth=Basic x\x01\x01", "n,,\x01auth=Bearer \x01\x01", "n,,\x01host=x\x01\x01", "n,,\x01=x\x01\x01"} {
		if user, token, err := parseBearer(s); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%q is %q, %q, %v", s, user, token, err)
		}
	}
	for _, s := range []string{"", "user=a", "user=a\x01", "n,,\x01auth=Bearer x\x01\x01", "user=a\x01auth=Bearer x"} {
		if user, token, err := parseXOAuth2(s); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%q is %q, %q, %v", s, user, token, err)
		}
	}
	// RFC 7628, section 4.1: the example.
	user, token, err := parseBearer("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01")
	if user != "user@example.com" || token != "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" || err != nil {
		t.Errorf("%q, %q, %v", user, token, err)
	}
}

func FuzzTokenMessages(f *testing.F) {
	for _, s := range []string{"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01",
		"user=a@b\x01auth=Bearer x\x01\x01", "y,,\x01auth=bearer x\x01\x01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (string, string, error){parseBearer, parseXOAuth2} {
			_, token, err := parse(s)
			if err == nil && (token == "" || !strings.Contains(s, " "+token+"\x01")) || err != nil && !kinds.Is(err, kinds.Invalid) {
				t.Errorf("%q: %q, %v", s, token, err)
			}
		}
	})
}
