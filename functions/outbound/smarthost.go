package outbound

import (
	"crypto/tls"
	"time"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/relay"
)

// NewRelay makes what sends to a smarthost, connecting as d does.
func NewRelay(w directory.Way, d *relay.Dialer, h *relay.Hosts, now func() time.Time) (*relay.Sender, error) {
	to := &relay.Smarthost{Host: w.Host, Port: w.Port, Implicit: w.TLS == "implicit", Username: w.Username, Password: w.Password}
	switch w.TLS {
	case "opportunistic":
		to.Security = relay.Opportunistic
	case "encrypted":
		to.Security = relay.Encrypted
	default:
		to.Security = relay.Verified
	}
	if w.Certificate != "" {
		pair, err := tls.X509KeyPair([]byte(w.Certificate), []byte(w.Certificate))
		if err != nil {
			return nil, kinds.Wrap(kinds.Invalid, err, "outbound: the certificate for the smarthost")
		}
		with := *d
		with.TLS = &tls.Config{}
		if d.TLS != nil {
			with.TLS = d.TLS.Clone()
		}
		with.TLS.Certificates = []tls.Certificate{pair}
		d = &with
	}
	return &relay.Sender{Now: now, Dialer: d, Hosts: h, Smarthost: to}, nil
}
