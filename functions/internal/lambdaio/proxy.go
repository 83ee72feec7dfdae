package lambdaio

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// maxAnswer is how many bytes an answer's body may have: the Lambda service takes 6 MB with
// all that JSON or base64 add.
const maxAnswer = 4_000_000

// Proxy makes a function of h behind an API gateway of the REST kind (v1) that passes
// requests on as they are (proxy integration). h sees paths without the gateway's stage
// and base path, and the client's address as the remote one; the context of a request
// ends a little before the function's time does.
func Proxy(h http.Handler, log *slog.Logger) func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	return func(ctx context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		ctx, cancel := before(ctx)
		defer cancel()
		w := &answer{header: http.Header{}}
		r, base, err := request(ctx, &e)
		if err != nil {
			http.Error(w, "the request could not be read", http.StatusBadRequest)
		} else {
			serve(h, w, r, log)
		}
		return w.response(r, base), nil
	}
}

func serve(h http.Handler, w *answer, r *http.Request, log *slog.Logger) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(r.Context(), "request panicked", "panic", p, "stack", string(debug.Stack()))
			*w = answer{header: http.Header{}}
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	}()
	h.ServeHTTP(w, r)
}

// request is the client's request, and what stood before its path.
func request(ctx context.Context, e *events.APIGatewayProxyRequest) (r *http.Request, base string, err error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, "", kinds.Wrap(kinds.Invalid, err, "lambdaio: a request's body")
		}
	}
	u, base := location(e)
	r = &http.Request{Method: e.HTTPMethod, URL: u, RequestURI: u.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, ContentLength: int64(len(body)), Host: e.RequestContext.DomainName}
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if e.RequestContext.Identity.SourceIP != "" {
		r.RemoteAddr = net.JoinHostPort(e.RequestContext.Identity.SourceIP, "0")
	}
	for name, values := range several(e.MultiValueHeaders, e.Headers) {
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	r.Header.Del("Host")
	return r.WithContext(ctx), base, nil
}

// several gives what a request has several values of. The gateway gives every value, and
// the last one of each; an event that was made by hand may have only these.
func several(every map[string][]string, last map[string]string) map[string][]string {
	if len(every) > 0 {
		return every
	}
	every = make(map[string][]string, len(last))
	for name, v := range last {
		every[name] = []string{v}
	}
	return every
}

// location gives the request's URL as h knows it, and what stood before its path: the
// gateway's stage, or the base path of its own domain. The path comes as the client sent it,
// parameters of path and query come decoded.
func location(e *events.APIGatewayProxyRequest) (u *url.URL, base string) {
	path := strings.TrimPrefix(e.Path, basePath(e))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	u = &url.URL{Path: path}
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = decoded, path
	}
	u.RawQuery = url.Values(several(e.MultiValueQueryStringParameters, e.QueryStringParameters)).Encode()
	if whole := e.RequestContext.Path; strings.HasSuffix(whole, path) {
		base = whole[:len(whole)-len(path)]
	}
	return u, base
}

// basePath is what stands before that part of a path which the gateway matched: a base path
// of the gateway's own domain does, a stage does not. Parameters may come decoded.
func basePath(e *events.APIGatewayProxyRequest) string {
	var pairs []string
	for name, v := range e.PathParameters {
		pairs = append(pairs, "{"+name+"+}", v, "{"+name+"}", v)
	}
	matched := strings.NewReplacer(pairs...).Replace(e.Resource)
	if len(matched) < 2 {
		return ""
	}
	if base, ok := strings.CutSuffix(e.Path, matched); ok {
		return base
	}
	decoded, err := url.PathUnescape(e.Path)
	base, ok := strings.CutSuffix(decoded, matched)
	if err != nil || !ok || !strings.HasPrefix(e.Path, base) {
		return ""
	}
	return base
}

// answer keeps what a handler answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	large  bool // too large
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.large = a.large || a.body.Len()+len(b) > maxAnswer; a.large {
		return 0, kinds.Errorf(kinds.Limit, "lambdaio: an answer of more than %d bytes", maxAnswer)
	}
	return a.body.Write(b)
}

// response is the answer as the gateway takes it. What is no text goes as base64, which a
// gateway decodes for the media types that it was told are binary.
func (a *answer) response(r *http.Request, base string) events.APIGatewayProxyResponse {
	if a.large {
		*a = answer{header: http.Header{}}
		http.Error(a, "the answer is too large: a list takes a smaller limit", http.StatusInternalServerError)
	}
	a.WriteHeader(http.StatusOK)
	if to := a.header.Get("Location"); strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
		a.header.Set("Location", base+to)
	}
	if a.body.Len() > 0 && a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", http.DetectContentType(a.body.Bytes()))
	}
	out := events.APIGatewayProxyResponse{StatusCode: a.status, MultiValueHeaders: a.header}
	switch body := a.body.Bytes(); {
	case r != nil && r.Method == http.MethodHead:
	case utf8.Valid(body):
		out.Body = string(body)
	default:
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return out
}
