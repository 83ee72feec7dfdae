package account

import (
	"bytes"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// fullEntry has every field of the format set.
func fullEntry() *Entry {
	add := Add{Mailbox: 1, Content: Content{Head: []byte("h"), Blob: blob.Ref{Name: "n", Header: 3, Size: 4, Frames: "\x10\x09\xff\x00\x01\x02"}, Skip: 1, Summary: []byte{1}},
		Flags: Seen, Words: []string{"w"}, Date: -5, EmailID: "e", Thread: "t", Name: []byte("123456789012"), UID: 7, UIDL: "u"}
	c := &Copy{From: 1, UIDs: []Range{{First: 1, Last: 4}}, To: 2, First: 9}
	return &Entry{Version: 1, MinReader: 1, Epoch: 2, Seq: 3, Time: 4, Op: "op", By: By{Actor: "a", Protocol: "p", Session: "s"},
		Ops: []Op{{Create: &Create{Mailboxes: []CreateMailbox{{"INBOX", `\All`, true, 0}}, UIDFloor: 5}}, {Add: &add}, {Copy: c}, {Move: c},
			{Flags: &FlagsOp{Mailbox: 1, UIDs: []Range{{First: 1, Last: 1}}, Mode: AddFlags, Flags: Draft, Words: []string{"w"}}},
			{Expunge: &Expunge{Mailbox: 1, UIDs: []Range{{First: 1, Last: 2}}}}, {CreateMailbox: &CreateMailbox{Name: "\xff\xfe"}},
			{Rename: &Rename{1, "n"}}, {DeleteMailbox: &DeleteMailbox{2}}, {Subscribe: &Subscribe{"n", true}},
			{Access: &Access{true, 1}}, {Close: &Close{"deleted", "x"}}, {Done: &Done{[]string{"n"}}}},
		Outbox: []Outgoing{{"n", "k", []byte("b")}},
		Standing: Standing{Totals: Totals{1, 2, 3}, Recent: []Recent{{Seq: 3, Names: []byte("123456789012")}}, RecentFrom: 3, Closed: "c",
			Suspended: true, Generation: 4, Hold: true, Script: "s", Snapshot: "p"}}
}

func TestAnEntryIsReadBackAsItWasWritten(t *testing.T) {
	first, err := Encode(fullEntry())
	porttest.OK(t, err)
	e, err := Decode(first)
	porttest.OK(t, err)
	second, err := Encode(e)
	porttest.OK(t, err)
	if !bytes.Equal(first, second) || e.Ops[1].Add.Content.Blob.Size != 4 || e.Ops[6].CreateMailbox.Name != "\xff\xfe" {
		t.Errorf("%x\n%x", first, second)
	}
}

func TestWhatANewerVersionWroteIsNeverSkipped(t *testing.T) {
	for name, change := range map[string]func(map[int]any){
		"the oldest reader is newer":            func(m map[int]any) { m[2] = Version + 1 },
		"and so is the type of a field":         func(m map[int]any) { m[2] = Version + 1; m[6] = 17 },
		"a field of an entry":                   func(m map[int]any) { m[99] = 1 },
		"an operation":                          func(m map[int]any) { m[8] = []any{map[int]any{99: 1}} },
		"a field of an operation":               func(m map[int]any) { m[8] = []any{map[int]any{9: map[int]any{1: 2, 99: true}}} },
		"a field of the standing":               func(m map[int]any) { m[10] = map[int]any{1: map[int]any{}, 99: 1} },
		"a key, without which it is not clear":  func(m map[int]any) { m[11] = "k" },
		"a key for what is not even an account": func(m map[int]any) { m[2] = 200; delete(m, 8) },
	} {
		if _, err := Decode(changed(t, change)); !kinds.Is(err, kinds.TooNew) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Decode([]byte{0x02, 0x28, 0xb5, 0x2f, 0xfd})
	porttest.Kind(t, err, kinds.TooNew)
}

func TestBytesThatAreNoEntryAreCorrupt(t *testing.T) {
	good := changed(t, func(map[int]any) {})
	deep := append(bytes.Repeat([]byte{0x81}, 100), 0x00)
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"a cut entry":      good[:len(good)-1],
		"a longer entry":   append(bytes.Clone(good), 0),
		"too many bytes":   make([]byte, MaxEntry+1),
		"depth":            deep,
		"another type":     changed(t, func(m map[int]any) { m[4] = "three" }),
		"a field twice":    append([]byte{0xa2, 0x01, 0x01, 0x01, 0x01}, 0),
		"a claimed array":  {0xa1, 0x08, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a claimed string": {0xa1, 0x06, 0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"no fixed length":  {0xbf, 0x01, 0x01, 0xff},
		"a range of three": changed(t, func(m map[int]any) { m[8] = []any{map[int]any{6: map[int]any{1: 1, 2: []any{[]int{1, 2, 3}}}}} }),
	} {
		if _, err := Decode(b); !kinds.Is(err, kinds.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := decode(journal.Entry{Seq: 4, Op: "op", Data: good})
	porttest.Kind(t, err, kinds.Corrupt)
	_, err = decode(journal.Entry{Seq: 3, Op: "other", Data: good})
	porttest.Kind(t, err, kinds.Corrupt)
}

// changed is an encoded entry whose map was changed.
func changed(t *testing.T, change func(map[int]any)) []byte {
	t.Helper()
	e := fullEntry()
	b, err := Encode(e)
	porttest.OK(t, err)
	var m map[int]any
	porttest.OK(t, decMode.Unmarshal(b, &m))
	delete(m, 8)
	change(m)
	b, err = encMode.Marshal(m)
	porttest.OK(t, err)
	return b
}

func TestEntriesHaveALargestSize(t *testing.T) {
	e := fullEntry()
	e.Outbox[0].Body = make([]byte, MaxEntry)
	_, err := Encode(e)
	porttest.Kind(t, err, kinds.Limit)
}

func FuzzDecode(f *testing.F) {
	b, _ := Encode(fullEntry())
	f.Add(b)
	f.Add(pack(b))
	f.Add([]byte{0xa1, 0x02, 0x09})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			if !kinds.Is(err, kinds.Corrupt) && !kinds.Is(err, kinds.TooNew) {
				t.Fatal(err)
			}
			return
		}
		once, err := Encode(e)
		if err != nil {
			return // what was shorter in another form
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := Encode(again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v: %x is encoded again as %x", err, once, twice)
		}
	})
}

// FuzzApply folds whatever decodes, on an account in use: it is taken, and the state
// agrees with itself, or it is refused and the state that it began from is unharmed.
func FuzzApply(f *testing.F) {
	base := fold(f)
	base.add(Inbox, 5)
	base.do(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(1, 3), Mode: AddFlags, Flags: Seen, Words: []string{"w"}}})
	base.do(Op{Copy: &Copy{From: Inbox, UIDs: []Range{{First: 1, Last: 9}}, To: 2}})
	before := dump(base.State)
	add := delivery("fuzz")
	add.Mailbox = Inbox
	for _, ops := range [][]Op{
		{{Add: &add}},
		{{Move: &Copy{From: 1, UIDs: []Range{{First: 1, Last: 3}}, To: 3}}, {Expunge: &Expunge{Mailbox: 3, UIDs: uids(2)}}},
		{{CreateMailbox: &CreateMailbox{Name: "a/b"}}, {Rename: &Rename{Mailbox: 2, Name: "x"}}, {DeleteMailbox: &DeleteMailbox{4}}},
		{{Rename: &Rename{Mailbox: 1, Name: "in"}}, {Flags: &FlagsOp{Mailbox: 1, UIDs: uids(1), Mode: ReplaceFlags, Words: []string{"z"}}}},
		{{Close: &Close{Reason: "deleted"}}, {Close: &Close{}}, {Access: &Access{Generation: 9}}, {Done: &Done{}}},
	} {
		e := base.entry(ops...)
		b, err := Encode(&e)
		porttest.OK(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		copies := 0
		for i := range e.Ops {
			if e.Ops[i].Copy != nil {
				copies++
			}
		}
		if copies > 8 {
			return // each may double what there is
		}
		// Most of what is found by chance fails at the first look: put that right.
		e.Epoch, e.Seq, e.Time, e.Op = 3, base.seq+1, max(e.Time, base.time), "fuzz"
		s := base.Clone()
		if s.fold(e) == nil {
			check(t, s)
			next := base.Clone()
			e.Standing = s.standing
			if err := next.Apply(*e); err != nil || dump(next) != dump(s) {
				t.Fatalf("it folds in two ways: %v", err)
			}
		}
		if dump(base.State) != before {
			t.Fatal("the state before has changed")
		}
	})
}
