package directory

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits of a password, in bytes.
const (
	MinPassword = 8
	MaxPassword = 1024
)

// argon2id (RFC 9106) as the OWASP password storage recommendations have it: 19 MiB, two passes,
// one lane. Two evaluations at once bound the memory that logins can take.
const (
	hashMemory = 19 << 10 // KiB
	hashPasses = 2
	hashLanes  = 1
	hashSalt   = 16 // bytes
	hashKey    = 32 // bytes
	hashAtOnce = 2
)

// Upper bounds on the parameters of a stored hash, so that none costs more than this.
const (
	maxMemory = 64 << 10 // KiB
	maxPasses = 10
	maxLanes  = 4
)

// Passwords configures how passwords are judged.
type Passwords struct {
	// Evaluated, when set, is called at each evaluation of a password hash, made to
	// judge a login or to store a new password.
	Evaluated func()
}

type hasher struct {
	slots     chan struct{}
	evaluated func()
	proven    *proven
}

func newHasher(p Passwords, now func() time.Time) *hasher {
	h := &hasher{slots: make(chan struct{}, hashAtOnce), evaluated: p.Evaluated, proven: newProven(now)}
	if h.evaluated == nil {
		h.evaluated = func() {}
	}
	return h
}

// slot waits for one of the evaluations that may run at once. It is given back by the
// function it returns.
func (h *hasher) slot(ctx context.Context) (func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "directory: judge a password")
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, kinds.Wrap(kinds.Unavailable, ctx.Err(), "directory: wait for a password evaluation")
	}
}

// prepare brings a password to the form that is hashed.
// RFC 8265, section 4.2.1: the OpaqueString profile preserves case and makes equal what people type as equal.
func prepare(password string) (string, error) {
	if len(password) > MaxPassword {
		return "", kinds.Errorf(kinds.Limit, "directory: a password of %d bytes, at most %d are allowed", len(password), MaxPassword)
	}
	p, err := precis.OpaqueString.String(password)
	if err != nil {
		return "", kinds.Errorf(kinds.Invalid, "directory: the password is empty or has a character that passwords can't have")
	}
	return p, nil
}

// make gives the hash of a new password, in PHC string format, and its SCRAM-SHA-256
// verifier unless scram is nil.
func (h *hasher) make(ctx context.Context, password string, scram *scramParams) (hash, verifier string, err error) {
	p, err := prepare(password)
	if err != nil {
		return "", "", err
	}
	if len(p) < MinPassword {
		return "", "", kinds.Errorf(kinds.Invalid, "directory: a password has at least %d bytes", MinPassword)
	}
	done, err := h.slot(ctx)
	if err != nil {
		return "", "", err
	}
	defer done()
	salt := random(hashSalt)
	h.evaluated()
	key := argon2.IDKey([]byte(p), salt, hashPasses, hashMemory, hashLanes, hashKey)
	hash = phc{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: salt, key: key}.String()
	if scram != nil {
		verifier, err = scram.verifier(p)
	}
	return hash, verifier, err
}

// app gives the SCRAM-SHA-256 verifier of an app password, as it is shown, or of a password that
// was prepared.
func (h *hasher) app(ctx context.Context, shown string, scram *scramParams) (string, error) {
	if scram == nil {
		return "", nil
	}
	done, err := h.slot(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return scram.verifier(shown)
}

// matches costs one evaluation whatever it is given, but for a password that was found to
// be right a little while ago; an empty hash never matches.
func (h *hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	stored, parseErr := parsePHC(hash)
	known := hash != "" && parseErr == nil
	if !known {
		stored = phc{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: make([]byte, hashSalt), key: make([]byte, hashKey)}
	}
	p, err := prepare(password)
	if err != nil {
		p, known = "", false
	}
	if known && h.proven.has(hash, p) {
		return true, nil
	}
	done, err := h.slot(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	h.evaluated()
	key := argon2.IDKey([]byte(p), stored.salt, stored.passes, stored.memory, stored.lanes, uint32(len(stored.key)))
	equal := subtle.ConstantTimeCompare(key, stored.key) == 1
	if hash != "" && parseErr != nil {
		return false, parseErr
	}
	if equal && known {
		h.proven.add(hash, p)
	}
	return equal && known, nil
}

// phc is an argon2id hash.
type phc struct {
	memory, passes uint32
	lanes          uint8
	salt, key      []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.lanes,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.key))
}

// parsePHC reads a hash in PHC string format. Errors are kinds.Corrupt.
func parsePHC(s string) (phc, error) {
	bad := kinds.Errorf(kinds.Corrupt, "directory: a password hash that is no argon2id hash within limits")
	part := strings.Split(s, "$")
	if len(s) > 512 || len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, bad
	}
	param := strings.Split(part[3], ",")
	if len(param) != 3 {
		return phc{}, bad
	}
	var n [3]uint64
	for i, want := range []struct {
		name string
		max  uint64
	}{{"m=", maxMemory}, {"t=", maxPasses}, {"p=", maxLanes}} {
		v, ok := strings.CutPrefix(param[i], want.name)
		var err error
		if n[i], err = strconv.ParseUint(v, 10, 32); !ok || err != nil || n[i] < 1 || n[i] > want.max {
			return phc{}, bad
		}
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(part[4])
	key, err2 := base64.RawStdEncoding.DecodeString(part[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 {
		return phc{}, bad
	}
	return phc{memory: uint32(n[0]), passes: uint32(n[1]), lanes: uint8(n[2]), salt: salt, key: key}, nil
}

// random gives n random bytes; crypto/rand.Read never fails.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
