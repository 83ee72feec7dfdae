package account

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

var update = flag.Bool("update", false, "write testdata: states anew, histories where there are none")

// Golden histories freeze the fold: NAME.journal has an encoded entry in each line, in
// hex, and is never written again; NAME.state is what it folds to. A change of a state
// would change accounts that exist.
func TestGoldenHistories(t *testing.T) {
	if *update {
		for name, make := range goldenHistories() {
			writeHistory(t, name, make)
		}
	}
	files, err := filepath.Glob("testdata/*.journal")
	porttest.OK(t, err)
	if len(files) < 6 {
		t.Fatalf("%d histories", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".journal"), func(t *testing.T) {
			got := foldFile(t, file)
			golden := strings.TrimSuffix(file, ".journal") + ".state"
			if *update {
				porttest.OK(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			porttest.OK(t, err)
			if got != string(want) {
				t.Errorf("it folds to\n%s\nand not to\n%s", got, want)
			}
		})
	}
}

func foldFile(t *testing.T, file string) string {
	data, err := os.ReadFile(file)
	porttest.OK(t, err)
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	var s *State
	contents := map[ContentRef]Content{}
	for lines.Scan() {
		raw, err := hex.DecodeString(lines.Text())
		porttest.OK(t, err)
		e, err := Decode(raw)
		porttest.OK(t, err)
		if again, err := Encode(e); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("entry %d is encoded otherwise now (%v)", e.Seq, err)
		}
		if s == nil {
			s = NewState(Ref{ID: "golden", Epoch: e.Epoch, Tenant: "t"})
		}
		porttest.OK(t, s.Apply(*e))
		for _, r := range e.records() {
			contents[r.ref] = r.content
		}
	}
	porttest.OK(t, lines.Err())
	check(t, s)
	return dumpWith(s, contents)
}

func writeHistory(t *testing.T, name string, make func(*folded)) {
	file := filepath.Join("testdata", name+".journal")
	if _, err := os.Stat(file); err == nil {
		return
	}
	porttest.OK(t, os.MkdirAll("testdata", 0o755))
	var out strings.Builder
	f := &folded{t: t, State: NewState(Ref{ID: "golden", Epoch: 3, Tenant: "t"}), at: 1_900_000_000}
	f.wrote = func(e *Entry) {
		b, err := Encode(e)
		porttest.OK(t, err)
		fmt.Fprintf(&out, "%x\n", b)
	}
	f.do(Op{Create: &Create{Mailboxes: defaultMailboxes(), UIDFloor: 77}})
	make(f)
	porttest.OK(t, os.WriteFile(file, []byte(out.String()), 0o644))
}

// goldenHistories are how the files were made. A history for a new rule is a new file.
func goldenHistories() map[string]func(*folded) {
	all := []Range{{First: 1, Last: 1<<32 - 1}}
	deliver := func(f *folded, box MailboxID, names ...string) {
		var ops []Op
		for i, name := range names {
			add := delivery(name)
			add.Mailbox = box
			add.Content.Blob.Size = int64(1000 * (i + 1))
			ops = append(ops, Op{Add: &add})
		}
		f.do(ops...)
		f.at++
	}
	return map[string]func(*folded){
		"created": func(*folded) {},
		"delivered": func(f *folded) {
			for i := range 25 {
				deliver(f, Inbox, fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))
			}
			deliver(f, 99, "to a mailbox that is no more")
		},
		"flagged": func(f *folded) {
			f.add(Inbox, 6)
			flags := func(mode FlagMode, flags Flags, words []string, list ...uint32) {
				f.at++
				f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(list...), Mode: mode, Flags: flags, Words: words}})
			}
			flags(AddFlags, Seen|Answered, []string{"$Forwarded", "Work"}, 1, 2, 3, 44)
			flags(AddFlags, Seen, []string{"work"}, 1, 4)
			flags(RemoveFlags, Answered, []string{"WORK", "none"}, 2)
			flags(ReplaceFlags, Deleted|Draft|Flagged, []string{"new"}, 3, 5)
			flags(ReplaceFlags, 0, nil, 1)
		},
		"keywords": func(f *folded) {
			f.add(Inbox, 2)
			for i := range MaxKeywords + 2 {
				f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(1), Mode: AddFlags, Words: []string{fmt.Sprint("k", i)}}})
			}
			f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(1), Mode: RemoveFlags, Words: []string{"K3"}}})
			f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(2), Mode: AddFlags, Words: []string{"late"}}})
			f.do(Op{Copy: &Copy{From: Inbox, UIDs: all, To: 2}})
		},
		"copied-moved-expunged": func(f *folded) {
			f.add(Inbox, 8)
			f.at += 3600
			f.do(Op{Copy: &Copy{From: Inbox, UIDs: uids(8, 2, 3), To: 6, First: 1}})
			f.do(Op{Move: &Copy{From: Inbox, UIDs: []Range{{First: 3, Last: 5}}, To: 5, First: 1}})
			f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: []Range{{First: 7, Last: 100}, {First: 1, Last: 1}}}})
			f.do(Op{Move: &Copy{From: 5, UIDs: all, To: 5}})
			f.add(Inbox, 1)
			f.do(Op{Copy: &Copy{From: 6, UIDs: all, To: Inbox}}, Op{Expunge: &Expunge{Mailbox: 6, UIDs: all}})
		},
		"mailboxes": func(f *folded) {
			for _, name := range []string{"a", "a/b", "a/b/c", "ab", "INBOX/sub", "Entw\u00fcrfe"} {
				f.do(Op{CreateMailbox: &CreateMailbox{Name: name, Subscribed: name == "ab"}})
			}
			f.add(7, 3)
			f.add(Inbox, 2)
			f.do(Op{Rename: &Rename{Mailbox: 7, Name: "z"}})
			f.do(Op{DeleteMailbox: &DeleteMailbox{10}}, Op{CreateMailbox: &CreateMailbox{Name: "ab"}})
			f.do(Op{Rename: &Rename{Mailbox: 7, Name: "a"}})
			f.do(Op{Rename: &Rename{Mailbox: Inbox, Name: "old inbox"}})
			f.at += 100
			f.do(Op{DeleteMailbox: &DeleteMailbox{3}}, Op{CreateMailbox: &CreateMailbox{Name: "Gesendet", SpecialUse: `\Sent`}})
			f.do(Op{Subscribe: &Subscribe{"Gesendet", true}}, Op{Subscribe: &Subscribe{"Sent", false}}, Op{Subscribe: &Subscribe{"nowhere", true}})
		},
		"access-closed": func(f *folded) {
			f.do(Op{Access: &Access{Suspended: true, Generation: 1}})
			deliver(f, Inbox, "to a suspended account")
			f.do(Op{Access: &Access{Generation: 7}})
			e := f.entry(Op{Subscribe: &Subscribe{"x", true}})
			e.Outbox = []Outgoing{{"one", "redirect", []byte("1")}, {"two", "vacation", nil}}
			f.take(e)
			f.do(Op{Done: &Done{[]string{"one"}}})
			f.do(Op{Close: &Close{Reason: "moved", To: "elsewhere"}}, Op{Close: &Close{}}, Op{Subscribe: &Subscribe{"y", true}})
			f.do(Op{Close: &Close{Reason: "deleted"}})
		},
		"shared": func(f *folded) {
			f.add(Inbox, 8)
			grant := func(who string, rights Rights) { f.do(Op{SetACL: &SetACL{Mailbox: Inbox, Who: who, Rights: rights}}) }
			seen := func(who ID, on bool, list ...Range) {
				f.do(Op{SeenBy: &SeenBy{Mailbox: Inbox, Reader: who, UIDs: list, On: on}})
			}
			owner := func(mode FlagMode, flags Flags, list ...uint32) {
				f.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(list...), Mode: mode, Flags: flags}})
			}
			owner(AddFlags, Seen, 8)
			grant("user:ann", MayLookup|MayRead|MayKeepSeen)
			grant(Anyone, MayLookup|MayPost)
			grant("-group:staff@example.org", AllRights)
			seen("ann", true, Range{First: 2, Last: 5})
			seen("bob", true, all...)
			seen("ann", false, Range{First: 4, Last: 4}, Range{First: 90, Last: 99})
			owner(AddFlags, Seen, 1, 2, 6)
			owner(AddFlags, Flagged, 2)
			owner(RemoveFlags, Seen, 1, 8)
			f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: uids(3, 4)}})
			f.do(Op{Move: &Copy{From: Inbox, UIDs: uids(5), To: 6}})
			f.do(Op{SeenMode: &SeenMode{Mailbox: Inbox, Shared: true}})
			owner(AddFlags, Seen, 7)
			f.do(Op{SeenMode: &SeenMode{Mailbox: Inbox}})
			owner(RemoveFlags, Seen, 7)
			grant("user:ann", 0)
			f.do(Op{CreateMailbox: &CreateMailbox{Name: "Team"}}, Op{SetACL: &SetACL{Mailbox: 7, Who: "user:bob", Rights: MayLookup}})
		},
		"annotated": func(f *folded) {
			set := func(box MailboxID, list ...string) {
				op := Metadata{Mailbox: box}
				for i := 0; i < len(list); i += 2 {
					a := Annotation{Name: list[i], Value: []byte(list[i+1])}
					if list[i+1] == "NIL" {
						a.Value = nil
					}
					op.Entries = append(op.Entries, a)
				}
				f.do(Op{Metadata: &op})
			}
			set(0, "/shared/comment", "of the account", "/private/vendor/x/y", "\x00\xff")
			set(Inbox, "/shared/comment", "one", "/Private/Comment", "", "/private/a", "2")
			set(Inbox, "/SHARED/comment", "two", "/private/A", "NIL", "/private/none", "NIL")
			f.do(Op{Rename: &Rename{Mailbox: Inbox, Name: "old"}})
			set(Inbox, "/shared/comment", "NIL")
			set(2, SpecialUseEntry, "NIL")
			set(7, "/PRIVATE/specialuse", `\Drafts`)
			f.do(Op{Rename: &Rename{Mailbox: 7, Name: "older"}})
			set(5, "/shared/comment", "goes with it")
			f.do(Op{DeleteMailbox: &DeleteMailbox{5}}, Op{CreateMailbox: &CreateMailbox{Name: "Trash"}})
		},
		"many-messages": func(f *folded) {
			for range 30 {
				f.add(Inbox, 10)
				f.do(Op{Copy: &Copy{From: Inbox, UIDs: []Range{{First: f.Mailbox("INBOX").UIDNext - 10, Last: 1 << 30}}, To: 6}})
			}
			f.do(Op{Expunge: &Expunge{Mailbox: Inbox, UIDs: []Range{{First: 10, Last: 290}}}})
			f.do(Op{Move: &Copy{From: 6, UIDs: []Range{{First: 250, Last: 275}}, To: Inbox}})
		},
	}
}
