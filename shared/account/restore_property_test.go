package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// plainAt is the fold of all that was ever written up to a time, and what the messages are
// made of.
func (w *world) plainAt(t testing.TB, at time.Time) (*State, map[ContentRef]Content) {
	s, contents := NewState(w.ref), map[ContentRef]Content{}
	for after := uint64(0); ; {
		items, more, err := w.untrimmed().Read(context.Background(), w.ref.Partition(), after, page)
		porttest.OK(t, err)
		for _, item := range items {
			e, err := decode(item)
			porttest.OK(t, err)
			if e.Time > Millis(at) {
				return s, contents
			}
			porttest.OK(t, s.Apply(*e))
			for _, r := range e.records() {
				contents[r.ref] = r.content
			}
			after = e.Seq
		}
		if !more {
			return s, contents
		}
	}
}

// seen is what a user sees of an account, without what may differ after a restore: for each
// mailbox what it is and, sorted, its messages.
func seen(s *State, contents map[ContentRef]Content) map[string][]string {
	all := map[string][]string{" subscriptions": s.Subscriptions(), " annotations": notes(s.Annotations())}
	for _, m := range s.Mailboxes() {
		list := append(notes(m.Annotations), "use "+m.SpecialUse)
		for _, x := range m.Messages() {
			words := slices.Clone(x.Words)
			for i := range words {
				words[i] = strings.ToLower(words[i])
			}
			slices.Sort(words)
			c := contents[x.Content]
			list = append(list, fmt.Sprintf("%s %s %05b %q date %d size %d uidl %q blob %s", c.EmailID, c.Thread, x.Flags, words, x.Date, x.Size, x.UIDL, c.Blob.Name))
		}
		slices.Sort(list)
		all[m.Name] = list
	}
	return all
}

func notes(list []Annotation) (out []string) {
	for _, a := range list {
		out = append(out, fmt.Sprintf("annotation %s %q", strings.ToLower(a.Name), a.Value))
	}
	return out
}

func diff(want, got map[string][]string) string {
	var b strings.Builder
	for name, list := range want {
		if other, ok := got[name]; !ok || !slices.Equal(list, other) {
			fmt.Fprintf(&b, "%q: want %q\n got %q\n", name, list, other)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			fmt.Fprintf(&b, "%q is there and should not\n", name)
		}
	}
	return b.String()
}

func TestARestoreEqualsTheFoldUpToThen(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &tidied{t: rt, w: mirrored(t)}
		for range rapid.IntRange(1, 2).Draw(rt, "processes") {
			h.process()
		}
		var times []time.Time
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			h.step()
			times = append(times, h.w.clock.Now())
			h.w.clock.Advance(time.Millisecond)
		}
		ctx := context.Background()
		h.process()
		s, a := h.stores[len(h.stores)-1], h.open[len(h.open)-1]
		at := rapid.SampledFrom(times).Draw(rt, "time")
		past, err := s.StateAt(ctx, h.w.ref, at)
		if early := (*TooEarly)(nil); errors.As(err, &early) {
			if h.w.clock.Now().Sub(at) <= MinWindow || !early.Earliest.After(at) {
				rt.Fatalf("at %v, asked for %v: %v", h.w.clock.Now(), at, err)
			}
			if _, err := s.StateAt(ctx, h.w.ref, early.Earliest); err != nil {
				rt.Fatalf("the earliest time: %v", err)
			}
			return
		}
		h.ok(err)
		want, contents := h.w.plainAt(t, at)
		for _, m := range past.State().Mailboxes() {
			_, err := past.Load(ctx, m.ID)
			h.ok(err)
		}
		if got := dump(past.State()); got != dump(want) {
			rt.Fatalf("the past is\n%s\nand the fold is\n%s", got, dump(want))
		}
		if h.w.clock.Now().Sub(at) >= MinWindow-time.Second {
			h.w.clock.Advance(time.Second)
			if _, err := a.Restore(ctx, by, Restore{At: at}); !errors.As(err, new(*TooEarly)) {
				rt.Fatalf("from before the window: %v", err)
			}
			return
		}
		before, before2 := h.w.plainAt(t, h.w.clock.Now())
		then := h.w.clock.Now()
		h.w.clock.Advance(time.Second)

		exact := rapid.Bool().Draw(rt, "exact")
		dry, err := a.Restore(ctx, by, Restore{At: at, Exact: exact, Dry: true})
		if early := (*TooEarly)(nil); h.w.clock.Now().Sub(at) > MinWindow && errors.As(err, &early) {
			return // its blobs may be gone
		}
		h.ok(err)
		done, err := a.Restore(ctx, by, Restore{At: at, Exact: exact})
		h.ok(err)
		if done.Messages != dry.Messages || done.Bytes != dry.Bytes || done.Created != dry.Created || done.Removed != dry.Removed ||
			done.Renamed != dry.Renamed || done.Deleted != dry.Deleted || done.Subscribed != dry.Subscribed ||
			done.Annotated != dry.Annotated {
			rt.Fatalf("it did %+v and said it would do %+v", done, dry)
		}
		now, nowContents := h.w.plainAt(t, h.w.clock.Now())
		check(rt, now)
		got := seen(now, nowContents)
		if exact {
			if d := diff(seen(want, contents), got); d != "" {
				rt.Fatalf("restored to %v:\n%s", at, d)
			}
		} else {
			superset(rt, seen(want, contents), got)
		}
		again, err := a.Restore(ctx, by, Restore{At: at, Exact: exact})
		h.ok(err)
		if again != (Restored{Since: again.Since, Done: true}) {
			rt.Fatalf("a second one does %+v", again)
		}
		// It can itself be undone.
		h.w.clock.Advance(time.Second)
		_, err = a.Restore(ctx, by, Restore{At: then, Exact: true})
		h.ok(err)
		now, nowContents = h.w.plainAt(t, h.w.clock.Now())
		if d := diff(seen(before, before2), seen(now, nowContents)); d != "" {
			rt.Fatalf("undone:\n%s", d)
		}
		for _, a := range h.open {
			a.Close()
		}
	})
}

// superset fails unless all that was there is there, whatever else is.
func superset(t *rapid.T, want, got map[string][]string) {
	for name, list := range want {
		have := slices.Clone(got[name])
		for _, x := range list {
			i := slices.Index(have, x)
			if i < 0 && strings.HasPrefix(x, "use ") && got[name] != nil {
				continue // another mailbox may have it now
			}
			if i < 0 {
				t.Fatalf("%q lacks %s and has %q", name, x, got[name])
			}
			have = slices.Delete(have, i, i+1)
		}
	}
}
