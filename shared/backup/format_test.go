package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

func ordinary() *manifest {
	return &manifest{Run: 3, Parent: make([]byte, 32), Started: 1, Ended: 2, Packs: []manifestPack{{Number: 1, Size: 100, Sum: make([]byte, sha256.Size)}},
		Accounts: []manifestPart{{Ref: account.Ref{ID: "abc", Epoch: 1, Tenant: "one"}, From: 1, Through: 9}}, Records: []manifestPlace{{Pack: 1}}}
}

func TestAManifestOfAHostileBackupIsRefused(t *testing.T) {
	for what, change := range map[string]func(*manifest){
		"another run":                  func(m *manifest) { m.Run = 4 },
		"a tenant that climbs":         func(m *manifest) { m.Accounts[0].Ref.Tenant = "../../etc" },
		"an id that climbs":            func(m *manifest) { m.Accounts[0].Ref.ID = "../x" },
		"an id with a slash":           func(m *manifest) { m.Accounts[0].Ref.ID = "a/x" },
		"an account without an id":     func(m *manifest) { m.Accounts[0].Ref.ID = "" },
		"entries that end before":      func(m *manifest) { m.Accounts[0].From = 10 },
		"no first entry":               func(m *manifest) { m.Accounts[0].From = 0 },
		"more entries than can be":     func(m *manifest) { m.Accounts[0].Through = 1 << 60 },
		"a pack of no number":          func(m *manifest) { m.Packs[0].Number = 0 },
		"a pack of too high a number":  func(m *manifest) { m.Packs[0].Number = maxPacks + 1 },
		"a pack of too many bytes":     func(m *manifest) { m.Packs[0].Size = maxPack + 1 },
		"a pack of less than no bytes": func(m *manifest) { m.Packs[0].Size = -1 },
		"a checksum cut short":         func(m *manifest) { m.Packs[0].Sum = nil },
		"the same pack twice":          func(m *manifest) { m.Packs = append(m.Packs, m.Packs[0]) },
	} {
		m := ordinary()
		change(m)
		b, err := encodeManifest(m)
		porttest.OK(t, err)
		if _, err := decodeManifest(b, 3); !kinds.Is(err, kinds.Corrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b, err := encodeManifest(ordinary())
	porttest.OK(t, err)
	m, err := decodeManifest(b, 3)
	porttest.OK(t, err)
	if !reflect.DeepEqual(m, ordinaryV1()) {
		t.Errorf("%+v", m)
	}
	b[3]++
	_, err = decodeManifest(b, 3)
	porttest.Kind(t, err, kinds.TooNew)
}

func ordinaryV1() *manifest {
	m := ordinary()
	m.Version = 1
	return m
}

func TestAnIndexOfAHostileBackupIsRefused(t *testing.T) {
	good := piece{What: ofBlob, Name: "m/one/2030010101/x", First: 0, Last: 50, Off: 4, Len: 50}
	for what, change := range map[string]func(*piece){
		"a name that climbs":           func(p *piece) { p.Name = "m/../../etc/passwd" },
		"an absolute name":             func(p *piece) { p.Name = "/etc/passwd" },
		"a name with a backslash":      func(p *piece) { p.Name = `m\..\x` },
		"a name that is long":          func(p *piece) { p.Name = strings.Repeat("a", 1000) },
		"a place behind the pack":      func(p *piece) { p.Off = 60 },
		"a place before the pack":      func(p *piece) { p.Off = -4 },
		"a place that is too far away": func(p *piece) { p.Off = 1 << 62 },
		"a length that overflows":      func(p *piece) { p.Len = 1<<63 - 1 },
		"a length below none":          func(p *piece) { p.Len = -1 },
		"a blob that is huge":          func(p *piece) { p.Last = 1 << 60 },
		"a part behind its blob":       func(p *piece) { p.First = 51 },
		"a part longer than its blob":  func(p *piece) { p.Last = 49 },
		"no kind":                      func(p *piece) { p.What = 9 },
		"entries that overflow":        func(p *piece) { p.What, p.First, p.Last = ofJournal, 1, 1<<64-1 },
		"entries backwards":            func(p *piece) { p.What, p.First, p.Last = ofJournal, 9, 1 },
		"entry 0":                      func(p *piece) { p.What, p.First, p.Last = ofJournal, 0, 1 },
	} {
		p := good
		change(&p)
		enc, err := cbor.Marshal([]piece{good, p})
		porttest.OK(t, err)
		if _, err := decodeIndex(enc, checksum(enc), 100); !kinds.Is(err, kinds.Corrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// An index that claims to be longer than the pack, and a list that claims to have
	// more in it than there are bytes.
	tail := binary.BigEndian.AppendUint32(nil, 1<<30)
	tail = append(binary.BigEndian.AppendUint32(tail, 0), packMagic...)
	_, _, err := indexSize(tail, 1000)
	porttest.Kind(t, err, kinds.Corrupt)
	huge := []byte{0x9a, 0x00, 0x98, 0x96, 0x7f}
	_, err = decodeIndex(huge, checksum(huge), 100)
	porttest.Kind(t, err, kinds.Corrupt)
	_, err = decodeEntries(huge, 1, 9_999_999)
	porttest.Kind(t, err, kinds.Corrupt)
}

func TestRecordsKeepTheirBytesAndThoseOfOthersAreRefused(t *testing.T) {
	enc, err := encodeRecords([]records.Record{{Key: records.Key{Space: "dir/tenants", ID: "\xff\x00"}, Value: []byte("v")}})
	porttest.OK(t, err)
	list, err := decodeRecords(enc)
	porttest.OK(t, err)
	if len(list) != 1 || list[0].ID != "\xff\x00" || string(list[0].Value) != "v" {
		t.Errorf("%+v", list)
	}
	for _, space := range []string{"spool/x", "quota", "", "dir/other"} {
		_, err := directory.ReadCopy([]records.Record{{Key: records.Key{Space: space, ID: "x"}}})
		porttest.Kind(t, err, kinds.Corrupt)
	}
}

func FuzzDecode(f *testing.F) {
	m, err := encodeManifest(ordinary())
	porttest.OK(f, err)
	f.Add(m)
	e, err := encodeEntries([]journal.Entry{{Seq: 1, Op: "op", Data: []byte("data")}})
	porttest.OK(f, err)
	f.Add(e)
	i, err := cbor.Marshal([]piece{{What: ofBlob, Name: "m/x", Last: 3, Off: 4, Len: 3}})
	porttest.OK(f, err)
	f.Add(i)
	r, err := encodeRecords([]records.Record{{Key: records.Key{Space: "a", ID: "b"}}})
	porttest.OK(f, err)
	f.Add(r)
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeManifest(b, 3); err == nil {
			for _, a := range m.Accounts {
				if strings.Contains(string(a.Ref.Partition()), "/") {
					t.Errorf("account %q", a.Ref.Partition())
				}
			}
		}
		// The checksums say nothing of who made them.
		sum := sha256.Sum256(b)
		if m, err := decodeManifest(append(append([]byte(manifestMagic), sum[:]...), b...), 3); err == nil && m.Run != 3 {
			t.Error("another run")
		}
		if index, err := decodeIndex(b, checksum(b), 1000); err == nil {
			for _, p := range index {
				if p.Off < 0 || p.Len < 0 || p.Off+p.Len > 1000 {
					t.Errorf("%+v", p)
				}
			}
			c := newCatalog()
			c.add(1, 1, index)
			for _, p := range index {
				if list := c.find(p.Name); p.What == ofBlob && list != nil && list[0].size > 1000*uint64(len(index)) {
					t.Errorf("a blob of %d bytes", list[0].size)
				}
				c.segments(journal.Partition(p.Name), 1, maxSeq)
			}
		}
		if list, err := decodeEntries(b, 1, 3); err == nil && len(list) != 3 {
			t.Errorf("%d entries", len(list))
		}
		_, _ = decodeRecords(b)
		if len(b) >= packTail {
			_, _, _ = indexSize(b[len(b)-packTail:], int64(len(b)))
		}
	})
}
