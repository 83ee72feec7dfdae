package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

type scopeKey struct{}

// scope is what the request's key may see and do. The guard has put it there.
func scope(ctx context.Context) directory.Scope {
	s, ok := ctx.Value(scopeKey{}).(directory.Scope)
	if !ok {
		// A scope that sees nothing: no tenant has this name.
		return directory.Scope{Tenant: "\x00", Domain: "\x00"}
	}
	return s
}

// guard stands before the mux: limits, the key, idempotency, the log.
func (s *server) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.now()
		ctx, cancel := context.WithTimeout(r.Context(), maxRequest)
		defer cancel()
		seen := &seenWriter{ResponseWriter: w}
		actor := ""
		_, pattern := mux.Handler(r)
		defer func() {
			if p := recover(); p != nil {
				s.log.ErrorContext(ctx, "api request panicked", "operation", pattern, "panic", p, "stack", string(debug.Stack()))
				if seen.status == 0 {
					writeProblem(seen, nil)
				}
			}
			// The pattern and not the path, which holds addresses.
			s.log.LogAttrs(ctx, slog.LevelInfo, "api request", slog.String("operation", pattern), slog.String("method", r.Method),
				slog.Int("status", seen.status), slog.String("key", actor), slog.Duration("took", s.now().Sub(began)))
		}()
		h := seen.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if strings.HasPrefix(r.URL.Path, "/openapi") && r.Method == http.MethodGet && pattern != "" {
			mux.ServeHTTP(seen, r.WithContext(ctx))
			return
		}
		if r.URL.Path == policyPath && r.Method == http.MethodGet {
			s.servePolicy(ctx, seen, r)
			return
		}
		who, err := s.login(ctx, r)
		if err != nil {
			if kinds.Is(err, kinds.Unauthenticated) {
				// RFC 9110, section 11.6.1: a server generating a 401 response MUST send a WWW-Authenticate header field
				h.Set("WWW-Authenticate", `Bearer realm="godwit"`)
			}
			if errors.Is(err, errWrongKeys) {
				h.Set("Retry-After", "60")
			}
			writeProblem(seen, s.problem(ctx, err))
			return
		}
		actor = who.Actor
		if pattern == "" {
			noEndpoint(mux, seen, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(seen, r.Body, limit(pattern)))
		if err != nil {
			writeProblem(seen, s.badBody(ctx, err))
			return
		}
		r = r.WithContext(context.WithValue(ctx, scopeKey{}, who))
		r.Body = io.NopCloser(bytes.NewReader(body))
		if word := r.Header.Get("Idempotency-Key"); word != "" && r.Method == http.MethodPost {
			s.once(mux, seen, r, body, word)
			return
		}
		mux.ServeHTTP(seen, r)
	})
}

// limit is how many bytes a request may have: those with messages have more than others.
func limit(pattern string) int64 {
	switch pattern {
	case "POST /v1/accounts/{address}/messages", "POST /v1/accounts/{address}/parts":
		return maxBatch
	}
	return maxBody
}

// login reads the key of a request. Remote addresses that fail often are told to slow
// down, and their failures no longer cost a look-up of the throttle; a right key is
// taken from anywhere.
func (s *server) login(ctx context.Context, r *http.Request) (directory.Scope, error) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return directory.Scope{}, kinds.Errorf(kinds.Unauthenticated, "api: an API key is needed: Authorization: Bearer KEY")
	}
	who, err := s.dir.Login(ctx, strings.TrimSpace(key))
	if kinds.Is(err, kinds.Unauthenticated) && s.throttle.failed(r.RemoteAddr) {
		s.log.WarnContext(ctx, "api keys are being tried", "remote", r.RemoteAddr)
		return who, kinds.Wrap(kinds.Throttled, errWrongKeys, "")
	}
	return who, err
}

func (s *server) badBody(ctx context.Context, err error) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &huma.ErrorModel{Type: problemType + "limit", Status: http.StatusRequestEntityTooLarge,
			Title: http.StatusText(http.StatusRequestEntityTooLarge), Detail: "The body is too large."}
	}
	return s.problem(ctx, kinds.Errorf(kinds.Invalid, "api: the body could not be read"))
}

// noEndpoint answers for a path or method that there isn't, as a problem.
func noEndpoint(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	plain := &keptResponse{header: http.Header{}}
	mux.ServeHTTP(plain, r)
	p := &huma.ErrorModel{Type: problemType + "no-endpoint", Status: http.StatusNotFound, Detail: "There is no such endpoint."}
	if plain.status == http.StatusMethodNotAllowed {
		p.Status = plain.status
		p.Detail = "The endpoint doesn't have this method."
		w.Header().Set("Allow", plain.header.Get("Allow"))
	}
	p.Title = http.StatusText(p.Status)
	writeProblem(w, p)
}

// seenWriter remembers the status that was sent.
type seenWriter struct {
	http.ResponseWriter
	status int
}

func (w *seenWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// keptResponse keeps an answer instead of sending it.
type keptResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keptResponse) Header() http.Header { return k.header }

func (k *keptResponse) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keptResponse) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(b)
}
