package outbound

import (
	"cmp"
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mtasts"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/ses"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Ways is what all ways stand on that need nothing of AWS.
type Ways struct {
	Routes   Routes
	Records  records.Driver // of policies about TLS
	Resolver *resolver.Resolver
	Tell     func(relay.Session) // of TLS with hosts; may be nil
	Password string              // by which to log in at the smarthost of the settings; "": nobody does
	Client   string              // our certificate for it and its key, PEM; "": none
	Now      func() time.Time
}

// NewRouter makes what chooses the way of each mail as routes and settings say, and the ways.
func NewRouter(st *settings.Settings, w Ways) (*Router, error) {
	usual, err := usualWays(st, w)
	if err != nil {
		return nil, err
	}
	dialer := &relay.Dialer{Hello: st.Hostname}
	direct := &relay.Dialer{Hello: st.Hostname, Dial: relay.DialFrom(st.OutboundSource)}
	hosts := &relay.Hosts{Resolver: w.Resolver, Self: st.Hostname, Port: uint16(st.OutboundPort), Allow: st.OutboundAllow}
	fetcher := &mtasts.Fetcher{Guard: &resolver.Guard{Resolver: w.Resolver, Allow: st.OutboundAllow}}
	policies := &mtasts.Cache{Records: w.Records, Resolver: w.Resolver, Fetch: fetcher.Fetch, Now: w.Now}
	router := &Router{Routes: w.Routes, Now: w.Now, Default: usual,
		Direct:    &relay.Sender{Now: w.Now, Dialer: direct, Hosts: hosts, Policies: policies, Tell: w.Tell},
		Smarthost: func(way directory.Way) (Tidier, error) { return NewRelay(way, dialer, hosts, w.Now) }}
	if st.OutboundWay == settings.OutboundSES || st.OutboundSESRegion != "" {
		client, err := ses.Open(context.Background(), st.OutboundSESRegion)
		if err != nil {
			return nil, err
		}
		router.SES = func(m *spool.Mail, set string) Sender {
			return client.Sender(cmp.Or(set, st.OutboundSESSet), sesTags(m))
		}
	}
	return router, nil
}

// usualWays gives the ways of mail for which there is no route, by its kind.
func usualWays(st *settings.Settings, w Ways) (func(kind string) directory.Way, error) {
	way := map[string]directory.Way{}
	for _, name := range []string{st.OutboundWay, st.OutboundOthers} {
		way[name] = directory.Way{Name: name}
		if name == settings.OutboundSmarthost {
			var err error
			if way[name], err = smarthost(st, w); err != nil {
				return nil, err
			}
		}
	}
	return func(kind string) directory.Way {
		if st.OutboundWay == settings.OutboundSES && kind != spool.Submission {
			return way[st.OutboundOthers]
		}
		return way[st.OutboundWay]
	}, nil
}

// smarthost reads the settings of the host that takes all mail.
func smarthost(st *settings.Settings, w Ways) (directory.Way, error) {
	way := directory.Way{Name: directory.Smarthost, TLS: st.OutboundTLS, Username: st.OutboundUsername, Password: w.Password, Certificate: w.Client}
	if err := way.SetHost(st.OutboundSmarthost); err != nil {
		return way, kinds.Errorf(kinds.Invalid, "mail is to go to a smarthost, so outbound.smarthost must name its host and port (relay.example.net:587)")
	}
	if (way.Username == "") != (way.Password == "") {
		return way, kinds.Errorf(kinds.Invalid, "outbound.username and the smarthost's password (outbound.password-file; in AWS outbound.password-secret) belong together")
	}
	return way, nil
}
