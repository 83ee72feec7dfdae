package serve

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/godwit-mail/godwit/functions"
	"github.com/godwit-mail/godwit/functions/compact"
	"github.com/godwit-mail/godwit/functions/deliver"
	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/gateways"
	"github.com/godwit-mail/godwit/gateways/imap"
	"github.com/godwit-mail/godwit/gateways/pop3"
	"github.com/godwit-mail/godwit/gateways/smtp"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/quota"
	"github.com/godwit-mail/godwit/shared/reports"
	"github.com/godwit-mail/godwit/shared/senderauth"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

// wireGateways makes a server for each mail port that is open. They share one throttle
// of logins and one budget of temporary disk.
func (s *Service) wireGateways() {
	st, now := s.settings, s.options.Now
	blobs := blob.Store{Driver: s.ports.Blobs}
	tls, temp := s.certificate.config(), s.folder.in(tempName)
	login := gateways.NewLogin(gateways.LoginConfig{Directory: s.directory, Records: s.ports.Records, Now: now, Log: s.log, Metrics: s.registry,
		Private: st.OpenIDPrivate})
	budget := gateways.NewBudget(st.TempDisk)
	writer := smtp.New(smtp.Config{Hostname: st.Hostname, Directory: s.directory, Accounts: s.accounts, Quota: s.quota, Blobs: blobs,
		Queue: s.ports.Queue, Outbound: s.outbound, Limits: &handover.Limiter{Directory: s.directory, Records: s.ports.Records, Blobs: blobs, Queue: s.ports.Queue, Host: st.Hostname, Now: now, Log: s.log},
		Expire: st.OutboundExpire, Judge: s.judge(), Tally: s.tally, Inbox: &reports.Inbox{Records: s.ports.Records, Blobs: blobs, Now: now}, Obey: st.SenderPolicy == settings.SenderObey, Trusted: st.SenderTrusted, Seal: st.SenderSeal, Login: login, TLS: tls, Budget: budget, TempDir: temp, MaxSize: st.MessageSize,
		Now: now, Log: s.log, Metrics: s.registry})
	reader := imap.New(imap.Config{Accounts: s.accounts, Blobs: blobs, Login: login, Quota: s.quota, Sharing: s.sharing,
		Budget: budget, TempDir: temp, TLS: tls, Now: now, Log: s.log, Metrics: s.registry})
	popper := pop3.New(pop3.Config{Accounts: s.accounts, Login: login, TLS: tls, Log: s.log, Metrics: pop3.NewMetrics(s.registry)})

	metrics := gateways.NewListenMetrics(s.registry)
	const refusalPOP3 = "-ERR [SYS/TEMP] too many connections, try again later\r\n"
	for _, k := range []struct {
		name, refusal, goodbye string
		implicit               bool
		handler                func(context.Context, net.Conn)
	}{
		{"smtp", smtp.Refusal, smtp.Goodbye, false, writer.MX},
		{"submission", smtp.Refusal, smtp.Goodbye, false, writer.Submission},
		{"submissions", smtp.Refusal, smtp.Goodbye, true, writer.Submission},
		{"imap", imap.Refusal, imap.Goodbye, false, reader.Serve},
		{"imaps", imap.Refusal, imap.Goodbye, true, reader.Serve},
		{"pop3", refusalPOP3, pop3.Goodbye, false, popper.Handle},
		{"pop3s", refusalPOP3, pop3.Goodbye, true, popper.Handle},
	} {
		if l := s.open[k.name]; l != nil {
			server := &gateways.Server{Name: k.name, TLS: tls, Implicit: k.implicit, Handler: k.handler, Refusal: k.refusal, Goodbye: k.goodbye,
				Proxy: st.ProxyFrom, Spread: s.spread(), MaxConns: st.Connections, MaxPerIP: st.ConnectionsPerIP, Log: s.log, Metrics: metrics}
			server.Start(l)
			s.servers = append(s.servers, server)
		}
	}
}

// judge tells who sent mail that comes from elsewhere; nil where nobody asks.
func (s *Service) judge() *senderauth.Judge {
	st := s.settings
	if st.SenderPolicy == settings.SenderOff {
		return nil
	}
	return senderauth.New(senderauth.Config{Resolver: s.resolver, ID: st.Hostname, Sealers: st.SenderSealers, Now: s.options.Now})
}

// wireFunctions makes the workers that deliver, compact and sweep.
func (s *Service) wireFunctions(parked *spool.Spool) {
	step := &deliver.Step{Accounts: s.accounts, Queue: s.ports.Queue, Spool: parked, MaxFailures: s.settings.DeliverFailures,
		Blobs: blob.Store{Driver: s.ports.Blobs}, Warner: &quota.Warner{Blobs: blob.Store{Driver: s.ports.Blobs}, Now: s.options.Now, Log: s.log},
		Now: s.options.Now, Log: s.log, Metrics: deliver.NewMetrics(s.registry)}
	work := functions.Worker{Queue: s.ports.Queue, Name: queue.Deliver, Handle: step.Handle,
		Receivers: s.settings.DeliverWorkers, Grace: s.patience(), Log: s.log}
	// What took the process down with it, again and again, is put where people see it.
	dead := work
	dead.Name, dead.Handle, dead.Receivers = queue.Dead(queue.Deliver), step.HandleDead, 1
	s.workers = append(s.workers, &work, &dead)
	tidy := &compact.Step{Accounts: s.accounts, Log: s.log}
	// One at a time, so that mail and people come first.
	smaller := functions.Worker{Queue: s.ports.Queue, Name: queue.Compact, Handle: tidy.Handle, Receivers: 1, Grace: s.patience(), Log: s.log}
	lost := smaller
	lost.Name, lost.Handle = queue.Dead(queue.Compact), tidy.HandleDead
	s.workers = append(s.workers, &smaller, &lost)
	names := []string{work.Name, dead.Name, smaller.Name, lost.Name}
	if s.outbound != nil {
		names = append(names, queue.Outbound, queue.Dead(queue.Outbound))
	}
	old := &sweep.Step{Accounts: s.accounts, Directory: s.directory, Now: s.options.Now, Log: s.log,
		Release: &sweep.Release{Accounts: s.accounts, Directory: s.directory, Blobs: blob.Store{Driver: s.ports.Blobs}, Spool: parked,
			Queue: s.ports.Queue, Forever: true, Window: s.settings.HistoryWindow, Now: s.options.Now, Log: s.log}}
	s.background = append(s.background, old.Run)
	s.registry.MustRegister(&depth{queue: s.ports.Queue, names: names})
}

// shutdownGateways tells all sessions to say goodbye and waits for them; when ctx ends
// first they are cut off, and the error says how many.
func (s *Service) shutdownGateways(ctx context.Context) error {
	errs := make([]error, len(s.servers))
	var all sync.WaitGroup
	for i, server := range s.servers {
		all.Go(func() { errs[i] = server.Shutdown(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}
