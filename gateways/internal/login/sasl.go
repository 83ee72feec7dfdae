package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"net"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// MaxResponse is how long a client's response may be before it is decoded: base64 of the
// longest user name, twice, and password.
const MaxResponse = 4096

// Mechanisms are the names of what Start knows, in the order in which they are announced.
func Mechanisms() []string { return []string{"PLAIN", "LOGIN"} }

// Exchange is a SASL exchange on the server's side.
type Exchange struct {
	judge func(username, password string) (*directory.Identity, error)
	login bool // the LOGIN mechanism
	state int
	user  string
	id    *directory.Identity
}

var _ sasl.Server = (*Exchange)(nil)

// Start begins an exchange by a mechanism; kinds.NotFound when there is no such one. ctx
// must live as long as the exchange.
func (l *Login) Start(ctx context.Context, mechanism string, remote net.Addr, protocol string) (*Exchange, error) {
	e := &Exchange{judge: func(username, password string) (*directory.Identity, error) {
		return l.Authenticate(ctx, username, password, remote, protocol)
	}}
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
	case "LOGIN":
		e.login = true
	default:
		return nil, kinds.Errorf(kinds.NotFound, "login: no such mechanism")
	}
	return e, nil
}

// Identity is who logged in, once Next has said done without an error.
func (e *Exchange) Identity() *directory.Identity { return e.id }

// Next takes the client's response, nil if there is no initial one, and gives the next
// challenge, or done. Errors are those of Authenticate, and kinds.Invalid for what is no
// response of the mechanism.
func (e *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	if e.login {
		return e.nextLogin(response)
	}
	if response == nil && e.state == 0 {
		e.state = 1
		return []byte{}, false, nil
	}
	if e.state > 1 {
		return nil, false, kinds.Errorf(kinds.Invalid, "login: the exchange is over")
	}
	e.state = 2
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, false, kinds.Errorf(kinds.Invalid, "login: no PLAIN response")
	}
	// RFC 4616, section 2: the server SHALL derive the authorization identity from the authentication identity if it is absent
	if authz, authc := string(parts[0]), string(parts[1]); authz != "" && !strings.EqualFold(authz, authc) {
		return nil, false, kinds.Errorf(kinds.Unauthenticated, "login: acting for another account")
	}
	e.id, err = e.judge(string(parts[1]), string(parts[2]))
	return nil, err == nil, err
}

// nextLogin is LOGIN, which is old and no RFC, but what Outlook speaks.
func (e *Exchange) nextLogin(response []byte) (challenge []byte, done bool, err error) {
	if response == nil && e.state == 0 {
		e.state = 1
		return []byte("Username:"), false, nil
	}
	switch e.state {
	case 0, 1:
		e.user, e.state = string(response), 2
		return []byte("Password:"), false, nil
	case 2:
		e.state = 3
		e.id, err = e.judge(e.user, string(response))
		return nil, err == nil, err
	}
	return nil, false, kinds.Errorf(kinds.Invalid, "login: the exchange is over")
}

// errCancelled is what Decode gives for the client's "*".
var errCancelled = kinds.Errorf(kinds.Invalid, "login: cancelled by the client")

// Decode decodes a response line, without its line end. "=" is the empty response where
// initial says that it is an initial one. Errors are kinds.Invalid; "*", by which the
// client gives up, is one too.
func Decode(line string, initial bool) ([]byte, error) {
	switch {
	case initial && line == "=":
		return []byte{}, nil
	case line == "*":
		return nil, errCancelled
	case len(line) > MaxResponse:
		return nil, kinds.Errorf(kinds.Invalid, "login: a response of %d bytes", len(line))
	}
	b, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil || strings.ContainsAny(line, "\r\n") {
		return nil, kinds.Errorf(kinds.Invalid, "login: the response is no base64")
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}
