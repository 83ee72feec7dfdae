// Package serve runs the whole service in one process: gateways, functions and the API
// over the embedded twins, with all data in one folder.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
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
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/observe"
	queuesqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Options are what a service is given beside its settings. The zero value is a service
// as it should be; most of them are for tests.
type Options struct {
	Log          *slog.Logger     // nil: silent
	Now          func() time.Time // nil: time.Now
	Files        files.FS         // below the blobs; nil: the machine's
	Decorators   Decorators       // round the ports
	Nasty        *queuesqlite.Nasty
	DemoPassword string // of both demo accounts; "": generated
	Passwords    directory.Passwords
	Version      string // of the program
}

// Service is one process's whole service.
type Service struct {
	settings    *settings.Settings
	options     Options
	log         *slog.Logger
	folder      *folder
	certificate *certificate
	registry    *prometheus.Registry
	ports       *ports
	accounts    *account.Store
	directory   *directory.Directory
	servers     []*gateways.Server
	workers     []*functions.Worker
	open        map[string]net.Listener
	http        *http.Server
	demo        *Demo

	draining chan struct{}
	drain    sync.Once
}

// Open takes the data folder and the ports and makes everything ready; Run then serves.
// After an error nothing is held. Errors name the setting that can mend them.
func Open(ctx context.Context, st *settings.Settings, o Options) (_ *Service, err error) {
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
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.folder, err = openFolder(st.Data); err != nil {
		return nil, err
	}
	if s.open, err = bind(ctx, st); err != nil {
		return nil, err
	}
	if err = s.openCertificate(); err != nil {
		return nil, err
	}
	first, err := s.folder.begin()
	if err != nil {
		return nil, err
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.ports, err = openPorts(s.folder, &s.options, observe.Metrics(s.registry)); err != nil {
		return nil, err
	}
	s.wire()
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

func (s *Service) openCertificate() (err error) {
	certFile, keyFile, hostname := s.settings.TLSCertificate, s.settings.TLSKey, ""
	if certFile == "" {
		certFile, keyFile = s.folder.in(tlsName+"/cert.pem"), s.folder.in(tlsName+"/key.pem")
		hostname = s.settings.Hostname
	}
	s.certificate, err = openCertificate(certFile, keyFile, hostname, s.options.Now, s.log)
	return err
}

// wire puts the parts together. None of it does anything yet.
func (s *Service) wire() {
	st, now := s.settings, s.options.Now
	blobs := blob.Store{Driver: s.ports.blobs}
	s.accounts = account.New(account.Config{Journal: s.ports.journal, Notify: s.ports.notify, Blobs: blobs, Now: now, Log: s.log,
		IdleBytes: st.AccountCache * 2 / 3, ContentBytes: st.AccountCache / 3})
	s.directory = directory.New(directory.Config{Records: s.ports.records, Accounts: directory.Journals(s.accounts), Now: now,
		Log: s.log, Passwords: s.options.Passwords, LookupTXT: net.DefaultResolver.LookupTXT})
	parked := &spool.Spool{Records: s.ports.records, Queue: s.ports.queue, Now: now}
	s.wireGateways(blobs)
	s.wireFunctions(parked)
	s.http = s.newHTTP(api.New(api.Config{Directory: s.directory, Records: s.ports.records, Spool: parkedJobs{parked},
		Now: now, Log: s.log, Version: s.options.Version}))
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
	for _, w := range s.workers {
		background.Go(func() { w.Run(ctx) })
	}
	failed := make(chan error, 1+len(s.servers))
	for _, server := range s.servers {
		background.Go(func() {
			if err := server.Serve(); err != nil {
				failed <- kinds.Wrap(kinds.Unavailable, err, "listener "+server.Name+" ended")
			}
		})
	}
	if l := s.open["api"]; l != nil {
		background.Go(func() {
			if err := s.http.Serve(netutil.LimitListener(l, s.settings.Connections)); !errors.Is(err, http.ErrServerClosed) {
				failed <- kinds.Wrap(kinds.Unavailable, err, "listener api ended")
			}
		})
	}
	s.log.Info("serving", "data", s.folder.path)
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
func (s *Service) patience() time.Duration { return s.settings.Drain * 4 / 5 }

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
	if s.ports != nil {
		errs = append(errs, s.ports.close())
	}
	if s.folder != nil {
		if err := s.folder.close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
