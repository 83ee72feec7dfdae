package files_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/blobtest"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/blob/files/filestest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// guarded opens a store whose puts are checked to outlive a power cut.
func guarded(t *testing.T, parent string, r *filestest.Recorder) blob.Driver {
	t.Helper()
	root := filepath.Join(parent, "blobs")
	return r.Guard(t, open(t, root, r), root)
}

func put(t *testing.T, d blob.Driver, name, body string) {
	t.Helper()
	porttest.OK(t, d.Put(t.Context(), name, strings.NewReader(body), int64(len(body))))
}

func TestWhateverPutReturnsForOutlivesAPowerCut(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.World {
		parent := t.TempDir()
		return blobtest.World{Driver: guarded(t, parent, filestest.New(parent)), Reopen: func(t *testing.T) blob.Driver {
			return guarded(t, parent, filestest.New(parent))
		}}
	})
}

func TestFoldersThatAnotherMakesAtTheSameTimeAreDurable(t *testing.T) {
	parent := t.TempDir()
	d := guarded(t, parent, filestest.New(parent))
	for round := range 20 {
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				name := fmt.Sprintf("m/tenant%d/hour%d/%d", round, round, i)
				if err := d.Put(t.Context(), name, strings.NewReader("x"), 1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestFoldersLeftByACrashAreMadeDurable(t *testing.T) {
	parent := t.TempDir()
	put(t, open(t, filepath.Join(parent, "blobs"), files.OS{}), "m/tenant/hour/1", "x")
	// This recorder takes nothing that it finds for durable.
	d := guarded(t, parent, filestest.New(parent))
	put(t, d, "m/tenant/hour/2", "y")
	put(t, d, "m/tenant/hour/1", "x")
}

func TestAPutIntoAKnownFolderCostsTwoSyncs(t *testing.T) {
	parent := t.TempDir()
	r := filestest.New(parent)
	d := guarded(t, parent, r)
	put(t, d, "m/tenant/hour/1", "x")
	before := r.Syncs()
	put(t, d, "m/tenant/hour/2", "x")
	if n := r.Syncs() - before; n != 2 {
		t.Errorf("%d syncs, want 2", n)
	}
}

func TestAFaultAtAnyOperationLosesNothingAndLeavesNoPart(t *testing.T) {
	const name = "m/tenant/1"
	body := strings.Repeat("many bytes ", 10_000)
	for n := 1; ; n++ {
		parent := t.TempDir()
		r := filestest.New(parent)
		d := guarded(t, parent, r)
		calls, met := 0, ""
		r.Before = func(op, path string) error {
			if calls++; calls == n {
				met = op
				return errors.New("the disk has failed")
			}
			return nil
		}
		err := d.Put(t.Context(), name, strings.NewReader(body), int64(len(body)))
		r.Before = nil
		if met == "" {
			porttest.OK(t, err)
			if n < 10 {
				t.Errorf("only %d operations were seen", n-1)
			}
			return
		}
		if err == nil && met != "remove" {
			t.Errorf("a fault at %s is success", met)
		} else if err != nil {
			porttest.Kind(t, err, kinds.Unavailable)
		}
		if got, err := d.Open(t.Context(), name, 0, -1); err == nil {
			b, _ := io.ReadAll(got)
			got.Close()
			if string(b) != body {
				t.Errorf("a fault at %s leaves %d bytes of %d", met, len(b), len(body))
			}
		}
		put(t, d, name, body)
		unfinished, err := r.ReadDir(filepath.Join(parent, "blobs", "unfinished"))
		if err != nil || len(unfinished) > 0 {
			t.Errorf("a fault at %s leaves %v, %v", met, unfinished, err)
		}
	}
}
