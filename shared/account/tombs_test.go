package account

import (
	"fmt"
	"slices"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

func TestExpungedMessagesLeaveTombs(t *testing.T) {
	f := fold(t)
	f.add(Inbox, 6)
	since := f.ModSeq()
	f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: uids(2, 3)}})
	mid := f.ModSeq()
	f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: []Range{{First: 5, Last: 4_000_000_000}, {First: 2, Last: 2}}}})
	m := f.Mailbox("INBOX")
	if _, gone := m.Changes(since); fmt.Sprint(gone) != fmt.Sprint([]Range{{First: 2, Last: 3}, {First: 5, Last: 6}}) {
		t.Errorf("gone %v", gone)
	}
	if _, gone := m.Changes(mid); fmt.Sprint(gone) != fmt.Sprint([]Range{{First: 5, Last: 6}}) {
		t.Errorf("gone later %v", gone)
	}
	if m.HighestModSeq != f.ModSeq() || m.UIDNext != 7 {
		t.Errorf("%+v", m)
	}
}

func TestTombsStayFewAndTellAtLeastWhatIsGone(t *testing.T) {
	f := fold(t)
	kept := map[uint32]bool{}
	for i := range uint32(3 * minTombs) {
		add := delivery("x")
		add.Name, add.Mailbox = nil, Inbox
		ops := []Op{{Add: &add}}
		if i%100 == 0 {
			kept[i+1] = true
		} else {
			ops = append(ops, Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: uids(i + 1)}})
		}
		e := f.entry(ops...)
		porttest.OK(t, f.fold(&e))
	}
	check(t, f.State)
	m := f.Mailbox("INBOX")
	for since := uint64(1); since < f.seq; since += 211 {
		_, gone := m.Changes(3<<40 | since)
		// The message with UID n came and went with entry n+1.
		for uid := uint32(since); uid < m.UIDNext; uid++ {
			if _, is := slices.BinarySearchFunc(gone, uid, within); is == kept[uid] {
				t.Fatalf("since %d, UID %d: gone %v, kept %v", since, uid, is, kept[uid])
			}
		}
	}
	if len(m.gone.list) > 2*minTombs {
		t.Errorf("%d tombs", len(m.gone.list))
	}
}

func within(r Range, uid uint32) int {
	switch {
	case r.Last < uid:
		return -1
	case r.First > uid:
		return 1
	}
	return 0
}
