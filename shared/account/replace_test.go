package account

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Whatever call fails, and however: there is the old message or the new one, never both or
// neither, and who is told OK finds the new one.
func TestAReplaceThatIsInterruptedLeavesOneMessage(t *testing.T) {
	for _, to := range []string{"INBOX", "Archive"} {
		for _, mode := range faults.Modes() {
			for call := 1; ; call++ {
				w := newWorld(t)
				porttest.OK(t, func() error {
					_, _, err := w.open(t, w.store()).Append(t.Context(), by, "INBOX", []NewMessage{newMessage(10)}, Room{})
					return err
				}())
				armed := false
				left := call
				plan := faults.New(func(int, string) faults.Mode {
					if armed {
						if left--; left == 0 {
							return mode
						}
					}
					return faults.None
				})
				a := w.open(t, w.storeOn(faults.Journal(w.journal, plan)))
				armed = true
				_, _, err := a.Replace(t.Context(), by, Inbox, 1, to, newMessage(20), Room{})
				armed = false
				plan.Settle()
				s := w.open(t, w.store()).State()
				old := s.Mailbox("INBOX").Bytes == sizeOf(10)
				size := s.Standing().Totals.Bytes
				name := fmt.Sprintf("to %s, %s at call %d", to, mode, call)
				if s.Standing().Totals.Messages != 1 || !old && size != sizeOf(20) {
					t.Fatalf("%s: %+v", name, s.Standing().Totals)
				}
				if err == nil && old {
					t.Fatalf("%s: OK, and the old one is there", name)
				}
				if err != nil && !kinds.Is(err, kinds.Unavailable) {
					t.Fatalf("%s: %v", name, err)
				}
				if left > 0 { // it needs no more calls
					break
				}
			}
		}
	}
}

func TestAReplaceNeedsRoomForWhatIsMoreOnly(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	uids, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(100)}, Room{})
	porttest.OK(t, err)
	size := sizeOf(100)
	crossed := 0
	room := func(bytes int64) Room {
		return Room{Quota: Quota{Bytes: bytes, Messages: 1}, Warn: func(_ context.Context, before, after Totals) *Add {
			if after.Messages != 1 || after.Bytes == before.Bytes {
				t.Errorf("from %+v to %+v", before, after)
			}
			crossed++
			return nil
		}}
	}
	replace := func(n int64, quota int64) error {
		uid, _, err := a.Replace(t.Context(), by, Inbox, uids[0], "INBOX", newMessage(n), room(quota))
		if err == nil {
			uids[0] = uid
		}
		return err
	}
	porttest.OK(t, replace(90, 10)) // it shrinks, as far over the quota as it may be
	porttest.OK(t, replace(100, size))
	if err := replace(101, size); !kinds.Is(err, kinds.Quota) {
		t.Errorf("over the quota: %v", err)
	}
	if crossed != 2 {
		t.Errorf("%d entries were looked at for warnings", crossed)
	}
	if _, _, err := a.Replace(t.Context(), by, Inbox, 1, "INBOX", newMessage(1), Room{}); !errors.Is(err, ErrNoMessage) || !kinds.Is(err, kinds.NotFound) {
		t.Errorf("a message that is gone: %v", err)
	}
	if _, _, err := a.Replace(t.Context(), by, Inbox, uids[0], "nowhere", newMessage(1), Room{}); errors.Is(err, ErrNoMessage) || !kinds.Is(err, kinds.NotFound) {
		t.Errorf("no mailbox: %v", err)
	}
}

func sizeOf(blob int64) int64 {
	c := content(blob)
	return c.Size()
}
