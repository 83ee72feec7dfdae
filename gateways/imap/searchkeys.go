package imap

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/mail/collate"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

const (
	maxSearchDepth = 100  // of NOT, OR and parentheses
	maxSearchKeys  = 1000 // in all
	maxSearchTexts = 64   // texts looked for in headers and bodies
)

// test is what a key of a search looks at.
type test uint8

const (
	testAll test = iota // of subs
	testAny             // of subs
	testNot             // subs[0]
	testSet             // list
	testFlag
	testWord
	testDate
	testUIDs // uids
	testSaved
	testSize
	testModSeq
	testNever // and of what needs contents:
	testSent
	testHeader
	testBody
	testText
	testEmailID
	testThreadID
)

// key is one key of a search.
type key struct {
	test
	subs     []key
	list     []span
	uids     []account.Range // of a set of UIDs: those too that are to come
	flag     account.Flags
	from, to int64 // in which the number must lie, to not in it
	name     string
	text     string // its collation key, where texts are looked for
}

// searchParser reads the keys of one search. Sets are resolved at once.
type searchParser struct {
	*command
	view    *view
	charset string // of the texts
	uidOnly bool
	now     time.Time
	keys    int
	texts   int
	modSeq  bool // MODSEQ was asked for
}

func (p *searchParser) fail(text string) { p.Fail(wire.SyntaxError(text)) }

// all reads keys up to the end, or to a parenthesis.
func (p *searchParser) all(depth int) key {
	k := key{}
	for p.Err() == nil {
		k.subs = append(k.subs, p.key(depth))
		if p.AtEnd() || !p.Try(' ') {
			break
		}
	}
	return k
}

func tooComplex() error { return no(imap.ResponseCodeLimit, "The search is too complex") }

// key reads one key.
//
// RFC 9051, section 9: search-key = "ALL" / "ANSWERED" / ...
func (p *searchParser) key(depth int) key {
	if p.keys++; p.keys > maxSearchKeys || depth > maxSearchDepth {
		p.Fail(tooComplex())
		return key{}
	}
	switch {
	case p.Try('('):
		if depth >= maxSearchDepth {
			p.fail("Too many parentheses")
		}
		k := p.all(depth + 1)
		p.Expect(')')
		return k
	case p.IsSet():
		if p.uidOnly && p.Peek() != '$' {
			p.Fail(errUIDRequired())
		}
		list, _ := p.set(false)
		return key{test: testSet, list: list}
	}
	name := p.Keyword()
	if bare, un := strings.CutPrefix(name, "UN"); systemFlagOf(`\`+bare) != 0 {
		k := key{test: testFlag, flag: systemFlagOf(`\` + bare)}
		if un {
			return key{test: testNot, subs: []key{k}}
		}
		return k
	}
	if k, ok := p.simple(name); ok {
		return k
	}
	p.SP()
	switch name {
	case "NOT":
		return key{test: testNot, subs: []key{p.key(depth + 1)}}
	case "OR":
		a := p.key(depth + 1)
		p.SP()
		return key{test: testAny, subs: []key{a, p.key(depth + 1)}}
	case "UID":
		k := key{test: testSet}
		k.list, k.uids = p.set(true)
		return k
	case "KEYWORD":
		return p.keyword()
	case "UNKEYWORD":
		return key{test: testNot, subs: []key{p.keyword()}}
	}
	if k, ok := p.number(name); ok {
		return k
	}
	return p.content(name)
}

// simple reads keys without an argument.
func (p *searchParser) simple(name string) (key, bool) {
	switch name {
	case "ALL", "OLD", "SAVEDATESUPPORTED":
		return key{}, true
	case "NEW", "RECENT":
		return key{test: testNever}, true
	}
	return key{}, false
}

func (p *searchParser) keyword() key {
	word := p.Flag()
	if bit := systemFlagOf(word); bit != 0 {
		return key{test: testFlag, flag: bit}
	}
	return key{test: testWord, text: word}
}

// set reads a set; numbers that no message has match nothing.
func (p *searchParser) set(uid bool) (list []span, uids []account.Range) {
	set := p.Set()
	if n := uint32(p.view.len()); !uid && !set.Saved {
		var inside []wire.Span
		for _, r := range set.Spans {
			if lo, hi := r.Bounds(n); lo <= n && n > 0 {
				inside = append(inside, wire.Span{Start: max(lo, 1), Stop: min(hi, n)})
			}
		}
		set.Spans = inside
	}
	list, err := p.view.resolve(set, uid)
	if err != nil {
		p.Fail(err)
	}
	if uid {
		last := uint32(1)
		if n := p.view.len(); n > 0 {
			last = p.view.uid(n - 1)
		}
		for _, r := range set.Spans {
			lo, hi := r.Bounds(last)
			if r.Start == wire.Star || r.Stop == wire.Star {
				hi = math.MaxUint32
			}
			uids = append(uids, account.Range{First: lo, Last: hi})
		}
	}
	return list, uids
}

const (
	endOfTime = int64(1) << 62
	dayMillis = int64(24 * time.Hour / time.Millisecond)
)

// number reads keys that compare numbers and times.
//
// RFC 9051, section 6.4.4: SINCE: Messages whose internal date (disregarding time and timezone) is within or later than the specified date.
// WITHIN is RFC 5032.
func (p *searchParser) number(name string) (key, bool) {
	k := key{from: -endOfTime, to: endOfTime}
	base, saved := strings.CutPrefix(name, "SAVED")
	sent := false
	if !saved {
		base, sent = strings.CutPrefix(name, "SENT")
	}
	switch base {
	case "BEFORE", "ON", "SINCE":
		k.test = testDate
		if saved {
			k.test = testSaved
		} else if sent {
			k.test = testSent
		}
		day := p.Date().UnixMilli()
		if base != "BEFORE" {
			k.from = day
		}
		switch base {
		case "BEFORE":
			k.to = day
		case "ON":
			k.to = day + dayMillis
		}
		return k, true
	}
	switch name {
	case "LARGER":
		k.test, k.from = testSize, p.Number64()
		k.from++
	case "SMALLER":
		k.test, k.to = testSize, p.Number64()
	case "YOUNGER", "OLDER":
		k.test = testDate
		ago := p.now.UnixMilli() - int64(p.Number())*1000
		if name == "YOUNGER" {
			k.from = ago
		} else {
			k.to = ago + 1
		}
	case "MODSEQ":
		p.modSeq = true
		if p.Peek() == '"' { // of one flag; all that a message has is one here
			_ = p.Text()
			p.SP()
			if who := p.Keyword(); who != "PRIV" && who != "SHARED" && who != "ALL" {
				p.fail("Unknown entry type")
			}
			p.SP()
		}
		k.test, k.from = testModSeq, int64(p.ModSeq())
	default:
		return key{}, false
	}
	return k, true
}

// content reads keys for which messages must be read.
func (p *searchParser) content(name string) key {
	k := key{test: testHeader, name: name}
	switch name {
	case "FROM", "TO", "CC", "BCC", "SUBJECT":
	case "HEADER":
		k.name = p.AString()
		p.SP()
	case "BODY":
		k.test = testBody
	case "TEXT":
		k.test = testText
	case "EMAILID":
		k.test = testEmailID
	case "THREADID":
		k.test = testThreadID
	default:
		p.fail("Unknown search key")
		return k
	}
	if p.texts++; p.texts > maxSearchTexts {
		p.Fail(tooComplex())
	}
	switch k.test {
	case testEmailID, testThreadID:
		k.text = p.AString()
	default:
		k.text = collate.Key(p.textIn())
	}
	return k
}

// What it costs to judge by a key.
const (
	costNothing = iota
	costSummary
	costHeader // a part of the blob is read
	costBody   // all of it may be
)

func (k *key) cost() (cost int) {
	switch k.test {
	case testSent, testEmailID, testThreadID:
		return costSummary
	case testHeader:
		if message.Listed(k.name) {
			return costSummary
		}
		return costHeader
	case testBody, testText:
		return costBody
	}
	for i := range k.subs {
		cost = max(cost, k.subs[i].cost())
	}
	return cost
}

// order puts what costs less first, wherever the order does not matter.
func (k *key) order() {
	for i := range k.subs {
		k.subs[i].order()
	}
	if len(k.subs) > 1 {
		slices.SortStableFunc(k.subs, func(a, b key) int { return a.cost() - b.cost() })
	}
}
