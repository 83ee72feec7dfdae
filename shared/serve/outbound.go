package serve

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/functions"
	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

// wireOutbound makes what sends mail to other hosts, if it is to be sent.
func (s *Service) wireOutbound(mails *spool.Spool) error {
	st := s.settings
	if st.OutboundWay == settings.OutboundOff {
		return nil
	}
	sender := &relay.Sender{Now: s.options.Now, Dialer: &relay.Dialer{Hello: st.Hostname},
		Hosts: &relay.Hosts{Resolver: s.resolver, Self: st.Hostname, Port: uint16(st.OutboundPort), Allow: st.OutboundAllow}}
	if st.OutboundWay == settings.OutboundSmarthost {
		var err error
		if sender.Smarthost, err = smarthost(st); err != nil {
			return err
		}
	}
	step := &outbound.Step{Spool: mails, Blobs: blob.Store{Driver: s.ports.Blobs}, Queue: s.ports.Queue, Sender: sender, Signer: s.keys, Host: st.Hostname,
		Now: s.options.Now, Log: s.log, Metrics: outbound.NewMetrics(s.registry)}
	work := functions.Worker{Queue: s.ports.Queue, Name: queue.Outbound, Handle: step.Handle, Receivers: st.OutboundWorkers, Grace: s.patience(), Log: s.log}
	dead := work
	dead.Name, dead.Handle, dead.Receivers = queue.Dead(queue.Outbound), step.HandleDead, 1
	s.workers = append(s.workers, &work, &dead)
	s.background = append(s.background, step.Run, func(ctx context.Context) { tidy(ctx, sender) })
	s.outbound = mails
	return nil
}

// tidyEvery is how often connections that wait for nothing are looked for.
const tidyEvery = 10 * time.Second

func tidy(ctx context.Context, sender *relay.Sender) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(tidyEvery):
			sender.Tidy(false)
		}
	}
	sender.Tidy(true)
}

// smarthost reads the settings of the host that takes all mail.
func smarthost(st *settings.Settings) (*relay.Smarthost, error) {
	host, port, err := net.SplitHostPort(st.OutboundSmarthost)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" {
		return nil, kinds.Errorf(kinds.Invalid, "outbound.way is smarthost, so outbound.smarthost must name its host and port (relay.example.net:587)")
	}
	h := &relay.Smarthost{Host: host, Port: uint16(n), Username: st.OutboundUsername, Implicit: st.OutboundTLS == "implicit",
		Security: map[string]relay.Security{"opportunistic": relay.Opportunistic, "encrypted": relay.Encrypted}[st.OutboundTLS]}
	if st.OutboundTLS == "verified" || h.Implicit {
		h.Security = relay.Verified
	}
	if st.OutboundPasswordFile != "" {
		b, err := os.ReadFile(st.OutboundPasswordFile)
		if err != nil {
			return nil, kinds.Wrap(kinds.Invalid, err, "outbound.password-file")
		}
		h.Password = strings.TrimRight(string(b), "\r\n")
	}
	if (h.Username == "") != (h.Password == "") {
		return nil, kinds.Errorf(kinds.Invalid, "outbound.username and outbound.password-file belong together")
	}
	return h, nil
}

// outgoing is what people see of the mail that is sent, nil if none is.
func (s *Service) outgoing(mails *spool.Spool) *spool.Spool {
	if s.outbound == nil {
		return nil
	}
	return mails
}
