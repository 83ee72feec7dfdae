package oidc

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// maxDocument is how long a document of a provider may be, in bytes.
const maxDocument = 256 << 10

// client reads documents of providers. A tenant's administrator says where they are, so
// that they must lead to nothing that is not public: neither by an address, nor by what a
// name resolves to, nor by a redirect.
type client struct {
	http    *http.Client
	private bool
}

func newClient(private bool) *client {
	d := &net.Dialer{Timeout: 3 * time.Second}
	if !private {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); err != nil || !public(a.Addr()) {
				return kinds.Errorf(kinds.Denied, "oidc: %s is no public address", address)
			}
			return nil
		}
	}
	return &client{private: private, http: &http.Client{
		Transport:     &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: 3 * time.Second, MaxResponseHeaderBytes: 32 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get reads a document.
func (c *client) get(ctx context.Context, from string, to any) error {
	u, err := url.Parse(from)
	if err != nil || u.Host == "" || u.Scheme != "https" && (!c.private || u.Scheme != "http") {
		return kinds.Errorf(kinds.Invalid, "oidc: %.200q is no URL of a provider", from)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return kinds.Wrap(kinds.Invalid, err, "oidc")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "oidc")
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return kinds.Errorf(kinds.Unavailable, "oidc: %s answers %s", from, answer.Status)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	if err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "oidc")
	}
	if len(b) > maxDocument {
		return kinds.Errorf(kinds.Limit, "oidc: %s has more than %d bytes", from, maxDocument)
	}
	if err := json.Unmarshal(b, to); err != nil {
		return kinds.Wrap(kinds.Invalid, err, "oidc: "+from)
	}
	return nil
}

// public tells whether an address is one of the internet's, and not this machine's, this
// network's, or the one at which a cloud tells its machines their secrets.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special() {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return a.Is4() || netip.MustParsePrefix("2000::/3").Contains(a)
}

// special are prefixes that IANA keeps for other things, or that lead to addresses of
// version 4 by another name.
func special() []string {
	return []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16"}
}
