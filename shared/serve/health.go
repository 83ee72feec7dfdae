package serve

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// newHTTP serves api, if any, and beside it what whoever runs the process asks of it.
func (s *Service) newHTTP(api http.Handler) *http.Server {
	mux := http.NewServeMux()
	if api != nil {
		mux.Handle("/", api)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	metrics := promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if status := s.mayMeasure(r); status != http.StatusOK {
			plain(w, status, "metrics are for this machine, or with a key of the service: Authorization: Bearer KEY")
			return
		}
		metrics.ServeHTTP(w, r)
	})
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// readyz is 200 while the service takes work: the stores answer, and no drain has begun.
func (s *Service) readyz(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.draining:
		plain(w, http.StatusServiceUnavailable, "draining")
		return
	default:
	}
	if err := s.ports.Ready(r.Context()); err != nil {
		s.log.Warn("not ready", "error", err)
		plain(w, http.StatusServiceUnavailable, "the stores do not answer: "+kinds.Of(err).String())
		return
	}
	plain(w, http.StatusOK, "ready")
}

// mayMeasure gives 200 for a caller on this machine and for a key of the service. What
// a proxy on this machine passes on comes from elsewhere.
func (s *Service) mayMeasure(r *http.Request) int {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	forwarded := r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Via") != ""
	if err == nil && ip != nil && ip.IsLoopback() && !forwarded {
		return http.StatusOK
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return http.StatusUnauthorized
	}
	scope, err := s.directory.Login(r.Context(), key)
	switch {
	case err != nil:
		return http.StatusUnauthorized
	case !scope.IsService():
		return http.StatusForbidden
	}
	return http.StatusOK
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
