package account

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
)

// Golden snapshots freeze the format: NAME.snapshot is of the history NAME.journal and is
// never written again; what is read from it is what the history folds to. Its first line
// says where the snapshot is, its second one under which name, the rest is the object.
func TestGoldenSnapshots(t *testing.T) {
	files, err := filepath.Glob("testdata/*.journal")
	porttest.OK(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(file, ".journal")
		if _, err := os.Stat(name + ".snapshot"); *update && err != nil {
			writeSnapshot(t, name)
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			want, err := os.ReadFile(name + ".state")
			porttest.OK(t, err)
			if got := openSnapshot(t, name+".snapshot"); got != string(want) {
				t.Errorf("it is\n%s\nand not\n%s", got, want)
			}
		})
	}
}

var goldenRef = Ref{ID: "golden", Epoch: 3, Tenant: "t"}

func openSnapshot(t *testing.T, file string) string {
	data, err := os.ReadFile(file)
	porttest.OK(t, err)
	parts := bytes.SplitN(data, []byte("\n"), 3)
	w := newWorld(t)
	w.blobs.objects[goldenRef.folder()+string(parts[1])] = parts[2]
	s, ctx := w.store(), context.Background()
	snap, err := s.readSnapshot(ctx, goldenRef, string(parts[0]))
	porttest.OK(t, err)
	state := snap.man.state(goldenRef)
	for _, m := range state.Mailboxes() {
		porttest.OK(t, s.warm(ctx, state, snap, []need{{box: m.ID, whole: true, tombs: true}}))
	}
	check(t, state)
	contents := map[ContentRef]Content{}
	for i := range snap.man.Packs {
		sections := snap.man.sections(&snap.man.Packs[i])
		stored, err := s.readSections(ctx, goldenRef, snap, sections)
		porttest.OK(t, err)
		for _, at := range sections {
			records, err := readBlock(goldenRef, at, stored[at])
			porttest.OK(t, err)
			for _, r := range records {
				contents[r.ref] = r.content
			}
		}
	}
	return dumpWith(state, contents)
}

func writeSnapshot(t *testing.T, name string) {
	w := newWorld(t)
	w.ref = goldenRef
	data, err := os.ReadFile(name + ".journal")
	porttest.OK(t, err)
	for _, line := range strings.Fields(string(data)) {
		raw, err := hex.DecodeString(line)
		porttest.OK(t, err)
		e, err := Decode(raw)
		porttest.OK(t, err)
		porttest.OK(t, w.journal.Append(t.Context(), w.ref.Partition(), journal.Entry{Seq: e.Seq, Op: e.Op, Data: raw}))
	}
	a := w.open(t, w.store())
	records, err := a.core.recordsSince(t.Context(), 0, a.State().seq)
	porttest.OK(t, err)
	d := &draft{store: w.store(), ref: w.ref, state: a.State().Clone()}
	porttest.OK(t, d.make(t.Context(), records))
	porttest.OK(t, os.WriteFile(name+".snapshot", fmt.Appendf(nil, "%s\n%s\n%s", d.text, d.man.Objects[0], d.object), 0o644))
}
