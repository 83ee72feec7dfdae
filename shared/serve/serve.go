// Package serve makes a process that serves: the whole service on one machine (gateways,
// functions and the API over the embedded twins, with all data in one folder), or the
// gateways of some protocols over the twins in AWS.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/net/netutil"

	"github.com/godwit-mail/godwit/functions"
	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/gateways"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/compaction"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/ports"
	queuesqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
	"github.com/godwit-mail/godwit/shared/quota"
	"github.com/godwit-mail/godwit/shared/reports"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/sharing"
	"github.com/godwit-mail/godwit/shared/signing"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Options are what a service is given beside its settings. The zero value is a service
// as it should be; most of them are for tests.
type Options struct {
	Log          *slog.Logger     // nil: silent
	Now          func() time.Time // nil: time.Now
	Files        files.FS         // below the blobs; nil: the machine's
	Decorators   ports.Decorators // round the ports
	Nasty        *queuesqlite.Nasty
	DemoPassword string // of both demo accounts; "": generated
	Passwords    directory.Passwords
	Version      string       // of the program
	Client       cloud.Client // of AWS; nil: as it is
}

// Service is what one process serves.
type Service struct {
	settings    *settings.Settings
	options     Options
	log         *slog.Logger
	folder      *folder
	certificate *certificate
	registry    *prometheus.Registry
	ports       ports.Set
	release     []func() error // what Close calls, last first
	background  []func(context.Context)
	accounts    *account.Store
	directory   *directory.Directory
	quota       *quota.Keeper
	tally       *reports.Tally // nil: nothing is reported to the owners of other domains
	resolver    *resolver.Resolver
	sharing     *sharing.Sharing
	keys        *signing.Keys
	outbound    handover.Outbound // nil: no mail goes to other hosts
	servers     []*gateways.Server
	workers     []*functions.Worker
	open        map[string]net.Listener
	http        *http.Server
	web         net.Listener // of http; nil: off
	demo        *Demo

	draining chan struct{}
	drain    sync.Once
}

// rooms are the folders within the data folder.
var rooms = []string{blobsName, tlsName, tempName}

// Open takes the data folder and makes the whole service ready; Run then serves. After an
// error nothing is held. Errors name the setting that can mend them.
func Open(ctx context.Context, st *settings.Settings, o Options) (_ *Service, err error) {
	s := newService(st, o)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err = s.openFolder(st.Data, rooms...); err != nil {
		return nil, err
	}
	if s.open, err = bind(ctx, addresses(st)); err != nil {
		return nil, err
	}
	s.web = s.open["api"]
	if err = s.openCertificate(); err != nil {
		return nil, err
	}
	first, err := s.folder.begin()
	if err != nil {
		return nil, err
	}
	machine, err := openEmbedded(s.folder, &s.options)
	if err != nil {
		return nil, err
	}
	s.release = append(s.release, machine.close)
	s.wireStores(machine.Set)
	parked := &spool.Spool{Records: s.ports.Records, Queue: s.ports.Queue, Now: s.options.Now}
	if err = s.wireOutbound(parked); err != nil {
		return nil, err
	}
	s.wireGateways()
	s.wireFunctions(parked)
	s.http = s.newHTTP(api.New(api.Config{Directory: s.directory, Records: s.ports.Records, Spool: api.Parked(parked, st.HistoryWindow), Quota: s.quota,
		Outgoing: s.outgoing(parked),
		DNS:      &api.DNS{Keys: s.keys, Resolver: s.resolver, Host: st.Hostname, MTASTS: st.MTASTS},
		Mail:     &api.Mail{Accounts: s.accounts, Blobs: blob.Store{Driver: s.ports.Blobs}, Sharing: s.sharing},
		Now:      s.options.Now, Log: s.log, Version: s.options.Version}))
	if err = s.ensureKey(ctx); err != nil {
		return nil, err
	}
	if first && st.Demo {
		if err = s.makeDemo(ctx); err != nil {
			return nil, kinds.Wrap(kinds.Of(err), err, "making the demo")
		}
		// Hashing passwords took memory that is not needed again soon.
		debug.FreeOSMemory()
	}
	if err = s.folder.complete(); err != nil {
		return nil, err
	}
	return s, nil
}

func newService(st *settings.Settings, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Files == nil {
		o.Files = files.OS{}
	}
	s := &Service{settings: st, options: o, log: o.Log, draining: make(chan struct{}), registry: prometheus.NewRegistry()}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

func (s *Service) openFolder(path string, rooms ...string) (err error) {
	if s.folder, err = openFolder(path, rooms...); err == nil {
		s.release = append(s.release, s.folder.close)
	}
	return err
}

func (s *Service) openCertificate() (err error) {
	certFile, keyFile, hostname := s.settings.TLSCertificate, s.settings.TLSKey, ""
	if certFile == "" {
		certFile, keyFile = s.folder.in(tlsName+"/cert.pem"), s.folder.in(tlsName+"/key.pem")
		hostname = s.settings.Hostname
	}
	s.certificate, err = openCertificate(certFile, keyFile, hostname, s.options.Now, s.log)
	return err
}

// wireStores makes what everything else stands on. None of it does anything yet.
func (s *Service) wireStores(set ports.Set) {
	st, now := s.settings, s.options.Now
	s.ports = set.Observed(s.options.Decorators, observe.Metrics(s.registry))
	s.accounts = account.New(account.Config{Journal: s.ports.Journal, Notify: s.ports.Notify, Blobs: blob.Store{Driver: s.ports.Blobs}, Now: now,
		Log: s.log, Compact: compaction.Asker(s.ports.Queue), Window: st.HistoryWindow, IdleBytes: st.AccountCache * 2 / 3, ContentBytes: st.AccountCache / 3,
		Grown: func(ref account.Ref, by account.By, messages, bytes int64) { s.quota.Grown(ref, by, messages, bytes) }})
	s.resolver = resolver.New(resolver.Config{Servers: st.DNSServers, Timeout: st.DNSTimeout, Cache: st.DNSCache, Validating: st.DNSValidating, Now: now})
	s.keys = &signing.Keys{Records: s.ports.Records, Resolver: s.resolver, Now: now}
	s.directory = directory.New(directory.Config{Records: s.ports.Records, Accounts: directory.Journals(s.accounts), Grace: st.HistoryWindow, Now: now,
		Log: s.log, Passwords: s.options.Passwords, LookupTXT: resolver.Net{Resolver: s.resolver}.LookupTXT,
		Forward: st.OutboundWay != settings.OutboundOff})
	s.sharing = sharing.New(sharing.Config{Accounts: s.accounts, Directory: s.directory, Records: s.ports.Records, Now: now})
	s.wireTally()
	s.quota = quota.New(quota.Config{Directory: s.directory, Records: s.ports.Records, Blobs: blob.Store{Driver: s.ports.Blobs}, Now: now, Log: s.log})
}

// Address is where a listener is ("127.0.0.1:2525"), "" if it is off.
func (s *Service) Address(name string) string {
	if l := s.open[name]; l != nil {
		return l.Addr().String()
	}
	return ""
}

// Demo is what was made for a newcomer by this very start, else nil.
func (s *Service) Demo() *Demo { return s.demo }

// Run serves until ctx ends, then lets sessions and running jobs end, for at most the
// time that the settings give them, and closes everything. Sessions that had to be cut off are
// no error: what they were told is durable.
func (s *Service) Run(ctx context.Context) error {
	defer s.Close()
	work, stop := context.WithCancel(context.Background())
	defer stop()
	var background sync.WaitGroup
	background.Go(func() { _ = s.accounts.Run(work) })
	background.Go(func() { s.quota.Run(work) })
	for _, w := range s.workers {
		background.Go(func() { w.Run(ctx) })
	}
	for _, f := range s.background {
		background.Go(func() { f(ctx) })
	}
	failed := make(chan error, 1+len(s.servers))
	for _, server := range s.servers {
		background.Go(func() {
			if err := server.Serve(); err != nil {
				failed <- kinds.Wrap(kinds.Unavailable, err, "listener "+server.Name+" ended")
			}
		})
	}
	if s.web != nil {
		background.Go(func() {
			if err := s.http.Serve(netutil.LimitListener(s.web, s.settings.Connections)); !errors.Is(err, http.ErrServerClosed) {
				failed <- kinds.Wrap(kinds.Unavailable, err, "the HTTP listener ended")
			}
		})
	}
	s.log.Info("serving", "role", s.settings.Role, "data", s.folder.path)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.shutdown()
	stop()
	background.Wait()
	return err
}

// patience is the part of the drain's time that sessions and jobs have, side by side;
// the rest is for closing the stores.
func (s *Service) patience() time.Duration {
	if s.settings.Role == settings.Gateway {
		return s.settings.Drain * 21 / 22 // 105 s of 110: there are no stores to close
	}
	return s.settings.Drain * 4 / 5
}

// spread is the part of the drain over which sessions are told to end, one after another.
// In a gateway they come back to others of its kind, which all at once would overrun.
func (s *Service) spread() time.Duration {
	if s.settings.Role == settings.Gateway {
		return s.settings.Drain * 9 / 11 // 90 s of 110
	}
	return 0
}

// shutdown ends all sessions, while the worker, which was told too, ends its jobs. What
// is still in the queue is there at the next start.
func (s *Service) shutdown() {
	s.log.Info("draining", "for", s.settings.Drain)
	s.drain.Do(func() { close(s.draining) })
	ctx, cancel := context.WithTimeout(context.Background(), s.patience())
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.shutdownGateways(ctx); err != nil {
			s.log.Warn("sessions were cut off", "error", err)
		}
	})
	if s.settings.Role == settings.Gateway {
		all.Wait() // whoever looks after this process is told until its end that it drains
	}
	all.Go(func() {
		if err := s.http.Shutdown(ctx); err != nil {
			s.log.Warn("requests were cut off", "error", err)
			s.http.Close()
		}
	})
	all.Wait()
	s.log.Info("drained")
}

// Close lets go of everything. Run does it by itself; a service that is not run needs it.
// Closing again is fine.
func (s *Service) Close() error {
	var errs []error
	for _, l := range s.open {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, release := range slices.Backward(s.release) {
		errs = append(errs, release())
	}
	s.release = nil
	return errors.Join(errs...)
}
