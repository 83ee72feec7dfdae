package mtasts

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/resolver"
)

// fetchTime is how long a domain may take to give its policy.
//
// RFC 8461, section 3.3: a timeout of one minute is suggested
const fetchTime = time.Minute

// Fetcher gets policies from the web servers of domains.
type Fetcher struct {
	Guard *resolver.Guard
	TLS   *tls.Config // authorities; may be nil
}

// Fetch gives the bytes of a domain's policy. kinds.Invalid: what is there is none;
// kinds.Denied: its certificate is not verified; kinds.Unavailable: nothing could be had.
//
// RFC 8461, section 3.3: the certificate is valid for mta-sts.DOMAIN; HTTP 3xx redirects MUST NOT be followed; HTTP caching MUST NOT be used
func (f *Fetcher) Fetch(ctx context.Context, domain string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	client := http.Client{
		Transport:     &http.Transport{DialContext: f.Guard.Dial, TLSClientConfig: f.TLS, DisableKeepAlives: true, MaxResponseHeaderBytes: 32 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return nil, kinds.Wrap(kinds.Invalid, err, "mtasts: fetch")
	}
	resp, err := client.Do(req)
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return nil, kinds.Wrap(kinds.Denied, err, "mtasts: fetch")
		}
		return nil, kinds.Errorf(kinds.Unavailable, "mtasts: fetch: %s", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, kinds.Errorf(kinds.Unavailable, "mtasts: the policy's host answers %d", resp.StatusCode)
	}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != "text/plain" {
		return nil, kinds.Errorf(kinds.Invalid, "mtasts: the policy is no text/plain")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxPolicy+1))
	if err != nil {
		return nil, kinds.Errorf(kinds.Unavailable, "mtasts: fetch: %s", err)
	}
	return body, nil // Parse finds out that it is too long
}
