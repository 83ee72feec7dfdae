package outbound

import (
	"net"
	"strconv"
	"time"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mtasts"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/settings"
)

// Ways is what all ways stand on that need nothing of AWS.
type Ways struct {
	Routes   Routes
	Records  records.Driver // of policies about TLS
	Resolver *resolver.Resolver
	Tell     func(relay.Session) // of TLS with hosts; may be nil
	Password string              // by which to log in at the smarthost of the settings; "": nobody does
	Now      func() time.Time
}

// NewRouter makes what chooses the way of each mail as routes and settings say, and the ways.
func NewRouter(st *settings.Settings, w Ways) (*Router, error) {
	usual := directory.Way{Name: st.OutboundWay}
	if st.OutboundWay == settings.OutboundSmarthost {
		var err error
		if usual, err = smarthost(st, w.Password); err != nil {
			return nil, err
		}
	}
	dialer := &relay.Dialer{Hello: st.Hostname}
	hosts := &relay.Hosts{Resolver: w.Resolver, Self: st.Hostname, Port: uint16(st.OutboundPort), Allow: st.OutboundAllow}
	fetcher := &mtasts.Fetcher{Guard: &resolver.Guard{Resolver: w.Resolver, Allow: st.OutboundAllow}}
	policies := &mtasts.Cache{Records: w.Records, Resolver: w.Resolver, Fetch: fetcher.Fetch, Now: w.Now}
	return &Router{Routes: w.Routes, Now: w.Now,
		Default:   func(string) directory.Way { return usual },
		Direct:    &relay.Sender{Now: w.Now, Dialer: dialer, Hosts: hosts, Policies: policies, Tell: w.Tell},
		Smarthost: func(way directory.Way) (Tidier, error) { return NewRelay(way, dialer, hosts, w.Now) }}, nil
}

// smarthost reads the settings of the host that takes all mail.
func smarthost(st *settings.Settings, password string) (w directory.Way, err error) {
	host, port, err := net.SplitHostPort(st.OutboundSmarthost)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" {
		return w, kinds.Errorf(kinds.Invalid, "outbound.way is smarthost, so outbound.smarthost must name its host and port (relay.example.net:587)")
	}
	if (st.OutboundUsername == "") != (password == "") {
		return w, kinds.Errorf(kinds.Invalid, "outbound.username and the smarthost's password (outbound.password-file; in AWS outbound.password-secret) belong together")
	}
	return directory.Way{Name: directory.Smarthost, Host: host, Port: uint16(n), TLS: st.OutboundTLS, Username: st.OutboundUsername, Password: password}, nil
}
