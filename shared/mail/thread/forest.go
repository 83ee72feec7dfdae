package thread

import (
	"cmp"
	"slices"
)

// Message is what the algorithms know of a message. Those that are given together are in the
// order of the mailbox.
type Message struct {
	// Sent is the sent date in any unit.
	Sent int64
	// Subject is the collation key of the base subject, and Reply what BaseSubject says.
	Subject string
	Reply   bool
	// ID and Refs stand for message ids in their normal form: equal numbers, equal ids. 0 is
	// no id. Without References, In-Reply-To's first id is the one reference.
	ID   uint64
	Refs []uint64
}

// none is no node.
const none = int32(-1)

// Forest holds threads: nodes are messages, by their index in what was given, and behind them
// dummies that stand for what is not there. A dummy is only ever at the top and has at least two
// children.
type Forest struct {
	messages int32   // so many nodes are messages
	children []int32 // first child of each node
	next     []int32 // next sibling
	first    int32   // of the top
}

func newForest(messages, nodes int) *Forest {
	f := &Forest{messages: int32(messages), children: make([]int32, nodes), next: make([]int32, nodes), first: none}
	for i := range nodes {
		f.children[i], f.next[i] = none, none
	}
	return f
}

// chain makes nodes siblings of one another, and gives the first.
func (f *Forest) chain(nodes []int32) int32 {
	for i, n := range nodes {
		f.next[n] = none
		if i > 0 {
			f.next[nodes[i-1]] = n
		}
	}
	if len(nodes) == 0 {
		return none
	}
	return nodes[0]
}

// Visitor is told of a forest in the order in which it is written.
type Visitor interface {
	Open()  // a list of a thread, or of a sub-thread, begins
	Close() // it ends
	// Message is the next in the list; child: of the message before.
	Message(index int, child bool)
	// Split says that the lists which follow are those of the last message's children.
	Split()
}

// Visit tells of all threads. Depth costs no stack.
//
// RFC 5256, section 4: This continues until the thread splits into multiple sub-threads, at which point, the thread nests into multiple sub-threads with the first member of each sub-thread being siblings at this level.
func (f *Forest) Visit(v Visitor) {
	later := []int32{f.first} // of each open list of siblings: what is next
	for len(later) > 0 {
		n := later[len(later)-1]
		if n == none {
			if later = later[:len(later)-1]; len(later) > 0 {
				v.Close()
			}
			continue
		}
		later[len(later)-1] = f.next[n]
		v.Open()
		child := false
		for n != none {
			real := n < f.messages
			if real {
				v.Message(int(n), child)
				child = true
			}
			n = f.children[n]
			if n != none && f.next[n] != none {
				if real {
					v.Split()
				}
				break
			}
		}
		later = append(later, n)
	}
}

// OrderedSubject makes threads of the messages that have the same base subject.
//
// RFC 5256, section 3: The searched messages are sorted by base subject and then by the sent date.
func OrderedSubject(list []Message) *Forest {
	f := newForest(len(list), len(list))
	threads := map[string]int{} // by subject: index into members
	var members [][]int32
	for i := range list {
		at, ok := threads[list[i].Subject]
		if !ok {
			at = len(members)
			threads[list[i].Subject] = at
			members = append(members, nil)
		}
		members[at] = append(members[at], int32(i))
	}
	top := make([]int32, len(members))
	for i, m := range members {
		sortBySent(list, m)
		top[i] = m[0]
		f.children[m[0]] = f.chain(m[1:])
	}
	sortBySent(list, top)
	f.first = f.chain(top)
	return f
}

// sortBySent sorts messages by their sent dates.
//
// RFC 5256, section 2.2: When comparing two sent dates that match exactly, the order in which the two messages appear in the mailbox (that is, by sequence number) is used as a tie-breaker to determine the order.
func sortBySent(list []Message, nodes []int32) {
	if len(nodes) < 2 {
		return
	}
	slices.SortFunc(nodes, func(a, b int32) int { return cmp.Or(cmp.Compare(list[a].Sent, list[b].Sent), cmp.Compare(a, b)) })
}
