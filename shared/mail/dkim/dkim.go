// Package dkim makes and verifies DKIM signatures (RFC 6376, 8301, 8463) and ARC chains
// (RFC 8617), of a message that streams by once: its header is kept, its body hashed.
//
// It does no I/O: keys are looked up by a function that the caller gives.
package dkim

import (
	"context"
	"time"
)

// Result is what came of a check, in the words of RFC 8601, section 2.7.1.
type Result string

// The results.
const (
	None      Result = "none"      // nothing was signed
	Pass      Result = "pass"      // the signature is good
	Fail      Result = "fail"      // it isn't
	Policy    Result = "policy"    // it may be good, but we don't take it
	Neutral   Result = "neutral"   // it can't be read
	TempError Result = "temperror" // nobody could say now
	PermError Result = "permerror" // nobody ever can
)

// Limits.
const (
	MaxSignatures = 8        // DKIM-Signature fields that are looked at, from the top
	maxField      = 16 << 10 // octets of a signature field
	maxTags       = 40       // of one tag list
	maxSigned     = 300      // names in h=
	minRSA        = 1024     // bits; RFC 8301, section 3.2
	maxRSA        = 8192     // bits: what is larger costs more than it is worth
)

// Signature is a DKIM-Signature field and what came of it.
type Signature struct {
	Domain    string // d=, lower case
	Selector  string // s=, lower case
	Identity  string // i=, as written; "@" and the domain if it has none
	Algorithm string // a=, as "rsa-sha256"
	Short     string // the first characters of b=, by which reports tell signatures apart (RFC 6008)
	Result    Result
	Reason    string // why it is no pass
	Testing   bool   // the key says that its owner is only trying (t=y)
}

// Lookup gives the texts at a name in the DNS. An error that says Temporary() true (as
// net.DNSError does) leads to TempError, any other to PermError.
type Lookup func(ctx context.Context, name string) ([]string, error)

// Verifier checks the signatures of one message. It is an io.Writer of the message's bytes
// as they came. Not safe for concurrent use.
type Verifier struct {
	Digest
	lookup Lookup
	now    time.Time
}

// NewVerifier gives a verifier of a message that came at now.
func NewVerifier(lookup Lookup, now time.Time) *Verifier {
	return &Verifier{lookup: lookup, now: now}
}

// Verify says what became of each signature, after the last byte was written; at most
// MaxSignatures. Keys are looked up side by side, until ctx ends.
func (v *Verifier) Verify(ctx context.Context) []Signature {
	h := v.Header()
	var found []*signature
	for _, f := range h.fields {
		if f.Is("DKIM-Signature") && len(found) < MaxSignatures {
			found = append(found, parseSignature(f))
		}
	}
	return v.checkAll(ctx, found)
}

func (v *Verifier) checkAll(ctx context.Context, found []*signature) []Signature {
	done := make(chan struct{}, len(found))
	for _, s := range found {
		go func() {
			defer func() { done <- struct{}{} }()
			v.check(ctx, s)
		}()
	}
	for range found {
		<-done
	}
	list := make([]Signature, len(found))
	for i, s := range found {
		list[i] = s.Signature
	}
	return list
}

// check verifies one signature.
func (v *Verifier) check(ctx context.Context, s *signature) {
	if s.Result != "" {
		return
	}
	if !s.expires.IsZero() && v.now.After(s.expires) {
		s.end(PermError, "the signature has expired")
		return
	}
	// RFC 6376, section 6.1.1: a signature of a part of the body only must not be taken for one of the whole.
	if s.partial {
		s.end(Policy, "only a part of the body is signed (l=)")
		return
	}
	key, result, reason := fetchKey(ctx, v.lookup, s.Selector, s.Domain)
	if result != "" {
		s.end(result, reason)
		return
	}
	s.Testing = key.Testing
	if reason := key.unfit(s); reason != "" {
		s.end(PermError, reason)
		return
	}
	if string(v.BodyHash(s.body)) != string(s.bodyHash) {
		s.end(Fail, "the body was changed")
		return
	}
	if !key.verify(s.algorithm(), s.signed(v.Header()), s.value) {
		s.end(Fail, "the signature does not fit the header")
		return
	}
	s.end(Pass, "")
}
