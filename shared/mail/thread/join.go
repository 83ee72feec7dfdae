package thread

import (
	"cmp"
	"slices"
)

// joiner does steps 4 to 6.
type joiner struct {
	*Forest
	list []Message
	last []int32 // of each dummy: its last child
}

// join sorts, and gathers threads of the same base subject.
func join(list []Message, f *Forest, top []int32) *Forest {
	j := &joiner{Forest: f, list: list}
	var buf []int32
	for n := range f.children {
		buf = j.sort(int32(n), buf)
	}
	j.sortTop(top)
	top = j.gather(top)
	for n := range f.children {
		buf = j.sort(int32(n), buf)
	}
	j.sortTop(top)
	f.first = f.chain(top)
	return f
}

// sort sorts the children of a node by their sent dates.
func (j *joiner) sort(n int32, buf []int32) []int32 {
	c := j.children[n]
	if c == none || j.next[c] == none {
		return buf
	}
	buf = buf[:0]
	for ; c != none; c = j.next[c] {
		buf = append(buf, c)
	}
	sortBySent(j.list, buf)
	j.children[n] = j.chain(buf)
	return buf
}

// face is the message by which a node at the top is known: itself or, of a dummy, its first
// child.
func (j *joiner) face(n int32) int32 {
	if n >= j.messages {
		return j.children[n]
	}
	return n
}

func (j *joiner) sortTop(top []int32) {
	slices.SortFunc(top, func(a, b int32) int {
		a, b = j.face(a), j.face(b)
		return cmp.Or(cmp.Compare(j.list[a].Sent, j.list[b].Sent), cmp.Compare(a, b))
	})
}

// gather does step 5, and gives what is still at the top.
func (j *joiner) gather(top []int32) []int32 {
	table := map[string]int32{}
	isDummy := func(n int32) bool { return n >= j.messages }
	isReply := func(n int32) bool { return !isDummy(n) && j.list[n].Reply }
	for _, n := range top {
		subject := j.list[j.face(n)].Subject
		if subject == "" {
			continue
		}
		old, ok := table[subject]
		if !ok || !isDummy(old) && (isDummy(n) || isReply(old) && !isReply(n)) {
			table[subject] = n
		}
	}
	gone := make(map[int32]bool)
	var fresh []int32
	for _, n := range top {
		if gone[n] {
			continue // it went into a dummy that was made of it
		}
		subject := j.list[j.face(n)].Subject
		old := table[subject]
		if subject == "" || old == n {
			continue
		}
		gone[n] = true
		switch {
		case isDummy(old) && isDummy(n):
			j.append(old, j.children[n])
			j.children[n] = none
		case isDummy(old), isReply(n) && !isReply(old):
			j.append(old, n)
		default:
			d := j.dummy()
			j.append(d, old)
			j.append(d, n)
			gone[old] = true
			table[subject] = d
			fresh = append(fresh, d)
		}
	}
	top = slices.DeleteFunc(top, func(n int32) bool { return gone[n] })
	return append(top, fresh...)
}

// append puts nodes that are siblings behind the children of another.
func (j *joiner) append(parent, nodes int32) {
	end := j.children[parent]
	if end == none {
		j.children[parent] = nodes
	} else {
		if int(parent) < len(j.last) && j.last[parent] != none {
			end = j.last[parent]
		}
		for j.next[end] != none {
			end = j.next[end]
		}
		j.next[end] = nodes
	}
	for len(j.last) <= int(parent) {
		j.last = append(j.last, none)
	}
	if nodes != none {
		j.last[parent] = nodes
	}
}
