package directory_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/records"
)

func TestTheDayOnWhichAnAppPasswordWasUsedLast(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	app, secret, err := w.AddAppPassword(w.ctx, root, "ann@one.test", "phone", nil)
	porttest.OK(t, err)
	_, _, err = w.AddAppPassword(w.ctx, root, "ann@one.test", "other", nil)
	porttest.OK(t, err)
	check := func(when string, want time.Time) (tag string) {
		t.Helper()
		a, err := w.Account(w.ctx, root, "ann@one.test")
		porttest.OK(t, err)
		if got := directory.Time(a.AppPasswords[0].Used); got != want || a.AppPasswords[1].Used != 0 {
			t.Errorf("%s: %v, want %v; the other %d", when, got, want, a.AppPasswords[1].Used)
		}
		return a.Tag
	}
	login := func(password string) {
		t.Helper()
		_, err := w.Authenticate(w.ctx, "ann@one.test", password, directory.IMAP)
		porttest.OK(t, err)
	}
	check("at first", time.UnixMilli(0).UTC())
	login(password)
	check("after a login by another password", time.UnixMilli(0).UTC())
	login(secret)
	today := w.Clock.Now().UTC().Truncate(24 * time.Hour)
	tag := check("used", today)
	login(secret)
	if again := check("again", today); again != tag {
		t.Error("written twice on one day")
	}
	w.Clock.Advance(25 * time.Hour)
	s, err := w.Scram(w.ctx, "ann@one.test")
	porttest.OK(t, err)
	id, err := s.Enter(w.ctx, 1, directory.IMAP)
	porttest.OK(t, err)
	if id.AppPassword != app.ID {
		t.Fatalf("%+v", id)
	}
	check("a day later, by SCRAM", w.Clock.Now().UTC().Truncate(24*time.Hour))
}

// verifier is one as it was made in former times.
func verifier(t *testing.T, password string, salt []byte, iterations int) (text string, stored []byte) {
	t.Helper()
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	porttest.OK(t, err)
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	sum := sha256.Sum256(mac("Client Key"))
	b64 := base64.StdEncoding
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64.EncodeToString(salt), b64.EncodeToString(sum[:]), b64.EncodeToString(mac("Server Key"))), sum[:]
}

// Cyrus SASL computes no more than 65,536 iterations.
func TestAVerifierOfFormerTimesIsMadeAnewAtALogin(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	_, secret, err := w.AddAppPassword(w.ctx, root, "ann@one.test", "phone", nil)
	porttest.OK(t, err)
	key := records.Key{Space: "dir/addresses/one.test", ID: "ann"}
	salt := []byte("sixteen octets..")
	found, err := w.Records.Get(w.ctx, key)
	porttest.OK(t, err)
	var e map[any]any
	porttest.OK(t, cbor.Unmarshal(found[0].Value, &e))
	e[uint64(8)], _ = verifier(t, password, salt, 100_000)
	app := e[uint64(9)].([]any)[0].(map[any]any)
	app[uint64(6)], _ = verifier(t, secret, salt, 100_000)
	value, err := cbor.Marshal(e)
	porttest.OK(t, err)
	_, err = w.Records.Put(w.ctx, records.Record{Key: key, Value: value}, found[0].Version)
	porttest.OK(t, err)

	_, own := verifier(t, password, salt, 65_536)
	_, apps := verifier(t, secret, salt, 65_536)
	check := func(when string, iterations int, want ...[]byte) {
		t.Helper()
		s, err := w.Scram(w.ctx, "ann@one.test")
		porttest.OK(t, err)
		if s.Iterations != iterations || len(s.Keys) != len(want) || string(s.Salt) != string(salt) {
			t.Fatalf("%s: %d iterations, %d keys, salt %q", when, s.Iterations, len(s.Keys), s.Salt)
		}
		for i := range want {
			if want[i] != nil && string(s.Keys[i].Stored) != string(want[i]) {
				t.Errorf("%s: key %d is another", when, i)
			}
		}
	}
	login := func(password string, ok bool) {
		t.Helper()
		if _, err := w.Authenticate(w.ctx, "ann@one.test", password, directory.IMAP); (err == nil) != ok {
			t.Fatal(err)
		}
	}
	check("before", 100_000, nil, nil)
	login("wrong horse", false)
	check("a wrong password", 100_000, nil, nil)
	login(" "+secret[:9]+" "+secret[9:], true)
	check("the app password", 65_536, apps)
	login(password, true)
	check("both", 65_536, own, apps)
}
