package account

import (
	"encoding/binary"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// manifest is what of a snapshot is small: all of the account but the messages and what
// they are made of, and where those are.
type manifest struct {
	Form      uint8          `cbor:"1,keyasint"`
	KeyID     string         `cbor:"2,keyasint,omitempty"` // envelope encryption, reserved
	Partition string         `cbor:"3,keyasint"`
	Seq       uint64         `cbor:"4,keyasint"` // the last entry in it
	Time      int64          `cbor:"5,keyasint"` // of that entry
	NextID    MailboxID      `cbor:"6,keyasint"`
	Validity  uint32         `cbor:"7,keyasint"`
	Used      []byte         `cbor:"8,keyasint,omitempty"` // hashes, 8 bytes each, ascending
	Subs      []string       `cbor:"9,keyasint,omitempty"`
	Outbox    []Outgoing     `cbor:"10,keyasint,omitempty"`
	Standing  Standing       `cbor:"11,keyasint"`
	Objects   []string       `cbor:"12,keyasint"` // the first is the one that the manifest is in; some are needed by points alone
	Boxes     []manifestBox  `cbor:"13,keyasint,omitempty"`
	Packs     []manifestPack `cbor:"14,keyasint,omitempty"` // by rising entries
	Points    []point        `cbor:"15,keyasint,omitempty"` // earlier snapshots, by rising time
	NamesFrom uint64         `cbor:"16,keyasint,omitempty"` // the contents have the names of all deliveries in entries from here on

	Annotations []Annotation `cbor:"17,keyasint,omitempty"` // of the account itself

	epoch uint32 // of Partition
}

const manifestForm = 1

type manifestBox struct {
	ID            MailboxID        `cbor:"1,keyasint"`
	Name          string           `cbor:"2,keyasint"`
	SpecialUse    string           `cbor:"3,keyasint,omitempty"`
	UIDValidity   uint32           `cbor:"4,keyasint"`
	UIDNext       uint32           `cbor:"5,keyasint"`
	HighestModSeq uint64           `cbor:"6,keyasint"`
	Keywords      []string         `cbor:"7,keyasint,omitempty"`
	Count         int              `cbor:"8,keyasint,omitempty"`
	Unseen        int              `cbor:"9,keyasint,omitempty"`
	Deleted       int              `cbor:"10,keyasint,omitempty"`
	Bytes         int64            `cbor:"11,keyasint,omitempty"`
	Pieces        []manifestPiece  `cbor:"12,keyasint,omitempty"`
	Tombs         *manifestPiece   `cbor:"13,keyasint,omitempty"`
	Carried       int64            `cbor:"14,keyasint,omitempty"` // bytes written again since all pieces were together
	DeletedBytes  int64            `cbor:"15,keyasint,omitempty"`
	ACL           []Grant          `cbor:"16,keyasint,omitempty"`
	SharedSeen    bool             `cbor:"17,keyasint,omitempty"`
	Switched      uint64           `cbor:"18,keyasint,omitempty"`
	OthersModSeq  uint64           `cbor:"19,keyasint,omitempty"` // 0: it is HighestModSeq
	Readers       []manifestReader `cbor:"20,keyasint,omitempty"`
	Annotations   []Annotation     `cbor:"21,keyasint,omitempty"`
}

type manifestReader struct {
	_       struct{} `cbor:",toarray"`
	ID      ID
	Seen    int
	Highest uint64
}

type manifestPiece struct {
	_      struct{} `cbor:",toarray"`
	Object int      // index in Objects
	Off    int64
	Len    uint32
	Sum    uint32
	Rows   uint32
	Last   uint32
}

// manifestPack is a run of blocks that lie one after the other.
type manifestPack struct {
	Object int             `cbor:"1,keyasint"`
	Off    int64           `cbor:"2,keyasint"`
	Blocks []manifestBlock `cbor:"3,keyasint"`
}

type manifestBlock struct {
	_     struct{} `cbor:",toarray"`
	First uint64   // lowest entry
	Count uint32   // contents
	Len   uint32
	Sum   uint32
}

// point is an earlier snapshot from which the past can be told.
type point struct {
	_       struct{} `cbor:",toarray"`
	Seq     uint64
	Time    int64
	Ref     string
	Objects []int // indexes in manifest.Objects of all that it needs
}

// encodeManifest gives the end of an object: the manifest, packed, and what leads to it.
func encodeManifest(m *manifest) (tail []byte, sum uint32, err error) {
	m.Form = manifestForm
	raw, err := encMode.Marshal(m)
	if err != nil {
		return nil, 0, kinds.Wrap(kinds.Internal, err, "account: encode manifest")
	}
	if len(raw) > maxManifest {
		return nil, 0, kinds.Errorf(kinds.Limit, "account: a manifest of %d bytes", len(raw))
	}
	packed := packSection(raw)
	sum = checksum(packed)
	tail = binary.BigEndian.AppendUint32(packed, uint32(len(packed)))
	return append(append(tail, snapshotMagic...), snapshotVersion), sum, nil
}

// decodeManifest reads the manifest at the end of a front.
func decodeManifest(ref Ref, at snapshotRef, front []byte) (*manifest, error) {
	where := section{Object: at.object, Off: at.front, Len: uint32(len(front)), Sum: at.sum}
	n := len(front) - snapshotTail
	if n < 0 || string(front[n+4:n+4+len(snapshotMagic)]) != snapshotMagic {
		return nil, damaged(ref, where, kinds.Errorf(kinds.Corrupt, "it does not end as a snapshot"))
	}
	if v := front[len(front)-1]; v != snapshotVersion {
		return nil, damaged(ref, where, kinds.Errorf(kinds.TooNew, "it is of version %d, this program reads up to %d", v, snapshotVersion))
	}
	size := int64(binary.BigEndian.Uint32(front[n:]))
	if size > int64(n) {
		return nil, damaged(ref, where, kinds.Errorf(kinds.Corrupt, "a manifest of %d bytes", size))
	}
	where.Off, where.Len = at.front+int64(n)-size, uint32(size)
	raw, err := verify(ref, where, front[int64(n)-size:n], maxManifest)
	if err != nil {
		return nil, err
	}
	m := new(manifest)
	if err := unmarshal(raw, m); err != nil {
		return nil, damaged(ref, where, err)
	}
	if m.Form != manifestForm || m.KeyID != "" {
		return nil, damaged(ref, where, kinds.Errorf(kinds.TooNew, "a manifest of form %d with key %q", m.Form, m.KeyID))
	}
	for m.epoch = ref.Epoch; m.epoch > 0 && m.Partition != string(ref.in(m.epoch).Partition()); m.epoch-- {
	}
	if m.epoch == 0 || m.Seq != objectSeq(at.object) {
		return nil, damaged(ref, where, kinds.Errorf(kinds.Corrupt, "it is of account %.80s, entry %d", m.Partition, m.Seq))
	}
	if why := m.check(at.object); why != "" {
		return nil, damaged(ref, where, kinds.Errorf(kinds.Corrupt, "the manifest has %s", why))
	}
	return m, nil
}

// check says what is wrong with a manifest, "" if nothing is.
func (m *manifest) check(object string) string {
	if len(m.Objects) == 0 || m.Objects[0] != object {
		return "no or another object of its own"
	}
	for _, o := range m.Objects {
		if objectSeq(o) == 0 || len(o) > maxSnapshotRef {
			return "an object that has no such name"
		}
	}
	if len(m.Used)%8 != 0 || m.NextID == 0 {
		return "names cut short or no next mailbox"
	}
	for _, p := range m.Points {
		for _, o := range p.Objects {
			if o < 0 || o >= len(m.Objects) {
				return "a point that needs an object of no name"
			}
		}
	}
	var last MailboxID
	for i := range m.Boxes {
		b := &m.Boxes[i]
		if b.ID <= last || b.ID >= m.NextID || b.Name == "" || len(b.Keywords) > MaxKeywords {
			return "mailboxes out of order or without a name"
		}
		last = b.ID
		if !b.check(len(m.Objects)) {
			return "a mailbox whose pieces are not what it says"
		}
	}
	var seq uint64
	for i := range m.Packs {
		p := &m.Packs[i]
		if p.Object < 0 || p.Object >= len(m.Objects) || p.Off < 0 || len(p.Blocks) == 0 {
			return "a pack that is nowhere"
		}
		for _, b := range p.Blocks {
			if b.First <= seq || b.First > m.Seq || b.Len > maxSection {
				return "blocks out of order"
			}
			seq = b.First
		}
	}
	return ""
}

func (b *manifestBox) check(objects int) bool {
	rows, last := 0, uint32(0)
	for _, p := range b.Pieces {
		if !p.check(objects) || p.Rows == 0 || p.Rows > pieceRows || p.Last <= last || p.Last >= b.UIDNext {
			return false
		}
		rows, last = rows+int(p.Rows), p.Last
	}
	for i, r := range b.Readers {
		if r.ID == "" || r.Seen < 0 || r.Seen > b.Count || i > 0 && b.Readers[i-1].ID >= r.ID {
			return false
		}
	}
	return rows == b.Count && (b.Tombs == nil || b.Tombs.check(objects))
}

func (p *manifestPiece) check(objects int) bool {
	return p.Object >= 0 && p.Object < objects && p.Off >= 0 && p.Off <= maxSeq && p.Len <= maxGraves
}

// piece gives the piece with its object's name.
func (m *manifest) piece(p *manifestPiece) *piece {
	return &piece{section: section{Object: m.Objects[p.Object], Off: p.Off, Len: p.Len, Sum: p.Sum}, Rows: p.Rows, Last: p.Last}
}

// object gives the index of an object, which it adds where it isn't there.
func (m *manifest) object(name string) int {
	if i := slices.Index(m.Objects, name); i >= 0 {
		return i
	}
	m.Objects = append(m.Objects, name)
	return len(m.Objects) - 1
}

func (m *manifest) put(p *piece) manifestPiece {
	return manifestPiece{Object: m.object(p.Object), Off: p.Off, Len: p.Len, Sum: p.Sum, Rows: p.Rows, Last: p.Last}
}

// state gives the account as it was, with no message in memory.
func (m *manifest) state(ref Ref) *State {
	s := NewState(ref)
	s.seq, s.time, s.nextID, s.validity = m.Seq, m.Time, m.NextID, m.Validity
	s.epoch, s.standing, s.outbox, s.annotations = m.epoch, m.Standing, m.Outbox, m.Annotations
	s.used = make(map[uint64]struct{}, len(m.Used)/8)
	for u := m.Used; len(u) > 0; u = u[8:] {
		s.used[binary.BigEndian.Uint64(u)] = struct{}{}
	}
	s.subs = make(map[string]struct{}, len(m.Subs))
	for _, name := range m.Subs {
		s.subs[name] = struct{}{}
	}
	for i := range m.Boxes {
		b := &m.Boxes[i]
		box := &Mailbox{ID: b.ID, Name: b.Name, SpecialUse: b.SpecialUse, UIDValidity: b.UIDValidity, UIDNext: b.UIDNext,
			HighestModSeq: b.HighestModSeq, Keywords: b.Keywords, Count: b.Count, Unseen: b.Unseen, Deleted: b.Deleted,
			Bytes: b.Bytes, DeletedBytes: b.DeletedBytes, Annotations: b.Annotations, epoch: uint64(m.epoch),
			ACL: b.ACL, SharedSeen: b.SharedSeen, switched: b.Switched, othersModSeq: b.OthersModSeq}
		if box.othersModSeq == 0 {
			box.othersModSeq = box.HighestModSeq
		}
		for _, r := range b.Readers {
			box.readers = append(box.readers, reader{id: r.ID, seen: r.Seen, highest: r.Highest})
		}
		rows := 0
		for j := range b.Pieces {
			p := m.piece(&b.Pieces[j])
			rows += int(p.Rows)
			cold := &block{mod: maxSeq}
			cold.stored.Store(&place{piece: p, of: 1})
			box.blocks, box.ends = append(box.blocks, cold), append(box.ends, rows)
		}
		if b.Tombs != nil {
			box.gone = &graves{cold: true}
			box.gone.stored.Store(m.piece(b.Tombs))
		}
		s.boxes = append(s.boxes, box)
	}
	return s
}

// manifestOf is the reverse of state, but for what messages are made of and where they are.
func manifestOf(s *State, object string) *manifest {
	m := &manifest{epoch: s.epoch, Partition: string(s.ref.in(s.epoch).Partition()), Seq: s.seq, Time: s.time, NextID: s.nextID, Validity: s.validity,
		Subs: s.Subscriptions(), Outbox: s.outbox, Standing: s.standing, Objects: []string{object}, Annotations: s.annotations}
	hashes := make([]uint64, 0, len(s.used))
	for h := range s.used {
		hashes = append(hashes, h)
	}
	slices.Sort(hashes)
	for _, h := range hashes {
		m.Used = binary.BigEndian.AppendUint64(m.Used, h)
	}
	for _, b := range s.boxes {
		box := manifestBox{ID: b.ID, Name: b.Name, SpecialUse: b.SpecialUse, UIDValidity: b.UIDValidity,
			UIDNext: b.UIDNext, HighestModSeq: b.HighestModSeq, Keywords: b.Keywords, Count: b.Count, Unseen: b.Unseen,
			Deleted: b.Deleted, Bytes: b.Bytes, DeletedBytes: b.DeletedBytes, ACL: b.ACL, SharedSeen: b.SharedSeen, Switched: b.switched,
			Annotations: b.Annotations}
		if b.othersModSeq != b.HighestModSeq {
			box.OthersModSeq = b.othersModSeq
		}
		for _, r := range b.readers {
			box.Readers = append(box.Readers, manifestReader{ID: r.id, Seen: r.seen, Highest: r.highest})
		}
		m.Boxes = append(m.Boxes, box)
	}
	return m
}
