package login

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// maxScram is how long a message of SCRAM may be, in octets, and maxNonce the client's nonce.
const (
	maxScram = 2 << 10
	maxNonce = 512
)

// scramExchange is SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677).
type scramExchange struct {
	login    *Login
	ctx      context.Context
	peer     Peer
	protocol string
	plus     bool
	binding  []byte               // of the connection, nil if it has none
	id       **directory.Identity // set at the end

	client clientFirst
	nonce  string // of both
	server string // the server's first message
	keys   *directory.Scram
}

// first takes the client's first message.
//
// RFC 5802, section 5.1, says what is in the messages, and section 7 how they are written.
func (s *scramExchange) first(response []byte) ([]byte, step, error) {
	m, err := parseClientFirst(string(response))
	if err != nil {
		return nil, nil, err
	}
	// RFC 5802, section 6: If the flag is set to "y" and the server supports channel binding, the server MUST fail authentication.
	if m.flag == "y" && s.binding != nil || s.plus != (m.flag == "p=tls-exporter") {
		s.login.cfg.Log.Warn("login: wrong channel binding", "protocol", s.protocol, "peer", s.peer.Addr, "flag", m.flag)
		return nil, nil, kinds.Errorf(kinds.Unauthenticated, "login: channel binding %.20q for plus=%v", m.flag, s.plus)
	}
	if m.authz != "" && !strings.EqualFold(m.authz, m.user) {
		return nil, nil, errOther()
	}
	if err := s.login.admits(m.user, s.peer.Addr); err != nil {
		return nil, nil, err
	}
	if s.keys, err = s.login.cfg.Directory.Scram(s.ctx, m.user); err != nil {
		return nil, nil, notThrottled(err)
	}
	s.client, s.nonce = m, m.nonce+rand.Text()
	s.server = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(s.keys.Salt) + ",i=" + strconv.Itoa(s.keys.Iterations)
	return []byte(s.server), s.final, nil
}

// final takes the client's proof.
func (s *scramExchange) final(response []byte) ([]byte, step, error) {
	m, err := parseClientFinal(string(response))
	if err != nil {
		return nil, nil, err
	}
	bound := s.client.header
	if s.plus {
		bound += string(s.binding)
	}
	said := s.client.bare + "," + s.server + "," + m.without // RFC 5802, section 3: AuthMessage
	var proof []byte
	*s.id, err = s.login.attempt(s.ctx, s.client.user, s.peer.Addr, s.protocol, func() (*directory.Identity, error) {
		n, signature := fits(s.keys.Keys, said, m.proof)
		if n < 0 || m.nonce != s.nonce || subtle.ConstantTimeCompare([]byte(m.binding), []byte(bound)) != 1 {
			return nil, kinds.Errorf(kinds.Unauthenticated, "login: wrong name or proof")
		}
		proof = signature
		return s.keys.Enter(s.ctx, n, s.protocol)
	})
	if err != nil {
		return nil, nil, err
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(proof)), s.end, nil
}

// end takes the client's consent to the server's proof.
func (s *scramExchange) end(response []byte) ([]byte, step, error) {
	if len(response) > 0 {
		return nil, nil, kinds.Errorf(kinds.Invalid, "login: SCRAM goes on after its end")
	}
	return nil, nil, nil
}

// fits says which keys a proof fits, -1 if none, and gives the server's signature. All are
// tried.
//
// RFC 5802, section 3: ClientProof := ClientKey XOR HMAC(StoredKey, AuthMessage), ServerSignature := HMAC(ServerKey, AuthMessage)
func fits(all []directory.ScramKeys, said string, proof []byte) (n int, signature []byte) {
	n = -1
	for i, k := range all {
		key := make([]byte, sha256.Size)
		subtle.XORBytes(key, proof, mac(k.Stored, said))
		if sum := sha256.Sum256(key); subtle.ConstantTimeCompare(sum[:], k.Stored) == 1 {
			n, signature = i, mac(k.Server, said)
		}
	}
	return n, signature
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func errScram() error { return kinds.Errorf(kinds.Invalid, "login: no message of SCRAM") }

// clientFirst is a client's first message: a header and what is bare of it.
type clientFirst struct {
	header, flag, authz, bare, user, nonce string
}

func parseClientFirst(s string) (m clientFirst, err error) {
	part := strings.SplitN(s, ",", 5)
	if len(s) > maxScram || len(part) < 4 {
		return m, errScram()
	}
	m.flag = part[0]
	m.header = part[0] + "," + part[1] + ","
	m.bare = s[len(m.header):]
	ok := m.flag == "n" || m.flag == "y" || strings.HasPrefix(m.flag, "p=")
	if part[1] != "" {
		ok = ok && take(&m.authz, part[1], "a=") && unescapeName(&m.authz)
	}
	// RFC 5802, section 5.1: "m" is reserved for future extensibility; a server that doesn't know it fails. It isn't "n=" then.
	ok = ok && take(&m.user, part[2], "n=") && unescapeName(&m.user) && take(&m.nonce, part[3], "r=") && isNonce(m.nonce)
	if !ok {
		return m, errScram()
	}
	return m, nil
}

// clientFinal is a client's last message, and what it is without the proof.
type clientFinal struct {
	binding, nonce, without string
	proof                   []byte
}

func parseClientFinal(s string) (m clientFinal, err error) {
	at := strings.LastIndex(s, ",p=")
	if len(s) > maxScram || at < 0 {
		return m, errScram()
	}
	m.without = s[:at]
	part := strings.SplitN(m.without, ",", 3)
	if len(part) < 2 || !take(&m.binding, part[0], "c=") || !take(&m.nonce, part[1], "r=") {
		return m, errScram()
	}
	bound, err1 := base64.StdEncoding.Strict().DecodeString(m.binding)
	proof, err2 := base64.StdEncoding.Strict().DecodeString(s[at+len(",p="):])
	if err1 != nil || err2 != nil || len(proof) != sha256.Size {
		return m, errScram()
	}
	m.binding, m.proof = string(bound), proof
	return m, nil
}

func take(to *string, s, prefix string) (ok bool) {
	*to, ok = strings.CutPrefix(s, prefix)
	return ok
}

// unescapeName undoes what a name needs in which "," and "=" have a meaning.
//
// RFC 5802, section 5.1: If the server receives a username that contains '=' not followed by either '2C' or '3D', then the server MUST fail the authentication.
func unescapeName(name *string) bool {
	plain := strings.NewReplacer("=2C", "", "=3D", "").Replace(*name)
	if *name == "" || strings.ContainsAny(plain, "=\x00") {
		return false
	}
	*name = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(*name)
	return true
}

// isNonce tells whether s is a nonce: printable, and no comma.
func isNonce(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ',' {
			return false
		}
	}
	return s != "" && len(s) <= maxNonce
}
