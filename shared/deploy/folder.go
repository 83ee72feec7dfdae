package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// writeFolder puts the files into the folder, in place of those of another version. What
// the user has put there stays: backend.tf and *_override.tf, and the state. The folder is
// the user's alone, and no repository takes it in.
func writeFolder(folder string, files fs.FS) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if name := filepath.Base(f); name == "backend.tf" || strings.HasSuffix(name, "_override.tf") {
			continue
		}
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(folder, "modules")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(folder, filepath.FromSlash(path))
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
}

// digestOf is one of all that makes Terraform ready: its files, the user's and ours.
func digestOf(folder string) (string, error) {
	h := sha256.New()
	for _, pattern := range []string{"*.tf", "*.tfrc", "modules/*/*.tf"} {
		found, err := filepath.Glob(filepath.Join(folder, filepath.FromSlash(pattern)))
		if err != nil {
			return "", err
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d\n%s", path, len(text), text)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
