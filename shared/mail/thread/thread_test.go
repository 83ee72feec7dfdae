package thread

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// text writes a forest as THREAD does, with numbers from 1.
type text struct{ strings.Builder }

func (w *text) Open()  { w.WriteString("(") }
func (w *text) Close() { w.WriteString(")") }
func (w *text) Split() { w.WriteString(" ") }
func (w *text) Message(i int, child bool) {
	if child {
		w.WriteString(" ")
	}
	fmt.Fprint(w, i+1)
}

func write(f *Forest) string {
	w := &text{}
	f.Visit(w)
	return w.String()
}

func TestThreads(t *testing.T) {
	for _, tt := range []struct {
		name          string
		list          []Message
		refs, ordered string
	}{
		{"none", nil, "", ""},
		{"the RFC's shape", []Message{
			{ID: 92, Sent: 9, Subject: "x2"}, {ID: 2, Sent: 2, Subject: "two"}, {ID: 3, Sent: 3, Subject: "three"},
			{ID: 4, Refs: []uint64{3, 6}, Sent: 5, Subject: "three", Reply: true}, {ID: 5, Refs: []uint64{6, 4}, Sent: 6, Subject: "three", Reply: true},
			{ID: 6, Refs: []uint64{3}, Sent: 4, Subject: "three", Reply: true}, {ID: 7, Refs: []uint64{44}, Sent: 8, Subject: "three", Reply: true},
			{ID: 44, Refs: []uint64{6}, Sent: 7, Subject: "three", Reply: true}},
			"(2)(3 6 (4 5)(8 7))(1)", "(2)(3 (6)(4)(5)(8)(7))(1)"},
		{"siblings of what isn't there", []Message{{ID: 1, Refs: []uint64{9}, Sent: 2, Subject: "a", Reply: true}, {ID: 2, Refs: []uint64{9}, Sent: 1, Subject: "b"}},
			"((2)(1))", "(2)(1)"},
		{"an only child of what isn't there", []Message{{ID: 1, Refs: []uint64{8, 9}, Subject: "a"}}, "(1)", "(1)"},
		{"a reply by subject", []Message{{ID: 1, Sent: 2, Subject: "a", Reply: true}, {ID: 2, Sent: 1, Subject: "a"}}, "(2 1)", "(2 1)"},
		{"the same subject twice", []Message{{ID: 1, Sent: 1, Subject: "a"}, {ID: 2, Sent: 2, Subject: "a"}, {ID: 3, Sent: 3, Subject: "a"}}, "((1)(2)(3))", "(1 (2)(3))"},
		{"no subject", []Message{{Sent: 1}, {Sent: 2}}, "(1)(2)", "(1 2)"},
		{"a loop", []Message{{ID: 1, Refs: []uint64{2}, Subject: "a"}, {ID: 2, Refs: []uint64{1}, Subject: "b"}}, "(2 1)", "(1)(2)"},
		{"itself", []Message{{ID: 1, Refs: []uint64{1}, Subject: "a"}}, "(1)", "(1)"},
		{"an id twice", []Message{{ID: 1, Sent: 1, Subject: "a"}, {ID: 1, Sent: 2, Subject: "b"}, {ID: 2, Refs: []uint64{1}, Sent: 3, Subject: "c"}}, "(1 3)(2)", "(1)(2)(3)"},
		{"cut references", []Message{{ID: 3, Refs: []uint64{1, 2}, Sent: 3, Subject: "a"}, {ID: 2, Sent: 2, Subject: "b"}, {ID: 1, Sent: 1, Subject: "c"}}, "(3)(2 1)", "(3)(2)(1)"},
	} {
		if got := write(References(tt.list)); got != tt.refs {
			t.Errorf("%s: REFERENCES %s, wanted %s", tt.name, got, tt.refs)
		}
		if got := write(OrderedSubject(tt.list)); got != tt.ordered {
			t.Errorf("%s: ORDEREDSUBJECT %s, wanted %s", tt.name, got, tt.ordered)
		}
	}
}

// node is a message of the model, -1 for a dummy.
type node struct {
	msg    int
	parent *node
	kids   []*node
}

func (n *node) under(top *node) bool {
	for ; n != nil; n = n.parent {
		if n == top {
			return true
		}
	}
	return false
}

func (n *node) unlink() {
	if n.parent != nil {
		n.parent.kids = slices.DeleteFunc(n.parent.kids, func(k *node) bool { return k == n })
		n.parent = nil
	}
}

func (n *node) add(kid *node) { kid.parent, n.kids = n, append(n.kids, kid) }

// naive is REFERENCES step by step, as the RFC has it.
func naive(list []Message) string {
	byID := map[uint64]*node{}
	var all []*node
	for i := range list { // 1
		n := &node{msg: i}
		all = append(all, n)
		if id := list[i].ID; id != 0 && byID[id] == nil {
			byID[id] = n
		}
	}
	own := slices.Clone(all)
	for i := range list {
		var last *node
		for _, id := range list[i].Refs {
			n := byID[id]
			if n == nil {
				n = &node{msg: -1}
				byID[id] = n
				all = append(all, n)
			}
			if last != nil && n.parent == nil && !last.under(n) {
				last.add(n)
			}
			last = n
		}
		own[i].unlink()
		if last != nil && !last.under(own[i]) {
			last.add(own[i])
		}
	}
	root := &node{msg: -1} // 2
	for _, n := range all {
		if n.parent == nil {
			root.add(n)
		}
	}
	var prune func(n *node) []*node
	prune = func(n *node) []*node { // 3: what stands for n
		var kids []*node
		for _, k := range n.kids {
			kids = append(kids, prune(k)...)
		}
		n.kids = nil
		for _, k := range kids {
			n.add(k)
		}
		if n.msg >= 0 {
			return []*node{n}
		}
		if n.parent == root && len(kids) > 1 {
			return []*node{n}
		}
		return kids
	}
	var top []*node
	for _, n := range root.kids {
		top = append(top, prune(n)...)
	}
	face := func(n *node) int {
		if n.msg < 0 {
			return n.kids[0].msg
		}
		return n.msg
	}
	less := func(a, b *node) int {
		x, y := face(a), face(b)
		if list[x].Sent != list[y].Sent {
			return int(list[x].Sent - list[y].Sent)
		}
		return x - y
	}
	var order func(list []*node)
	order = func(list []*node) {
		for _, n := range list {
			order(n.kids)
		}
		slices.SortFunc(list, less)
	}
	for _, n := range top { // 4
		if n.msg < 0 {
			slices.SortFunc(n.kids, less)
		}
	}
	slices.SortFunc(top, less)
	reply := func(n *node) bool { return n.msg >= 0 && list[n.msg].Reply }
	table := map[string]*node{} // 5
	for _, n := range top {
		s := list[face(n)].Subject
		old := table[s]
		if s != "" && (old == nil || old.msg >= 0 && (n.msg < 0 || reply(old) && !reply(n))) {
			table[s] = n
		}
	}
	out := map[*node]bool{}
	for _, n := range slices.Clone(top) {
		s := list[face(n)].Subject
		old := table[s]
		if s == "" || old == n || out[n] {
			continue
		}
		out[n] = true
		switch {
		case old.msg < 0 && n.msg < 0:
			for _, k := range n.kids {
				old.add(k)
			}
		case old.msg < 0, reply(n) && !reply(old):
			old.add(n)
		default:
			d := &node{msg: -1}
			d.add(old)
			d.add(n)
			out[old] = true
			top = append(top, d)
			table[s] = d
		}
	}
	top = slices.DeleteFunc(top, func(n *node) bool { return out[n] })
	order(top) // 6
	var b strings.Builder
	var print func(n *node)
	print = func(n *node) {
		if n.msg >= 0 {
			fmt.Fprint(&b, n.msg+1)
			if len(n.kids) > 0 {
				b.WriteString(" ")
			}
		}
		if len(n.kids) == 1 {
			print(n.kids[0])
			return
		}
		for _, k := range n.kids {
			b.WriteString("(")
			print(k)
			b.WriteString(")")
		}
	}
	for _, n := range top {
		b.WriteString("(")
		print(n)
		b.WriteString(")")
	}
	return b.String()
}

func TestReferencesDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Uint64Range(1, uint64(rapid.IntRange(1, 30).Draw(t, "ids")))
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Message {
			return Message{ID: id.Draw(t, "id") * uint64(rapid.IntRange(0, 1).Draw(t, "some")), Sent: int64(rapid.IntRange(0, 20).Draw(t, "sent")),
				Refs: rapid.SliceOfN(id, 0, 5).Draw(t, "refs"), Subject: rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f"}).Draw(t, "subject"),
				Reply: rapid.Bool().Draw(t, "reply")}
		}), 0, 30).Draw(t, "list")
		if got, want := write(References(list)), naive(list); got != want {
			t.Errorf("%s\nthe model says %s", got, want)
		}
	})
}

func TestADeepThreadAndOneOfLoopsAreWritten(t *testing.T) {
	const n = 200_000
	deep, loops := make([]Message, n), make([]Message, n)
	for i := range deep {
		deep[i] = Message{ID: uint64(i + 1), Refs: []uint64{uint64(i)}, Subject: "a"}
		loops[i] = Message{ID: uint64(i + 1), Refs: []uint64{uint64(i), uint64(n - i), 1, uint64(i + 2)}, Subject: "a"}
	}
	if got := write(References(deep)); strings.Count(got, " ") != n-1 || strings.Count(got, "(") != 1 {
		t.Errorf("%.100s", got)
	}
	if got := write(References(loops)); len(strings.FieldsFunc(got, func(r rune) bool { return r < '0' || r > '9' })) != n {
		t.Errorf("%.100s", got)
	}
}

func BenchmarkReferencesOf100000(b *testing.B) {
	list := make([]Message, 100_000)
	for i := range list {
		list[i] = Message{ID: uint64(i + 1), Sent: int64(i * 7919 % 100_000), Subject: fmt.Sprint("subject ", i%20_000), Reply: i%5 != 0}
		for r := i - 20_000; r >= 0; r -= 20_000 {
			list[i].Refs = append(list[i].Refs, uint64(r+1))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		References(list)
	}
}
