package login

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/godwit-mail/godwit/gateways/internal/oidc"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// oauth is OAUTHBEARER (RFC 7628) and XOAUTH2, its older form, which is no RFC but what
// clients of Google and Microsoft speak.
type oauth struct {
	login    *Login
	ctx      context.Context
	peer     Peer
	protocol string
	old      bool                 // XOAUTH2
	id       **directory.Identity // set at the end
}

func (o *oauth) first(response []byte) ([]byte, step, error) {
	parse := parseBearer
	if o.old {
		parse = parseXOAuth2
	}
	user, token, err := parse(string(response))
	if err != nil {
		return nil, nil, err
	}
	if user == "" { // the name is only where to look: what counts is what is proven
		user = oidc.Claimed(token)
	}
	var provider directory.OpenID
	*o.id, err = o.login.attempt(o.ctx, user, o.peer.Addr, o.protocol, func() (*directory.Identity, error) {
		t, err := o.login.cfg.Directory.Token(o.ctx, user)
		if err != nil {
			return nil, err
		}
		provider = t.Provider
		proven, err := o.login.tokens.Verify(o.ctx, oidc.Provider(provider), token)
		if err != nil {
			return nil, err
		}
		return t.Enter(proven, o.protocol)
	})
	if !kinds.Is(err, kinds.Unauthenticated) {
		return nil, nil, err
	}
	// RFC 7628, section 3.2.3: the server sends an error in JSON, and the client a dummy response, after which the exchange fails.
	return o.story(provider), func(response []byte) ([]byte, step, error) {
		if s := string(response); s != "\x01" && s != "" {
			err = kinds.Errorf(kinds.Invalid, "login: no end of an exchange that failed")
		}
		return nil, nil, err
	}, nil
}

// story tells the client why it failed, and where it gets better tokens. It says nothing of
// the account.
func (o *oauth) story(provider directory.OpenID) []byte {
	v := struct {
		Status  string `json:"status"`
		Schemes string `json:"schemes,omitempty"`
		Where   string `json:"openid-configuration,omitempty"`
	}{Status: "invalid_token"}
	if o.old {
		v.Status, v.Schemes = "401", "bearer"
	}
	if provider.Issuer != "" {
		v.Where = oidc.Configuration(provider.Issuer)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return b
}

func errBearer() error { return kinds.Errorf(kinds.Invalid, "login: no message with a token") }

// parseBearer takes a client's message of OAUTHBEARER apart; user may be "".
//
// RFC 7628, section 3.1: client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
func parseBearer(s string) (user, token string, err error) {
	header, pairs, ok := strings.Cut(s, "\x01")
	part := strings.Split(header, ",")
	// Here is nothing that could be bound, so "y" is as good as "n".
	if !ok || len(part) != 3 || part[2] != "" || part[0] != "n" && part[0] != "y" {
		return "", "", errBearer()
	}
	if part[1] != "" && (!take(&user, part[1], "a=") || !unescapeName(&user)) {
		return "", "", errBearer()
	}
	return bearerToken(user, pairs)
}

// parseXOAuth2 takes "user=NAME^Aauth=Bearer TOKEN^A^A" apart.
func parseXOAuth2(s string) (user, token string, err error) {
	name, pairs, ok := strings.Cut(s, "\x01")
	if !ok || !take(&user, name, "user=") {
		return "", "", errBearer()
	}
	return bearerToken(user, pairs)
}

// bearerToken finds the token among pairs, each of which ends in ^A, as all of them do.
func bearerToken(user, pairs string) (string, string, error) {
	body, ok := strings.CutSuffix(pairs, "\x01\x01")
	if !ok {
		return "", "", errBearer()
	}
	for pair := range strings.SplitSeq(body, "\x01") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return "", "", errBearer()
		}
		scheme, token, _ := strings.Cut(value, " ")
		if strings.EqualFold(key, "auth") {
			if !strings.EqualFold(scheme, "Bearer") || token == "" {
				return "", "", errBearer()
			}
			return user, token, nil
		}
	}
	return "", "", errBearer()
}
