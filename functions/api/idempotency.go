package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	maxIdempotencyKey = 200
	keepAnswer        = 24 * time.Hour
	// keepAttempt is longer than a request may take: an attempt that is older has died,
	// and the next may begin.
	keepAttempt = 2 * maxRequest
)

// attempt is what is kept of a request that was sent under an idempotency key.
type attempt struct {
	Request []byte `cbor:"1,keyasint"`           // SHA-256 of method, path and body
	Answer  []byte `cbor:"2,keyasint,omitempty"` // sealed; empty while it is being worked on
	Nonce   string `cbor:"3,keyasint,omitempty"`
}

// answer is what is given again.
type answer struct {
	Status int               `cbor:"1,keyasint"`
	Header map[string]string `cbor:"2,keyasint"`
	Body   []byte            `cbor:"3,keyasint"`
}

// once answers a request that carries an idempotency key: it is done at most once, and
// the answer is given again to who sends the same again. Answers may hold secrets that
// are shown only once, so they are sealed with a key made of what only the client has:
// its API key and the idempotency key.
func (s *server) once(mux http.Handler, w http.ResponseWriter, r *http.Request, body []byte, word string) {
	ctx := r.Context()
	if len(word) > maxIdempotencyKey {
		writeProblem(w, s.problem(ctx, kinds.Errorf(kinds.Limit, "api: an Idempotency-Key has at most %d bytes", maxIdempotencyKey)))
		return
	}
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	secret := []byte(strings.TrimSpace(key) + "\x00" + word)
	name := sha256.Sum256([]byte(scope(ctx).Actor + "\x00" + word))
	request := sha256.Sum256([]byte(r.Method + " " + r.URL.RequestURI() + "\x00" + string(body)))
	at := records.Key{Space: "api/idempotency", ID: hex.EncodeToString(name[:])}
	// The port takes an equal put for its own retry. Two attempts at the same request
	// must not be equal: only one of them may run.
	value, err := cbor.Marshal(attempt{Request: request[:], Nonce: rand.Text()})
	if err != nil {
		writeProblem(w, s.problem(ctx, err))
		return
	}
	version, err := s.records.Put(ctx, records.Record{Key: at, Value: value, Expires: s.now().Add(keepAttempt)}, 0)
	if changed := (*records.Changed)(nil); errors.As(err, &changed) && changed.Current != nil {
		s.again(w, r, *changed.Current, request[:], secret)
		return
	}
	if err != nil {
		writeProblem(w, s.problem(ctx, err))
		return
	}
	kept := &keptResponse{header: http.Header{}}
	mux.ServeHTTP(kept, r)
	s.keep(r, at, version, request[:], secret, kept)
	kept.send(w)
}

// again answers from what is kept.
func (s *server) again(w http.ResponseWriter, r *http.Request, earlier records.Record, request, secret []byte) {
	var a attempt
	if err := cbor.Unmarshal(earlier.Value, &a); err != nil {
		writeProblem(w, s.problem(r.Context(), kinds.Wrap(kinds.Corrupt, err, "api: a kept attempt")))
		return
	}
	switch {
	case string(a.Request) != string(request):
		writeProblem(w, &huma.ErrorModel{Type: problemType + "idempotency-key-reused", Status: http.StatusUnprocessableEntity,
			Title: http.StatusText(http.StatusUnprocessableEntity), Detail: "This Idempotency-Key was used for another request."})
		return
	case len(a.Answer) == 0:
		w.Header().Set("Retry-After", "1")
		writeProblem(w, &huma.ErrorModel{Type: problemType + "in-progress", Status: http.StatusConflict,
			Title: http.StatusText(http.StatusConflict), Detail: "The same request is being worked on."})
		return
	}
	given, err := unseal(secret, a.Answer)
	if err != nil {
		writeProblem(w, s.problem(r.Context(), err))
		return
	}
	for k, v := range given.Header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(given.Status)
	_, _ = w.Write(given.Body)
}

// keep notes the answer. One that says "try again" isn't kept: the attempt is forgotten,
// so that it can be made again.
func (s *server) keep(r *http.Request, at records.Key, version uint64, request, secret []byte, kept *keptResponse) {
	// What was done is noted even if the client has gone: it will ask again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), maxRequest)
	defer cancel()
	if kept.status >= 500 || kept.status == http.StatusTooManyRequests {
		if err := s.records.Delete(ctx, at, version); err != nil {
			s.log.WarnContext(ctx, "api: an attempt is kept until it expires", "err", err)
		}
		return
	}
	given := answer{Status: kept.status, Header: map[string]string{}, Body: kept.body.Bytes()}
	for _, k := range []string{"Content-Type", "Location", "Etag"} {
		if v := kept.header.Get(k); v != "" {
			given.Header[k] = v
		}
	}
	sealed, err := seal(secret, given)
	if err == nil {
		var value []byte
		if value, err = cbor.Marshal(attempt{Request: request, Answer: sealed}); err == nil {
			_, err = s.records.Put(ctx, records.Record{Key: at, Value: value, Expires: s.now().Add(keepAnswer)}, version)
		}
	}
	if err != nil {
		s.log.WarnContext(ctx, "api: an answer could not be kept", "err", err)
	}
}

func (k *keptResponse) send(w http.ResponseWriter) {
	for name, values := range k.header {
		w.Header()[name] = values
	}
	w.WriteHeader(max(k.status, http.StatusOK))
	_, _ = w.Write(k.body.Bytes())
}

func sealer(secret []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "godwit idempotent answer", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func seal(secret []byte, a answer) ([]byte, error) {
	aead, err := sealer(secret)
	if err != nil {
		return nil, err
	}
	plain, err := cbor.Marshal(a)
	return aead.Seal(nil, nil, plain, nil), err
}

func unseal(secret, sealed []byte) (a answer, err error) {
	aead, err := sealer(secret)
	if err != nil {
		return a, err
	}
	plain, err := aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return a, kinds.Wrap(kinds.Corrupt, err, "api: a kept answer")
	}
	return a, kinds.Wrap(kinds.Corrupt, cbor.Unmarshal(plain, &a), "api: a kept answer")
}
