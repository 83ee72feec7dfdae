package imap

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// model is a client that knows nothing but what it is told unasked.
type model struct {
	t          *rapid.T
	boxes      map[string]map[string]uint64 // STATUS of each
	subscribed map[string]bool
	inbox      []string // UID and flags, by sequence number
	notes      []string // names of annotations that have changed
	list       *regexp.Regexp
	fetch      *regexp.Regexp
	status     *regexp.Regexp
}

func newModel(t *rapid.T) *model {
	return &model{t: t, boxes: map[string]map[string]uint64{}, subscribed: map[string]bool{},
		list:   regexp.MustCompile(`^\* LIST \((.*?)\) "/" "?(.*?)"?(?: \("OLDNAME" \("(.*)"\)\))?$`),
		fetch:  regexp.MustCompile(`^\* (\d+) FETCH \(UID (\d+) FLAGS \((.*?)\)\)$`),
		status: regexp.MustCompile(`^\* STATUS "?(.*?)"? \((.*)\)$`)}
}

// hear takes a response in.
func (m *model) hear(line string) {
	if f := m.list.FindStringSubmatch(line); f != nil {
		m.listed(f[1], f[2], f[3])
		return
	}
	if f := m.fetch.FindStringSubmatch(line); f != nil {
		seq, _ := strconv.Atoi(f[1])
		if seq > len(m.inbox) {
			m.t.Fatalf("%s, of %d messages", line, len(m.inbox))
		}
		if was := m.inbox[seq-1]; was != "" && !strings.HasPrefix(was, f[2]+" ") {
			m.t.Fatalf("%s, where %s was", line, was)
		}
		m.inbox[seq-1] = f[2] + " " + f[3]
		return
	}
	if f := m.status.FindStringSubmatch(line); f != nil {
		box := m.boxes[f[1]]
		if box == nil {
			m.t.Fatalf("%s, of no mailbox: %v", line, slices.Sorted(maps.Keys(m.boxes)))
		}
		for item := range slices.Chunk(strings.Fields(f[2]), 2) {
			box[item[0]], _ = strconv.ParseUint(item[1], 10, 64)
		}
		return
	}
	word := strings.Fields(line)
	switch {
	case len(word) == 3 && word[2] == "EXISTS":
		n, _ := strconv.Atoi(word[1])
		if n < len(m.inbox) {
			m.t.Fatalf("%s, of %d messages", line, len(m.inbox))
		}
		m.inbox = append(m.inbox, make([]string, n-len(m.inbox))...)
	case len(word) == 3 && word[2] == "EXPUNGE":
		n, _ := strconv.Atoi(word[1])
		m.inbox = slices.Delete(m.inbox, n-1, n)
	case len(word) > 3 && word[1] == "METADATA":
		for _, entry := range word[3:] {
			m.notes = append(m.notes, strings.Trim(word[2], `"`)+" "+entry)
		}
	case len(word) > 1 && word[1] == "FLAGS":
	default:
		m.t.Fatalf("%q", line)
	}
}

func (m *model) listed(attrs, name, old string) {
	for n := range maps.Clone(m.boxes) {
		if below, ok := strings.CutPrefix(n, old); old != "" && ok && (below == "" || below[0] == '/') {
			m.boxes[name+below] = m.boxes[n]
			delete(m.boxes, n)
		}
	}
	switch gone := strings.Contains(attrs, nonExistent); {
	case gone:
		delete(m.boxes, name)
	case m.boxes[name] == nil:
		m.boxes[name] = map[string]uint64{"UIDNEXT": 1}
	}
	m.subscribed[name] = strings.Contains(attrs, `\Subscribed`)
}

// step has somebody else change the account, and gives what annotation was changed.
func (w *world) step(t *rapid.T, a *account.Account, sum []byte, ref blob.Ref) (note string) {
	ctx, by := w.t.Context(), account.By{Actor: "other"}
	boxes := a.State().Mailboxes()
	box := boxes[rapid.IntRange(0, len(boxes)-1).Draw(t, "mailbox")]
	some := []account.Range{{First: rapid.Uint32Range(1, box.UIDNext).Draw(t, "from"), Last: rapid.Uint32Range(1, box.UIDNext).Draw(t, "to")}}
	name := rapid.SampledFrom([]string{"INBOX", "a", "a/b", "c", "c/d/e", "Trash"}).Draw(t, "name")
	var err error
	switch what := rapid.SampledFrom([]string{"append", "append", "copy", "move", "flags", "flags", "expunge", "create", "rename", "delete",
		"subscribe", "annotate"}).Draw(t, "step"); what {
	case "append":
		_, _, err = a.Append(ctx, by, name, []account.NewMessage{{Content: account.Content{Blob: ref, Summary: sum}}}, account.Room{})
	case "copy":
		_, err = a.CopyMessages(ctx, by, box.ID, some, name, account.Room{})
	case "move":
		_, err = a.MoveMessages(ctx, by, box.ID, some, name)
	case "flags":
		mode := account.FlagMode(rapid.IntRange(1, 3).Draw(t, "mode"))
		_, err = a.StoreFlags(ctx, by, box.ID, some, mode, account.Flags(rapid.IntRange(0, 31).Draw(t, "flags")), nil, account.Unconditional)
	case "expunge":
		_, err = a.ExpungeMessages(ctx, by, box.ID, some, false)
	case "create":
		_, err = a.CreateMailbox(ctx, by, name, "")
	case "rename":
		err = a.RenameMailbox(ctx, by, box.ID, name)
	case "delete":
		err = a.DeleteMailbox(ctx, by, box.ID)
	case "subscribe":
		err = a.SetSubscribed(ctx, by, name, rapid.Bool().Draw(t, "on"))
	case "annotate":
		value := strconv.FormatUint(a.State().Seq(), 10) // another one than it was
		err = a.SetMetadata(ctx, by, box.ID, []account.Annotation{{Name: "/shared/comment", Value: []byte(value)}})
		note = box.Name + " /shared/comment"
	}
	switch kinds.Of(err) {
	case kinds.Exists, kinds.NotFound, kinds.Denied, kinds.Invalid:
		note = ""
	default:
		if err != nil {
			t.Fatalf("%v", err)
		}
	}
	return note
}

// A client that is fed by NOTIFY alone knows, whenever it asks whether there is more, all
// mailboxes, what is in them, which are subscribed, and each message of the selected one.
func TestAClientThatNotifyFeedsKnowsTheAccount(t *testing.T) {
	text := "Subject: x\r\n\r\nx\r\n"
	sc := message.NewScanner()
	_, _ = sc.Write([]byte(text))
	summary := sc.Finish()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		a := w.open()
		ref, err := w.blobs.Put(t.Context(), blob.NewName("demo", time.Now()), blob.Header{}, strings.NewReader(text), int64(len(text)))
		if err != nil {
			rt.Fatal(err)
		}
		m, r := newModel(rt), w.raw(true)
		defer r.Close()
		for _, command := range []string{"SELECT INBOX", `LIST "" * RETURN (SUBSCRIBED)`, "NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) " +
			"(personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange))"} {
			for _, line := range r.ask("a", command) {
				if strings.HasPrefix(line, "* LIST") || strings.HasPrefix(line, "* STATUS") {
					m.hear(line)
				}
			}
		}
		for range rapid.IntRange(1, 8).Draw(rt, "rounds") {
			note := ""
			for range rapid.IntRange(1, 4).Draw(rt, "steps") {
				note = w.step(rt, a, summary.Encode(), ref)
			}
			m.notes = nil
			for _, line := range r.ask("n", "NOOP") {
				if strings.HasPrefix(line, "*") {
					m.hear(line)
				}
			}
			m.compare(a.State())
			if note != "" && !slices.Contains(m.notes, note) {
				rt.Fatalf("%s was set, and was not told: %q", note, m.notes)
			}
		}
	})
}

func (m *model) compare(s *account.State) {
	want, got := map[string]string{}, map[string]string{}
	for _, b := range s.Mailboxes() {
		want[b.Name] = fmt.Sprintf("%d messages, next %d, %d unseen", b.Count, b.UIDNext, b.Unseen)
		if b.ID == account.Inbox {
			want[b.Name] = ""
		}
	}
	for name, b := range m.boxes {
		got[name] = fmt.Sprintf("%d messages, next %d, %d unseen", b["MESSAGES"], b["UIDNEXT"], b["UNSEEN"])
		if name == "INBOX" {
			got[name] = ""
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		m.t.Fatalf("mailboxes: %s", diff)
	}
	var subs []string
	for name, on := range m.subscribed {
		if on {
			subs = append(subs, name)
		}
	}
	slices.Sort(subs)
	if diff := cmp.Diff(s.Subscriptions(), subs); diff != "" {
		m.t.Fatalf("subscriptions: %s", diff)
	}
	var inbox []string
	for _, x := range s.MailboxByID(account.Inbox).Messages() {
		var flags []string
		for i := 0; systemFlag(i) != ""; i++ {
			if x.Flags&(1<<i) != 0 {
				flags = append(flags, systemFlag(i))
			}
		}
		inbox = append(inbox, fmt.Sprint(x.UID, " ", strings.Join(flags, " ")))
	}
	if diff := cmp.Diff(inbox, slices.Clip(m.inbox)); diff != "" && len(inbox)+len(m.inbox) > 0 {
		m.t.Fatalf("INBOX: %s", diff)
	}
}

// FuzzNotify: whatever is taken keeps the rules of RFC 5465.
func FuzzNotify(f *testing.F) {
	f.Add(" SET STATUS (selected MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge) (subtree Lists (MessageNew MessageExpunge))")
	f.Add(" SET (mailboxes (a \"b c\") (MessageNew MessageExpunge FlagChange)) (personal (SubscriptionChange MailboxName)) (inboxes NONE)")
	f.Add(" NONE")
	f.Fuzz(func(t *testing.T, s string) {
		n, _, err := parseNotify(&command{Parser: wire.NewParser([]byte(s))})
		if err != nil {
			return
		}
		if n.selected&^messageEvents != 0 || len(n.groups) > maxGroups {
			t.Fatalf("%q: %+v", s, n)
		}
		names := 0
		for _, g := range n.groups {
			names += len(g.names)
			if new, gone := g.events&messageNew != 0, g.events&messageExpunge != 0; new != gone || g.events&flagChange != 0 && !new || g.events == 0 {
				t.Fatalf("%q: %+v", s, g)
			}
		}
		if names > maxWatchedName {
			t.Fatalf("%q: %d names", s, names)
		}
	})
}
