package account

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// held gives what of an account's contents can be reached, and which there are at all.
func (w *world) held(s *Store, since time.Time) (reachable map[ContentRef]int, all int, err error) {
	reachable = map[ContentRef]int{}
	err = s.Held(context.Background(), w.ref, since, func(h Held) error {
		all++
		if h.Reachable() {
			reachable[h.Ref] = h.Messages
		}
		return nil
	})
	return reachable, all, err
}

// told folds all that was ever written and gives what the states since a time refer to, how
// often that of the time itself does, and how many contents there are.
func (w *world) told(t interface {
	Helper()
	Fatalf(string, ...any)
}, since time.Time) (reachable map[ContentRef]int, all int) {
	t.Helper()
	state := NewState(w.ref)
	reachable = map[ContentRef]int{}
	began := false
	for {
		d := w.all
		if d == nil {
			d = w.journal
		}
		items, more, err := d.Read(context.Background(), w.ref.Partition(), state.seq, page)
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, item := range items {
			e, err := decode(item)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if !began && e.Time > Millis(since) {
				began = true
				for _, ref := range state.contentRefs() {
					reachable[ref]++
				}
			}
			if err := state.Apply(*e); err != nil {
				t.Fatalf("%v", err)
			}
			for _, r := range e.records() {
				all++
				if began {
					reachable[r.ref] = 0
				}
			}
		}
		if !more || len(items) == 0 {
			break
		}
	}
	if !began {
		for _, ref := range state.contentRefs() {
			reachable[ref]++
		}
	}
	return reachable, all
}

func TestRandomHistoriesTellWhatIsHeld(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &tidied{t: rt, w: mirrored(t)}
		h.process()
		for range rapid.IntRange(1, 50).Draw(rt, "steps") {
			h.step()
		}
		s := h.w.store()
		for _, ago := range []time.Duration{0, 10 * day, MinWindow, 50 * day, 1000 * day} {
			since := h.w.clock.Now().Add(-ago)
			want, _ := h.w.told(rt, since)
			got, _, err := h.w.held(s, since)
			h.ok(err)
			if ago > MinWindow { // what is not in the window may be forgotten
				want, _ = h.w.told(rt, h.w.clock.Now().Add(-MinWindow))
			}
			for ref, n := range want {
				if have, ok := got[ref]; !ok || n != have && ago <= MinWindow {
					rt.Fatalf("%v ago, %v: %d messages, not %d", ago, ref, have, n)
				}
			}
			if ago <= MinWindow && len(got) != len(want) {
				rt.Fatalf("%v ago %d contents are said to be reachable, not %d", ago, len(got), len(want))
			}
		}
		if _, err := s.Verify(context.Background(), h.w.ref); err != nil {
			rt.Fatalf("%v", err)
		}
	})
}

func TestADeletedAccountHoldsNothingAfterTheWindow(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	a := w.open(t, s)
	w.fill(t, a, "INBOX", 3)
	w.clock.Advance(day)
	porttest.OK(t, a.CloseAccount(t.Context(), by, "deleted"))
	closed := w.clock.Now()
	w.clock.Advance(40 * day)
	for since, want := range map[time.Time]int{closed.Add(-time.Hour): 3, closed.Add(time.Hour): 0} {
		if got, all, err := w.held(s, since); len(got) != want || all != 3 || err != nil {
			t.Errorf("since %v: %v of %d, %v", since, got, all, err)
		}
	}
	porttest.OK(t, a.CloseAccount(t.Context(), by, ""))
	if got, _, err := w.held(s, closed.Add(time.Hour)); len(got) != 3 || err != nil {
		t.Errorf("opened again: %v, %v", got, err)
	}
}

// Whoever asks what an account holds is told all of it, or that it can't be known.
func TestWhatABrokenAccountHoldsIsNotKnown(t *testing.T) {
	w := aged(t)
	w.swept(t, 30*day)
	since := w.clock.Now().Add(-30 * day)
	want, contents, err := w.held(w.store(), since)
	porttest.OK(t, err)
	found := 0
	for name := range w.blobs.objects {
		for _, damage := range []func([]byte) []byte{
			func(b []byte) []byte { return b[:len(b)/2] },
			func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			func(b []byte) []byte { return nil },
		} {
			c := w.copy(t)
			c.broken = true
			c.blobs.change(name, func(_ string, b []byte) []byte { return damage(b) })
			got, all, err := c.held(c.store(), since)
			if err != nil {
				found++
				porttest.Kind(t, err, kinds.Corrupt)
				continue
			}
			for ref := range want {
				if _, ok := got[ref]; !ok || all != contents {
					t.Fatalf("%s: %d of %d, not %d of %d", name, len(got), all, len(want), contents)
				}
			}
		}
	}
	if found == 0 {
		t.Error("nothing was broken")
	}
}

func TestAReplayFindsASnapshotThatIsNotWhatTheJournalLeadsTo(t *testing.T) {
	w := mirrored(t)
	a := w.open(t, w.store())
	w.fill(t, a, "INBOX", 100)
	w.compacted(t)
	w.fill(t, a, "INBOX", 5)
	v, err := w.store().Verify(t.Context(), w.ref)
	if err != nil || v.Messages != 105 || v.From != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	// One that was made of another history.
	other := mirrored(t)
	b := other.open(t, other.store())
	other.fill(t, b, "INBOX", 99)
	_, err = b.StoreFlags(t.Context(), by, Inbox, uids(7), AddFlags, Flagged, nil, Unconditional)
	porttest.OK(t, err)
	other.compacted(t)
	text := other.plain(t).standing.Snapshot
	at, err := parseSnapshotRef(text)
	porttest.OK(t, err)
	w.blobs.change(w.ref.folder()+mustRef(w.plain(t).standing.Snapshot).object, func(string, []byte) []byte {
		return other.blobs.objects[other.ref.folder()+at.object]
	})
	w.broken = true
	_, err = w.store().Verify(t.Context(), w.ref)
	porttest.Kind(t, err, kinds.Corrupt)
}
