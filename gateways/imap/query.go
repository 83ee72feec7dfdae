package imap

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

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

// query is a search that is ready to be asked: all that is in it must hold.
type query struct {
	in  [][]uint32 // sets of UIDs, ascending
	c   *imap.SearchCriteria
	not []*query
	or  [][2]*query
}

// budget bounds a search.
type budget struct{ terms, texts int }

// compile resolves the sets of a search. Numbers that no message has match nothing.
func (v *view) compile(c *imap.SearchCriteria, depth int, b *budget) (*query, error) {
	q := &query{c: c}
	b.terms++
	b.texts += len(c.Header) + len(c.Body) + len(c.Text)
	if depth > maxSearchDepth || b.terms > maxSearchTerms || b.texts > maxSearchTexts {
		return nil, no(imap.ResponseCodeLimit, "The search is too complex")
	}
	for _, set := range c.SeqNum {
		var clipped imap.SeqSet
		n := uint32(len(v.uids))
		for _, r := range set {
			lo, hi := bounds(r.Start, r.Stop, n)
			if lo <= n && n > 0 {
				clipped = append(clipped, imap.SeqRange{Start: lo, Stop: min(hi, n)})
			}
		}
		uids, err := v.resolve(clipped)
		if err != nil {
			return nil, err
		}
		q.in = append(q.in, uids)
	}
	for _, set := range c.UID {
		uids, err := v.resolve(set)
		if err != nil {
			return nil, err
		}
		q.in = append(q.in, uids)
	}
	for i := range c.Not {
		sub, err := v.compile(&c.Not[i], depth+1, b)
		if err != nil {
			return nil, err
		}
		q.not = append(q.not, sub)
	}
	for i := range c.Or {
		a, err := v.compile(&c.Or[i][0], depth+1, b)
		if err != nil {
			return nil, err
		}
		other, err := v.compile(&c.Or[i][1], depth+1, b)
		if err != nil {
			return nil, err
		}
		q.or = append(q.or, [2]*query{a, other})
	}
	return q, nil
}

// judge says whether the message matches. Without m it may be unknown.
func (q *query) judge(ctx context.Context, msg *account.Message, m *mail) (verdict, error) {
	if !q.outside(msg) {
		return nope, nil
	}
	result := yes
	and := func(v verdict) { result = min(result, v) }
	for _, sub := range q.not {
		v, err := sub.judge(ctx, msg, m)
		if err != nil || v == yes {
			return nope, err
		}
		and(yes - v)
	}
	for _, pair := range q.or {
		a, err := pair[0].judge(ctx, msg, m)
		if err != nil {
			return nope, err
		}
		b := a
		if a != yes {
			if b, err = pair[1].judge(ctx, msg, m); err != nil {
				return nope, err
			}
		}
		and(max(a, b))
	}
	if result == nope {
		return nope, nil
	}
	c := q.c
	switch {
	case len(c.Header)+len(c.Body)+len(c.Text) == 0 && c.SentSince.IsZero() && c.SentBefore.IsZero():
		return result, nil
	case m == nil:
		return unknown, nil
	}
	inside, err := q.inside(ctx, m)
	and(verdictOf(inside))
	return result, err
}

// outside judges by flags, dates, size and UID.
func (q *query) outside(msg *account.Message) bool {
	c := q.c
	for _, set := range q.in {
		if _, ok := slices.BinarySearch(set, msg.UID); !ok {
			return false
		}
	}
	for _, f := range c.Flag {
		if !hasFlag(msg, f) {
			return false
		}
	}
	for _, f := range c.NotFlag {
		if hasFlag(msg, f) {
			return false
		}
	}
	return within(time.UnixMilli(msg.Date).UTC(), c.Since, c.Before) &&
		(c.Larger == 0 || msg.Size > c.Larger) && (c.Smaller == 0 || msg.Size < c.Smaller)
}

// inside judges by what is in the message, the cheap things first.
func (q *query) inside(ctx context.Context, m *mail) (bool, error) {
	c := q.c
	if !c.SentSince.IsZero() || !c.SentBefore.IsZero() {
		if sent := m.sum.Envelope.Time; sent.IsZero() || !within(sent, c.SentSince, c.SentBefore) {
			return false, nil
		}
	}
	for _, h := range c.Header {
		if ok, err := m.hasField(ctx, h.Key, h.Value); err != nil || !ok {
			return false, err
		}
	}
	for _, needle := range c.Body {
		if ok, err := m.contains(ctx, needle, false); err != nil || !ok {
			return false, err
		}
	}
	for _, needle := range c.Text {
		if ok, err := m.contains(ctx, needle, true); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// within compares days only.
//
// RFC 9051, section 6.4.4: SINCE: Messages whose internal date (disregarding time and timezone) is within or later than the specified date.
func within(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

func sortUIDs(uids []uint32) []uint32 {
	slices.Sort(uids)
	return uids
}

// fold makes text comparable: case doesn't count.
func fold(s string) string { return strings.ToLower(s) }
