package account

import (
	"bytes"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Contents are kept in blocks, in the order of their entries, with the ids and names that
// came with them. All contents of one entry are in one block. A content is encoded as it is
// in an entry.
const (
	blockForm     = 1
	blockContents = 256
	blockBytes    = 1 << 20 // unpacked: a block that has more is full
	maxBlock      = blockBytes + 2*MaxEntry
)

// record is one content with what is known of it.
type record struct {
	ref     ContentRef
	content Content
	name    []byte // the delivery's
}

func (r *record) size() int {
	return 80 + len(r.content.Head) + len(r.content.Summary) + len(r.content.Blob.Name)
}

// records gives the contents of an entry.
func (e *Entry) records() (list []record) {
	for i := range e.Ops {
		if add := e.Ops[i].Add; add != nil {
			list = append(list, record{ref: ContentRef{Seq: e.Seq, Index: i}, content: add.content(), name: add.Name})
		}
	}
	return list
}

// content gives the content with what Add has of it.
func (a *Add) content() Content {
	c := a.Content
	c.EmailID, c.Thread = a.EmailID, a.Thread
	return c
}

func encodeBlock(list []record) ([]byte, error) {
	size := 0
	for i := range list {
		size += list[i].size()
	}
	out := append(make([]byte, 0, size+10), blockForm)
	out = putUint(out, uint64(len(list)))
	seq := uint64(0)
	for i := range list {
		r := &list[i]
		email, _ := parseID(emailLetter, r.content.EmailID) // Add was checked
		thread, _ := parseID(threadLetter, r.content.Thread)
		enc, err := encMode.Marshal(&r.content)
		if err != nil {
			return nil, kinds.Wrap(kinds.Internal, err, "account: encode content")
		}
		out = putUint(putUint(out, r.ref.Seq-seq), uint64(r.ref.Index))
		out = append(append(out, email[:]...), thread[:]...)
		out = putBytes(putBytes(out, r.name), enc)
		seq = r.ref.Seq
	}
	return out, nil
}

func putBytes(out, b []byte) []byte { return append(putUint(out, uint64(len(b))), b...) }

// decodeBlock reads what encodeBlock wrote. The records share no memory with raw.
func decodeBlock(raw []byte) ([]record, error) {
	in := &scan{b: raw}
	if err := in.format("a block of contents", blockForm); err != nil {
		return nil, err
	}
	list := make([]record, in.count(len(raw)/(2*idSize)))
	before := ContentRef{Index: -1}
	for i := range list {
		r := &list[i]
		r.ref = ContentRef{Seq: before.Seq + in.upTo(maxSeq), Index: int(in.upTo(maxOps - 1))}
		if r.ref.Seq > maxSeq || r.ref.Seq == before.Seq && r.ref.Index <= before.Index {
			in.bad = true
		}
		var email, thread [idSize]byte
		copy(email[:], in.bytes(idSize))
		copy(thread[:], in.bytes(idSize))
		r.name = bytes.Clone(in.bytes(int(in.upTo(NameSize))))
		enc := in.bytes(int(in.upTo(MaxEntry)))
		if in.bad {
			return nil, kinds.Errorf(kinds.Corrupt, "account: content %d of a block is cut off or out of its limits", i)
		}
		if err := unmarshal(enc, &r.content); err != nil {
			return nil, err
		}
		if err := r.content.checkStored(); err != nil {
			return nil, err
		}
		r.content.EmailID, r.content.Thread = formatID(emailLetter, email), formatID(threadLetter, thread)
		before = r.ref
	}
	return list, in.end("a block of contents")
}

func (c *Content) checkStored() error {
	if c.Skip < 0 || c.Skip > c.Blob.Size || c.Blob.Size > maxSeq {
		return kinds.Errorf(kinds.Corrupt, "account: a content that leaves out %d of %d bytes", c.Skip, c.Blob.Size)
	}
	return nil
}
