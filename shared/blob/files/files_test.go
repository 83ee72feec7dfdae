package files_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/blobtest"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

func TestContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.World {
		root := filepath.Join(t.TempDir(), "blobs")
		return blobtest.World{Driver: open(t, root, files.OS{}), Reopen: func(t *testing.T) blob.Driver {
			return open(t, root, files.OS{})
		}}
	})
}

func open(t *testing.T, root string, layer files.FS) *files.Files {
	t.Helper()
	d, err := files.New(root, layer)
	porttest.OK(t, err)
	return d
}

func TestWhatUnfinishedWritesHaveLeftIsRemoved(t *testing.T) {
	root := filepath.Join(t.TempDir(), "blobs")
	open(t, root, files.OS{})
	left := filepath.Join(root, "unfinished", "left")
	porttest.OK(t, os.WriteFile(left, []byte("half a messa"), 0o600))
	d := open(t, root, files.OS{})
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	if found, err := d.List(t.Context(), "", "", 10); err != nil || len(found) != 0 {
		t.Errorf("listed %v, %v", found, err)
	}
}
