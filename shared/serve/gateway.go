package serve

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

// sweepEvery is how often a gateway looks for the queues of gateways that have died.
const sweepEvery = time.Hour

// OpenGateway makes the gateways of the protocols (of Protocols, and Egress) ready, over the
// ports in AWS; functions do the rest elsewhere. After an error nothing is held.
func OpenGateway(ctx context.Context, st *settings.Settings, protocols []string, o Options) (_ *Service, err error) {
	s := newService(st, o)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	data := st.Data
	if data == "" {
		if data, err = os.MkdirTemp("", "godwit-gateway-"); err != nil {
			return nil, kinds.Wrap(kinds.Invalid, err, "a folder for temporary files; name one with --data")
		}
		s.release = append(s.release, func() error { return os.RemoveAll(data) })
	}
	if err = s.openFolder(data, tlsName, tempName); err != nil {
		return nil, err
	}
	var listeners []listenerAddress
	for _, p := range protocols {
		listeners = append(listeners, protocolAddresses(st, p)...)
	}
	if s.open, err = bind(ctx, append(listeners, listenerAddress{"health", st.HealthAddress})); err != nil {
		return nil, err
	}
	s.web = s.open["health"]
	if err = s.openCertificate(); err != nil {
		return nil, err
	}
	aws, err := cloud.Open(ctx, cloud.Config{Name: st.AWSName, Bucket: st.AWSBucket, Key: st.AWSKey, Now: s.options.Now, Log: s.log, Client: o.Client})
	if err != nil {
		return nil, err
	}
	s.wireStores(aws.Set)
	mails := &spool.Spool{Records: s.ports.Records, Queue: s.ports.Queue, Wakes: cloud.SendQueue(st.OutboundWay), Now: s.options.Now}
	if st.OutboundWay != settings.OutboundOff {
		s.outbound = mails
	}
	if slices.Contains(protocols, Egress) {
		if err = s.wireEgress(mails); err != nil {
			return nil, err
		}
	}
	s.wireGateways()
	s.http = s.newHTTP(nil)
	s.background = append(s.background, func(ctx context.Context) { s.sweep(ctx, aws) })
	return s, nil
}

// sweep removes, now and then, the notification queues that nobody reads any more.
func (s *Service) sweep(ctx context.Context, aws *cloud.Ports) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery/2 + rand.N(sweepEvery)): // gateways that start together sweep apart
		}
		removed, err := aws.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.log.Warn("looking for queues of dead gateways", "error", err)
		case removed > 0:
			s.log.Info("removed the queues of dead gateways", "queues", removed)
		}
	}
}
