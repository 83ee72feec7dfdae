package account

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// view is a mailbox as a client sees it that has selected it.
type view struct {
	box *Mailbox
	ids map[ContentRef]string // Message-IDs, each message's own; copies share it
}

type copyOf struct {
	id    string
	flags Flags
}

func (v *view) copyOf(m Message) copyOf { return copyOf{v.ids[m.Content], m.Flags} }

// folder is what a client keeps of a mailbox.
type folder struct {
	validity uint32
	high     uint32 // highest UID that it has looked for
	modSeq   uint64
	messages map[uint32]copyOf
}

// fresh is a folder of which nothing is known.
func fresh(v *view) *folder {
	return &folder{validity: v.box.UIDValidity, messages: map[uint32]copyOf{}}
}

// fetch takes all messages above the highest UID.
func (f *folder) fetch(v *view) {
	for _, m := range v.box.Messages() {
		if m.UID > f.high {
			f.messages[m.UID] = v.copyOf(m)
		}
	}
	f.high = v.box.UIDNext - 1
}

// forget drops what is no longer there.
func (f *folder) forget(v *view) {
	maps.DeleteFunc(f.messages, func(uid uint32, _ copyOf) bool { _, ok := v.box.Find(uid); return !ok })
}

// rule is how a client brings a folder up to date; not ok: it refuses, and says so. It may
// give the folder up for a new one.
type rule func(f *folder, v *view) (*folder, bool)

// thunderbird asks for flags that changed (CONDSTORE) and for new UIDs; it compares UIDs when
// the number of messages isn't what it has then. A new UIDVALIDITY makes it begin anew.
func thunderbird(f *folder, v *view) (*folder, bool) {
	if f == nil || f.validity != v.box.UIDValidity {
		f = fresh(v)
	}
	if f.modSeq == v.box.HighestModSeq && f.high == v.box.UIDNext-1 && len(f.messages) == v.box.Len() {
		return f, true
	}
	changed, _ := v.box.Changes(f.modSeq)
	for _, m := range changed {
		if old, ok := f.messages[m.UID]; ok {
			f.messages[m.UID] = copyOf{old.id, m.Flags}
		}
	}
	f.fetch(v)
	if len(f.messages) != v.box.Len() {
		f.forget(v)
	}
	f.modSeq = v.box.HighestModSeq
	return f, true
}

// qresync trusts what the server says to have changed and vanished (RFC 7162).
func qresync(f *folder, v *view) (*folder, bool) {
	if f == nil || f.validity != v.box.UIDValidity {
		f = fresh(v)
	}
	changed, gone := v.box.Changes(f.modSeq)
	for _, r := range gone {
		maps.DeleteFunc(f.messages, func(uid uint32, _ copyOf) bool { return r.First <= uid && uid <= r.Last })
	}
	for _, m := range changed {
		if old, ok := f.messages[m.UID]; ok {
			f.messages[m.UID] = copyOf{old.id, m.Flags}
		} else {
			f.messages[m.UID] = v.copyOf(m)
		}
	}
	f.high, f.modSeq = v.box.UIDNext-1, v.box.HighestModSeq
	return f, true
}

// mbsync reads flags of all it has, drops what is gone and takes what has higher UIDs. After a new UIDVALIDITY it goes on
// when what it has is there under the same UIDs with the same Message-IDs, else it refuses.
func mbsync(f *folder, v *view) (*folder, bool) {
	if f == nil {
		f = fresh(v)
	}
	if f.validity != v.box.UIDValidity {
		need, got := 0, 0
		for uid, c := range f.messages {
			if at, ok := v.box.Find(uid); ok {
				if v.ids[v.box.At(at).Content] != c.id {
					return f, false
				}
				got++
			}
			need++
		}
		if got < 20 && got*5 < need*4 {
			return f, false
		}
		f.validity = v.box.UIDValidity
	}
	f.forget(v)
	for uid, c := range f.messages {
		at, _ := v.box.Find(uid)
		f.messages[uid] = copyOf{c.id, v.box.At(at).Flags}
	}
	f.fetch(v)
	return f, true
}

// offlineimap goes by UIDs alone: it takes what it has not and drops what is gone. Its manual
// says that it refuses a folder with another UIDVALIDITY, and versions 7 and 8 say so too, but
// go on all the same (see tests/clients).
func offlineimap(f *folder, v *view) (*folder, bool) {
	if f == nil {
		f = fresh(v)
	}
	f.validity = v.box.UIDValidity
	f.forget(v)
	for _, m := range v.box.Messages() {
		now := v.copyOf(m)
		if old, ok := f.messages[m.UID]; ok {
			now.id = old.id
		}
		f.messages[m.UID] = now
	}
	return f, true
}

// mailClient is a client with all of an account's mailboxes.
type mailClient struct {
	name    string
	rule    rule
	misses  bool // whether it may miss what it has once seen to be gone
	folders map[string]*folder
}

func mailClients() []*mailClient {
	return []*mailClient{{"Thunderbird", thunderbird, false, map[string]*folder{}}, {"a QRESYNC client", qresync, false, map[string]*folder{}},
		{"mbsync", mbsync, true, map[string]*folder{}}, {"offlineimap", offlineimap, false, map[string]*folder{}}}
}

// sync brings the client up to date and says what is wrong then. Of a folder that it refuses,
// its user removes the copy before the next time.
func (c *mailClient) sync(t testing.TB, s *Store, ref Ref) (wrong string) {
	t.Helper()
	ctx := context.Background()
	a, err := s.Open(ctx, ref)
	porttest.OK(t, err)
	defer a.Close()
	maps.DeleteFunc(c.folders, func(name string, _ *folder) bool { return a.State().Mailbox(name) == nil })
	for _, m := range a.State().Mailboxes() {
		state, err := a.Load(ctx, m.ID)
		porttest.OK(t, err)
		v := &view{box: state.MailboxByID(m.ID), ids: map[ContentRef]string{}}
		var refs []ContentRef
		for _, x := range v.box.Messages() {
			refs = append(refs, x.Content)
		}
		contents, err := a.Contents(ctx, refs)
		porttest.OK(t, err)
		for i := range contents {
			v.ids[refs[i]] = contents[i].EmailID
		}
		f, ok := c.rule(c.folders[m.Name], v)
		c.folders[m.Name] = f
		if !ok {
			delete(c.folders, m.Name)
			continue
		}
		for uid, have := range f.messages {
			if at, ok := v.box.Find(uid); !ok {
				wrong += fmt.Sprintf("%s shows UID %d in %s, which is gone\n", c.name, uid, m.Name)
			} else if is := v.copyOf(v.box.At(at)); is != have {
				wrong += fmt.Sprintf("%s shows UID %d in %s as %v, it is %v\n", c.name, uid, m.Name, have, is)
			}
		}
		if !c.misses && len(f.messages) < v.box.Len() {
			wrong += fmt.Sprintf("%s has %d messages of %d in %s\n", c.name, len(f.messages), v.box.Len(), m.Name)
		}
	}
	return wrong
}

// backup is the account as it was once.
type backup struct {
	journal restorable
	blobs   map[string][]byte
}

func (w *world) backup() backup { return backup{w.table().copied(), maps.Clone(w.blobs.objects)} }

// back puts the journal back. What of its snapshots was removed since is there for as long as
// the window lasts.
func (w *world) back(b backup) {
	w.table().put(b.journal)
	for name, data := range b.blobs {
		if _, ok := w.blobs.objects[name]; !ok {
			w.blobs.objects[name], w.blobs.times[name] = data, w.clock.Now()
		}
	}
}

func TestWithoutANewEpochClientsShowWrongMessages(t *testing.T) {
	for _, c := range mailClients() {
		w := newWorld(t)
		a := w.open(t, w.store())
		w.append(t, a, "INBOX", 25)
		if wrong := c.sync(t, w.store(), w.ref); wrong != "" {
			t.Fatal(wrong)
		}
		b := w.backup()
		w.append(t, a, "INBOX", 2)
		if wrong := c.sync(t, w.store(), w.ref); wrong != "" {
			t.Fatal(wrong)
		}
		w.back(b)
		w.append(t, w.open(t, w.store()), "INBOX", 2)
		if wrong := c.sync(t, w.store(), w.ref); wrong == "" {
			t.Errorf("%s has not noticed: this shows nothing", c.name)
		}
		ref := w.begin(t)
		// What came since has UIDs that were given before, and keeps them: of that, offlineimap
		// takes no notice.
		if wrong := c.sync(t, w.store(), ref); wrong != "" && c.name != "offlineimap" {
			t.Errorf("in the new epoch: %s", wrong)
		}
	}
}

func TestNoClientShowsAWrongMessageAfterARollbackOrARestore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &tidied{t: rt, w: newWorld(t)}
		h.w.broken = true
		clients := mailClients()
		live := func(most int, check bool) (steps int) {
			steps = rapid.IntRange(0, most).Draw(rt, "steps")
			for range steps {
				h.step()
				if c := rapid.SampledFrom(append(clients, nil)).Draw(rt, "client"); c != nil {
					if wrong := c.sync(t, h.w.store(), h.w.ref); check && wrong != "" {
						rt.Fatal(wrong)
					}
				}
			}
			return steps
		}
		restart := func() {
			for _, a := range h.open {
				a.Close()
			}
			h.open, h.stores = nil, nil
			h.process()
		}
		h.process()
		live(12, true)
		b := h.w.backup()
		live(12, true)
		stale := h.w.store()
		_, err := stale.Head(context.Background(), h.w.ref) // all that is lost
		h.ok(err)
		if rapid.Bool().Draw(rt, "restored from a backup") {
			source := h.w.storeOn(b.journal)
			from, err := source.Open(context.Background(), h.w.ref)
			h.ok(err)
			ref := NewRef("t1")
			_, err = h.w.store().Rebuild(context.Background(), ref, by, from, func(_ context.Context, at blob.Ref) (blob.Ref, bool, error) { return at, true, nil })
			h.ok(err)
			from.Close()
			h.w.ref = ref
		} else {
			h.w.back(b)
			restart()
			if live(6, false) > 0 {
				// What changes before the new epoch begins may use UIDs again that offlineimap
				// knows: so it is to begin before anybody comes back.
				clients = slices.DeleteFunc(clients, func(c *mailClient) bool { return c.name == "offlineimap" })
			}
			if rapid.Bool().Draw(rt, "somebody knows what was lost") {
				_, err := stale.Deliver(context.Background(), h.w.ref, 0, by, []Add{delivery("stale")})
				h.ok(err)
			}
			h.w.ref = h.w.begin(t)
		}
		restart()
		live(12, true)
		for _, c := range clients {
			if wrong := c.sync(t, h.w.store(), h.w.ref); wrong != "" {
				rt.Fatal(wrong)
			}
		}
	})
}
