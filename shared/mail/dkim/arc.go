package dkim

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// maxInstance is how many servers may have sealed a message.
//
// RFC 8617, section 4.2.1: the number of ARC Sets is limited to 50.
const maxInstance = 50

// Chain is what came of a message's ARC chain.
type Chain struct {
	Result Result // None, Pass, Fail or TempError
	Reason string
	Seals  []Seal // from the first to the last
}

// Seal is one server's word for what a message was when it came there.
type Seal struct {
	Domain  string // who sealed
	Results string // its Authentication-Results: the value after the instance, unfolded
}

// arcSet is the three fields of one instance.
type arcSet struct {
	results, message, seal *header.Field
	n                      int
}

var arcNames = []string{"ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"}

// sets collects the sets of a header. The error says what is wrong with them.
func (h *Header) sets() ([]arcSet, string) {
	var list [maxInstance]arcSet
	count, most := 0, 0
	for _, f := range h.fields {
		for kind, name := range arcNames {
			if !f.Is(name) {
				continue
			}
			n := instance(f)
			if n == 0 || len(f.Raw) > maxField {
				return nil, "a field has no instance, or is too long"
			}
			set := &list[n-1]
			at := [...]**header.Field{&set.results, &set.message, &set.seal}[kind]
			if *at != nil {
				return nil, fmt.Sprintf("instance %d is there twice", n)
			}
			*at, set.n = &f, n
			count, most = count+1, max(most, n)
		}
	}
	if count != 3*most {
		return nil, "an instance is not complete"
	}
	return list[:most], ""
}

// instance reads i=, 0 if it isn't one.
func instance(f header.Field) int {
	first, _, _ := strings.Cut(string(f.Value), ";")
	if !f.Is(arcNames[0]) {
		t, err := parseTags(string(f.Value))
		if err != nil {
			return 0
		}
		first = "i=" + t.compact("i")
	}
	name, value, _ := strings.Cut(first, "=")
	n, err := strconv.Atoi(trim(value))
	if err != nil || trim(name) != "i" || n < 1 || n > maxInstance {
		return 0
	}
	return n
}

// VerifyARC says what became of the message's ARC chain, after the last byte was written.
//
// RFC 8617, section 5.2: the newest message signature and all seals must be good.
func (v *Verifier) VerifyARC(ctx context.Context) Chain {
	sets, wrong := v.Header().sets()
	if wrong != "" {
		return Chain{Result: Fail, Reason: wrong}
	}
	if len(sets) == 0 {
		return Chain{Result: None}
	}
	c := Chain{Result: Pass}
	for i := range sets {
		t, _ := parseTags(string(sets[i].seal.Value))
		c.Seals = append(c.Seals, Seal{strings.ToLower(t.compact("d")), sets[i].payload()})
		if want := sealState(i); t.compact("cv") != want {
			return c.failed(Fail, fmt.Sprintf("seal %d says cv=%.20q", i+1, t.compact("cv")))
		}
	}
	last := parseSignature(*sets[len(sets)-1].message)
	if last.signs("ARC-Seal") { // RFC 8617, section 4.1.2
		return c.failed(Fail, "the message signature signs a seal")
	}
	if v.check(ctx, last); last.Result != Pass {
		return c.failed(last.Result, "message signature: "+last.Reason)
	}
	wait := make(chan Chain, len(sets))
	for n := len(sets); n > 0; n-- {
		go func() { wait <- v.checkSeal(ctx, sets[:n]) }()
	}
	for range sets {
		if one := <-wait; one.Result != Pass && c.Result != Fail {
			c = c.failed(one.Result, one.Reason)
		}
	}
	return c
}

func sealState(i int) string {
	if i == 0 {
		return "none"
	}
	return "pass"
}

func (c Chain) failed(r Result, reason string) Chain {
	if r != TempError {
		r = Fail
	}
	c.Result, c.Reason = r, reason
	return c
}

// payload is the results without their instance.
func (s *arcSet) payload() string {
	_, rest, _ := strings.Cut(s.results.Text(), ";")
	return trim(rest)
}

// checkSeal verifies the seal of the last of sets.
//
// RFC 8617, section 5.1.1: the ARC Sets in ascending order, each with results, message signature and seal; relaxed.
func (v *Verifier) checkSeal(ctx context.Context, sets []arcSet) Chain {
	last := sets[len(sets)-1]
	t, err := parseTags(string(last.seal.Value))
	domain, selector := strings.ToLower(t.compact("d")), strings.ToLower(t.compact("s"))
	value, ok := t.base64("b")
	_, listed := t["h"]
	algorithm, hash, _ := strings.Cut(strings.ToLower(t.compact("a")), "-")
	if err != nil || !ok || listed || hash != "sha256" || !isDomain(domain) || !isSelector(selector) {
		return Chain{}.failed(Fail, fmt.Sprintf("seal %d can't be read", last.n))
	}
	key, result, reason := fetchKey(ctx, v.lookup, selector, domain)
	if result != "" {
		return Chain{}.failed(result, fmt.Sprintf("seal %d: %s", last.n, reason))
	}
	if !key.verify(algorithm, sealed(sets), value) {
		return Chain{}.failed(Fail, fmt.Sprintf("seal %d does not fit", last.n))
	}
	return Chain{Result: Pass}
}

// sealed gives what the seal of the last of sets signs.
func sealed(sets []arcSet) []byte {
	var text []byte
	for i, s := range sets {
		text = Relaxed.field(text, s.results.Raw)
		text = Relaxed.field(text, s.message.Raw)
		if i < len(sets)-1 {
			text = Relaxed.field(text, s.seal.Raw)
		} else {
			text = Relaxed.field(text, withoutValue(s.seal.Raw))
		}
	}
	return bytes.TrimSuffix(text, []byte("\r\n"))
}

// SealARC gives the three fields of a new ARC set, to be put before the message: results
// is the value of our own Authentication-Results (with our authserv-id), chain what came
// of the chain so far, bodyHash that of the relaxed body. A failed or full chain is not
// sealed: "" is returned.
func (s *Signer) SealARC(h *Header, bodyHash []byte, chain Chain, results string, now time.Time) (string, error) {
	sets, wrong := h.sets()
	if wrong != "" || chain.Result != None && chain.Result != Pass || len(sets) == maxInstance {
		return "", nil
	}
	n := len(sets) + 1
	aar := fmt.Sprintf("ARC-Authentication-Results: i=%d; %s\r\n", n, results)
	names := append(h.toSign(), "DKIM-Signature")
	ams, err := s.seal(h, names, fmt.Sprintf("ARC-Message-Signature: i=%d; a=%s; c=relaxed/relaxed; d=%s; s=%s;\r\n\tt=%d; h=%s;\r\n\tbh=%s;\r\n\tb=",
		n, s.algorithm(), s.Domain, s.Selector, now.Unix(), fold(strings.Join(names, ":"), ":"), base64.StdEncoding.EncodeToString(bodyHash)))
	if err != nil {
		return "", err
	}
	as := fmt.Sprintf("ARC-Seal: i=%d; a=%s; cv=%s; d=%s; s=%s;\r\n\tt=%d; b=", n, s.algorithm(), sealState(len(sets)), s.Domain, s.Selector, now.Unix())
	set := arcSet{&header.Field{Raw: []byte(aar)}, &header.Field{Raw: []byte(ams)}, &header.Field{Raw: []byte(as + "\r\n")}, n}
	value, err := s.sign(sealed(append(sets[:len(sets):len(sets)], set)))
	if err != nil {
		return "", err
	}
	return as + fold(base64.StdEncoding.EncodeToString(value), "") + "\r\n" + ams + aar, nil
}
