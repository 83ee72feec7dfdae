package thread

// maxSteps bounds the search for loops, in steps for each link that is asked for on average: what
// honest mail needs is far less, and past it links are refused as if they made a loop.
const maxSteps = 64

// builder is REFERENCES at work. Its nodes are the messages, then the dummies.
type builder struct {
	list   []Message
	ids    map[uint64]int32 // node of each message id
	parent []int32
	kids   []int32 // how many children each node has
	steps  int     // that are left
}

// References makes threads of what messages say they answer, and joins those of the same
// subject.
//
// RFC 5256, section 3: The parent/child relationships are built using two methods: reconstructing a message's ancestry using the references contained within it; and checking the original (not base) subject of a message to see if it is a reply to (or forward of) another message.
func References(list []Message) *Forest {
	b := &builder{list: list, ids: make(map[uint64]int32, len(list)), parent: make([]int32, len(list)), kids: make([]int32, len(list))}
	for i := range list {
		b.parent[i] = none
		if id := list[i].ID; id != 0 {
			if _, ok := b.ids[id]; !ok {
				b.ids[id] = int32(i)
			}
		}
		b.steps += maxSteps * (1 + len(list[i].Refs))
	}
	b.link()
	f, top := b.prune()
	return join(list, f, top)
}

// link does step 1: what refers to what.
func (b *builder) link() {
	for i := range b.list {
		last := none
		for _, id := range b.list[i].Refs {
			if id == 0 {
				continue
			}
			n := b.node(id)
			if last != none && b.parent[n] == none {
				b.adopt(last, n)
			}
			last = n
		}
		// What stood there before is probably the result of References that were cut.
		if p := b.parent[i]; p != last || last == none {
			if p != none {
				b.parent[i] = none
				b.kids[p]--
			}
			if last != none {
				b.adopt(last, int32(i))
			}
		}
	}
}

// node finds the message with an id, or makes a dummy for it.
func (b *builder) node(id uint64) int32 {
	n, ok := b.ids[id]
	if !ok {
		n = int32(len(b.parent))
		b.ids[id] = n
		b.parent = append(b.parent, none)
		b.kids = append(b.kids, 0)
	}
	return n
}

// adopt makes child, which has no parent, a child of parent unless that made a loop.
func (b *builder) adopt(parent, child int32) {
	if b.kids[child] > 0 {
		for n := parent; n != none; n = b.parent[n] {
			if b.steps--; n == child || b.steps < 0 {
				return
			}
		}
	}
	if parent != child {
		b.parent[child] = parent
		b.kids[parent]++
	}
}

// prune does steps 2 and 3: dummies go, and their children take their places; only a dummy at
// the top with several children stays. It gives the forest with what is at its top.
func (b *builder) prune() (*Forest, []int32) {
	n := len(b.list)
	// above is for each node the nearest message above it, or else the dummy at the top.
	above := make([]int32, len(b.parent))
	for i := range above {
		above[i] = none
	}
	var path []int32
	for i := range n {
		at := b.parent[i]
		path = path[:0]
		for at != none && at >= int32(n) && b.parent[at] != none && above[at] == none {
			path = append(path, at)
			at = b.parent[at]
		}
		if at >= int32(n) && above[at] != none {
			at = above[at]
		}
		for _, d := range path {
			above[d] = at
		}
		above[i] = at
	}
	heirs := make([]int32, len(b.parent)) // how many children each has now
	for _, at := range above[:n] {
		if at != none {
			heirs[at]++
		}
	}
	// Dummies that stay are counted anew, behind the messages; each merge of step 5 may make
	// another one.
	names := map[int32]int32{}
	f := newForest(n, n)
	var top []int32
	for i := n - 1; i >= 0; i-- {
		at := above[i]
		switch {
		case at == none, at >= int32(n) && heirs[at] == 1:
			top = append(top, int32(i))
			continue
		case at >= int32(n):
			d, ok := names[at]
			if !ok {
				d = f.dummy()
				names[at] = d
				top = append(top, d)
			}
			at = d
		}
		f.next[i], f.children[at] = f.children[at], int32(i)
	}
	return f, top
}

// dummy adds a dummy.
func (f *Forest) dummy() int32 {
	f.children, f.next = append(f.children, none), append(f.next, none)
	return int32(len(f.children)) - 1
}
