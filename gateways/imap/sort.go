package imap

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// criterion is what messages are sorted by.
type criterion struct {
	by      sortBy
	text    int // of byText
	reverse bool
}

type sortBy uint8

const (
	byArrival sortBy = iota
	bySize
	bySent // and from here on summaries are needed
	byText
)

const maxCriteria = 32

// parseCriteria reads (REVERSE DATE SUBJECT).
//
// RFC 5256, section 5: sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"
func parseCriteria(cmd *command) (list []criterion) {
	cmd.List(func() {
		var c criterion
		name := cmd.Keyword()
		if name == "REVERSE" {
			c.reverse = true
			cmd.SP()
			name = cmd.Keyword()
		}
		switch name {
		case "ARRIVAL":
			c.by = byArrival
		case "SIZE":
			c.by = bySize
		case "DATE":
			c.by = bySent
		default:
			c.by = byText
			c.text = slices.Index([]string{"SUBJECT", "FROM", "TO", "CC", "DISPLAYFROM", "DISPLAYTO"}, name)
			if c.text < 0 {
				cmd.Fail(wire.SyntaxError("Unknown sort criterion"))
			}
		}
		if list = append(list, c); len(list) > maxCriteria {
			cmd.Fail(no(imap.ResponseCodeLimit, "Too many sort criteria"))
		}
	})
	if len(list) == 0 {
		cmd.Fail(wire.SyntaxError("A sort criterion is missing"))
	}
	return list
}

// sort is SORT and UID SORT: a search of which the result is in another order. ESORT, which
// is the same with RETURN, is RFC 5267; SORT=DISPLAY is RFC 5957.
func (s *session) sort(cmd *command) error {
	cmd.SP()
	r := parseResult(cmd)
	s.checkUpdate(cmd, r)
	by := parseCriteria(cmd)
	cmd.SP()
	charset := parseCharset(cmd)
	cmd.SP()
	q, err := s.parseQuery(cmd, s.view, charset)
	if err == nil {
		if err = s.find(cmd, q); err == nil {
			var order []int32
			if order, err = s.order(s.progress(cmd, 0), q.hits, by); err == nil {
				s.tellSorted(cmd, r, q, order)
				if r.update {
					s.keepContext(cmd, q, by, order)
				}
				return nil
			}
		}
	}
	s.unsave(r)
	return err
}

// order gives the order of messages that were found.
func (s *session) order(p *progress, hits []hit, by []criterion) ([]int32, error) {
	o := &sorter{hits: hits, by: by}
	if slices.ContainsFunc(by, func(c criterion) bool { return c.by >= bySent }) && len(hits) > 1 {
		rows, cols, err := s.rows(p, hits)
		if err != nil {
			return nil, s.fail(err)
		}
		o.rows, o.texts = rows, cols.texts
	}
	return o.sort(), nil
}

// sorter sorts messages. Those that are the same by all criteria keep their order.
type sorter struct {
	hits  []hit
	rows  []traits // one for each
	texts []string
	by    []criterion
}

// sort compares by a number for each message first, which decides in most cases.
func (o *sorter) sort() []int32 {
	type item struct {
		key uint64
		at  int32
	}
	items := make([]item, len(o.hits))
	for i := range items {
		items[i] = item{o.key(int32(i)), int32(i)}
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return o.compare(a.at, b.at)
	})
	order := make([]int32, len(items))
	for i := range items {
		order[i] = items[i].at
	}
	return order
}

// key gives a number that is smaller if the message comes before another by the first
// criterion; the same number says nothing.
func (o *sorter) key(i int32) (key uint64) {
	if len(o.hits) < 2 {
		return 0
	}
	c := &o.by[0]
	if c.by == byText {
		var b [8]byte
		copy(b[:], o.texts[o.rows[i].texts[c.text]])
		key = binary.BigEndian.Uint64(b[:])
	} else {
		key = uint64(o.number(c.by, i)) ^ 1<<63
	}
	if c.reverse {
		key = ^key
	}
	return key
}

func (o *sorter) number(by sortBy, i int32) int64 {
	switch by {
	case byArrival:
		return o.hits[i].date
	case bySize:
		return o.hits[i].size
	}
	return o.rows[i].sent
}

func (o *sorter) compare(a, b int32) int {
	for i := range o.by {
		c := &o.by[i]
		n := 0
		if c.by != byText {
			n = cmp.Compare(o.number(c.by, a), o.number(c.by, b))
		} else if x, y := o.rows[a].texts[c.text], o.rows[b].texts[c.text]; x != y {
			n = strings.Compare(o.texts[x], o.texts[y])
		}
		if n != 0 {
			if c.reverse {
				return -n
			}
			return n
		}
	}
	return cmp.Compare(a, b)
}

// tellSorted writes the response, and keeps what SAVE asks for.
func (s *session) tellSorted(cmd *command, r result, q *query, order []int32) {
	list, highest := q.spans()
	number := func(i int32) uint32 {
		if cmd.uid {
			return q.hits[i].uid
		}
		return uint32(q.hits[i].index) + 1
	}
	n := len(order)
	if r.sav {
		s.view.saved = s.view.ranges(savedSorted(r, list, q.hits, order))
		if r.silent() {
			return
		}
	}
	w := s.w()
	if !r.extended {
		w.Raw("* SORT")
		for _, i := range order {
			w.Raw(" ").Uint(uint64(number(i)))
		}
		if highest > 0 {
			w.Raw(" (MODSEQ ").Uint(highest).Raw(")")
		}
		w.CRLF()
		return
	}
	w.Raw("* ESEARCH (TAG ").String(cmd.tag).Raw(")")
	if cmd.uid {
		w.Raw(" UID")
	}
	if n > 0 {
		if r.all {
			w.Raw(" ALL ")
			s.writeRanges(sortedRanges(order, number))
		}
		if r.min {
			w.Raw(" MIN ").Uint(uint64(number(order[0])))
		}
		if r.max {
			w.Raw(" MAX ").Uint(uint64(number(order[n-1])))
		}
	}
	if r.count {
		w.Raw(" COUNT ").Uint(uint64(n))
	}
	if r.page != nil {
		w.Raw(" PARTIAL (").Raw(r.page.text).Raw(" ")
		if part := r.page.cut([]span{{0, n}}); len(part) > 0 {
			s.writeRanges(sortedRanges(order[part[0].from:part[0].to], number))
		} else {
			w.Raw("NIL")
		}
		w.Raw(")")
	}
	if highest > 0 {
		w.Raw(" MODSEQ ").Uint(highest)
	}
	w.CRLF()
}

// sortedRanges gives numbers in their order; what rises by one is a range.
//
// RFC 5267, section 3.2: servers SHOULD present ranges only when the first seq-number is lower than the second
func sortedRanges(order []int32, number func(int32) uint32) (list []account.Range) {
	for _, i := range order {
		n := number(i)
		if k := len(list); k > 0 && list[k-1].Last == n-1 {
			list[k-1].Last = n
			continue
		}
		list = append(list, account.Range{First: n, Last: n})
	}
	return list
}

// savedSorted gives what is kept of a sorted result; MIN and MAX are the first and the last
// there.
func savedSorted(r result, list []span, hits []hit, order []int32) []span {
	n := len(order)
	if n == 0 || r.all || r.count || r.page != nil || !r.min && !r.max {
		return list
	}
	var kept []span
	for _, end := range []struct {
		asked bool
		at    int32
	}{{r.min, order[0]}, {r.max, order[n-1]}} {
		if end.asked {
			i := hits[end.at].index
			kept = append(kept, span{i, i + 1})
		}
	}
	return join(kept)
}
