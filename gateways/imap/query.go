package imap

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
)

// verdict is what can be said of a message.
type verdict uint8

const (
	nope verdict = iota
	unknown
	yes
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return nope
}

// candidate is a message that is judged. Without m its contents are not known.
type candidate struct {
	index int
	msg   account.Message
	m     *mail
}

// judge says whether the message matches. Without its contents that may be unknown.
func (k *key) judge(ctx context.Context, c *candidate) (verdict, error) {
	switch k.test {
	case testAll, testAny:
		return k.combine(ctx, c)
	case testNot:
		v, err := k.subs[0].judge(ctx, c)
		return yes - v, err
	case testSet:
		return verdictOf(holds(k.list, c.index)), nil
	case testUIDs:
		return verdictOf(holdsUID(k.uids, c.msg.UID)), nil
	case testFlag:
		return verdictOf(c.msg.Flags&k.flag != 0), nil
	case testWord:
		return verdictOf(hasWord(&c.msg, k.text)), nil
	case testDate:
		return verdictOf(k.has(c.msg.Date)), nil
	case testSaved:
		return verdictOf(k.has(c.msg.Saved)), nil
	case testSize:
		return verdictOf(k.has(c.msg.Size)), nil
	case testModSeq:
		return verdictOf(k.has(int64(c.msg.ModSeq))), nil
	case testNever:
		return nope, nil
	}
	if c.m == nil {
		return unknown, nil
	}
	found, err := k.inside(ctx, c.m)
	return verdictOf(found), err
}

// combine judges by subs: first by what is cheap, so that contents are looked into only
// where they decide.
func (k *key) combine(ctx context.Context, c *candidate) (verdict, error) {
	if c.m == nil {
		return k.judgeSubs(ctx, c)
	}
	cheap := *c
	cheap.m = nil
	result, err := k.judgeSubs(ctx, &cheap)
	if err != nil || result != unknown {
		return result, err
	}
	return k.judgeSubs(ctx, c)
}

func (k *key) judgeSubs(ctx context.Context, c *candidate) (verdict, error) {
	decisive, result := nope, yes
	if k.test == testAny {
		decisive, result = yes, nope
	}
	for i := range k.subs {
		v, err := k.subs[i].judge(ctx, c)
		if err != nil || v == decisive {
			return v, err
		}
		if v == unknown {
			result = unknown
		}
	}
	return result, nil
}

func (k *key) has(n int64) bool { return n >= k.from && n < k.to }

// inside judges by what is in the message.
func (k *key) inside(ctx context.Context, m *mail) (bool, error) {
	switch k.test {
	case testSent:
		t := m.sum.Envelope.Time
		return !t.IsZero() && k.has(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).UnixMilli()), nil
	case testHeader:
		return m.hasField(ctx, k.name, k.text)
	case testBody:
		return m.contains(ctx, k.text, false)
	case testText:
		return m.contains(ctx, k.text, true)
	case testEmailID:
		return m.content.EmailID == k.text, nil
	case testThreadID:
		return m.content.Thread == k.text, nil
	}
	return false, nil
}
