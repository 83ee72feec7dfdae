package directory

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	// RFC 7677 asks for 4,096. QUIRK: Cyrus SASL, by which mbsync and mutt log in, computes no
	// more than 65,536, and gives up the login where it is told more.
	scramIterations = 65_536
	scramSalt       = 16 // bytes
)

// Scram is what a SCRAM-SHA-256 exchange (RFC 7677) is judged by. The server names the salt
// before the client proves anything, so all passwords of an account share one: whichever was
// typed, its proof fits one of Keys. Of who can't log in so, Keys is empty, and the salt is
// made up; it is the same each time.
type Scram struct {
	Salt       []byte
	Iterations int
	Keys       []ScramKeys

	dir   *Directory
	found *loginAccount
	apps  []*AppPassword // whose keys they are; nil: the account's own password
}

// ScramKeys verify one password. RFC 5802, section 3: StoredKey and ServerKey.
type ScramKeys struct{ Stored, Server []byte }

// Scram gives what a login name's proof is judged by.
func (d *Directory) Scram(ctx context.Context, username string) (*Scram, error) {
	found, _, err := d.login(ctx, username)
	if err != nil {
		return nil, err
	}
	s := &Scram{Iterations: scramIterations, dir: d, found: found}
	if found != nil && found.settings().Scram {
		err = s.fill()
	}
	if err == nil && len(s.Keys) == 0 {
		s.Salt, err = d.madeUpSalt(ctx, username)
	}
	return s, err
}

// fill takes the keys of all passwords that share the account's salt and, if one has that, the
// present count of iterations.
func (s *Scram) fill() error {
	want := 0
	add := func(text string, app *AppPassword) error {
		if text == "" {
			return nil
		}
		p, keys, err := parseScram(text)
		if err != nil {
			return err
		}
		if want != 0 && p.iterations != want {
			return nil
		}
		if s.Salt == nil {
			s.Salt, s.Iterations = p.salt, p.iterations
		}
		if bytes.Equal(s.Salt, p.salt) && s.Iterations == p.iterations {
			s.Keys, s.apps = append(s.Keys, keys), append(s.apps, app)
		}
		return nil
	}
	e := &s.found.e
	if slices.ContainsFunc(append(e.appScrams(), e.Scram), func(text string) bool { return text != "" && !outdated(text) }) {
		want = scramIterations
	}
	err := add(e.Scram, nil)
	for i := range e.Apps {
		if err == nil {
			err = add(e.Apps[i].Scram, &e.Apps[i])
		}
	}
	return err
}

// Enter admits over a protocol who has proven to know the password of Keys[n]. Errors are
// kinds.Suspended and kinds.Denied, as Authenticate's.
func (s *Scram) Enter(ctx context.Context, n int, protocol string) (*Identity, error) {
	id, err := s.found.admit(s.apps[n], protocol)
	if err == nil {
		s.dir.noteLogin(ctx, s.found, s.apps[n], "")
	}
	return id, err
}

// outdated tells whether a verifier was made with another count of iterations.
func outdated(text string) bool {
	p, _, err := parseScram(text)
	return err == nil && p.iterations != scramIterations
}

// madeUpSalt gives a name's salt where there is none: the same from every gateway.
//
// RFC 5802, section 5.1, has the server send a salt in any case.
func (d *Directory) madeUpSalt(ctx context.Context, username string) ([]byte, error) {
	key := d.salts.Load()
	if key == nil {
		k := records.Key{Space: serviceKey().Space, ID: "salts"}
		kept, _, ok, err := read[[]byte](ctx, d, k)
		if err == nil && !ok {
			kept = random(sha256.Size)
			if _, err = d.write(ctx, k, kept, 0); isChanged(err) { // by another gateway
				kept, _, _, err = read[[]byte](ctx, d, k)
			}
		}
		if err != nil {
			return nil, err
		}
		key = &kept
		d.salts.Store(key)
	}
	name := strings.ToLower(username)
	if a, err := address.Parse(username); err == nil {
		name = a.Key()
	}
	return mac(*key, name)[:scramSalt], nil
}

// scramParams are what all verifiers of an account have in common.
type scramParams struct {
	salt       []byte
	iterations int
}

// scramParams gives what a password's verifier is made with, nil if none is to be kept. The salt
// of the account's others is kept, the count of iterations is the present one.
// A new account's salt comes from its random id, so that two who give it a password at once
// use the same.
func (e *entry) scramParams(l levels) *scramParams {
	if !Inherit(l.settings(e.Settings)...).Scram {
		return nil
	}
	for _, text := range append([]string{e.Scram}, e.appScrams()...) {
		if p, _, err := parseScram(text); err == nil {
			p.iterations = scramIterations
			return &p
		}
	}
	sum := sha256.Sum256([]byte("SCRAM salt of " + string(e.Account.ID)))
	return &scramParams{salt: sum[:scramSalt], iterations: scramIterations}
}

func (e *entry) appScrams() (list []string) {
	for _, a := range e.Apps {
		list = append(list, a.Scram)
	}
	return list
}

// forgetScram drops all verifiers.
func (e *entry) forgetScram() {
	e.Scram = ""
	for i := range e.Apps {
		e.Apps[i].Scram = ""
	}
}

// verifier gives the SCRAM-SHA-256 verifier of a prepared password.
// RFC 5803, section 2: the form is "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>".
func (p *scramParams) verifier(prepared string) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, prepared, p.salt, p.iterations, sha256.Size)
	if err != nil {
		return "", kinds.Wrap(kinds.Internal, err, "directory: SCRAM verifier")
	}
	// RFC 5802, section 3: ClientKey := HMAC(SaltedPassword, "Client Key"), StoredKey := H(ClientKey), ServerKey := HMAC(SaltedPassword, "Server Key")
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", p.iterations, b64.EncodeToString(p.salt),
		b64.EncodeToString(stored[:]), b64.EncodeToString(mac(salted, "Server Key"))), nil
}

// parseScram takes a verifier apart. Errors are kinds.Corrupt.
func parseScram(s string) (p scramParams, k ScramKeys, err error) {
	bad := kinds.Errorf(kinds.Corrupt, "directory: a SCRAM verifier that is none")
	part := strings.FieldsFunc(s, func(r rune) bool { return r == '$' || r == ':' })
	if len(part) != 5 || part[0] != "SCRAM-SHA-256" {
		return p, k, bad
	}
	p.iterations, err = strconv.Atoi(part[1])
	if err != nil || p.iterations < 4096 {
		return p, k, bad
	}
	for i, to := range []*[]byte{&p.salt, &k.Stored, &k.Server} {
		if *to, err = base64.StdEncoding.DecodeString(part[2+i]); err != nil || i > 0 && len(*to) != sha256.Size {
			return p, k, bad
		}
	}
	return p, k, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
