package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maxZip is the largest zip that is let pass: a function's cold start grows with it.
const maxZip = 15 << 20

// made is a zip that was written.
type made struct {
	path, digest string
	size         int
}

// build makes the zips of all functions below root, for each architecture.
func build(ctx context.Context, root, out string, archs []string) ([]made, error) {
	mains, err := filepath.Glob(filepath.Join(root, "functions", "*", "bootstrap", "main.go"))
	if err != nil {
		return nil, err
	}
	if len(mains) == 0 {
		return nil, fmt.Errorf("there is no functions/NAME/bootstrap in %s", root)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "godwit-functions-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	var all []made
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(filepath.Dir(main)))
		for _, arch := range archs {
			program := filepath.Join(tmp, name+"-"+arch)
			if err := compile(ctx, root, "./functions/"+name+"/bootstrap", arch, program); err != nil {
				return all, err
			}
			m, err := pack(program, filepath.Join(out, name+"-"+arch+".zip"))
			if err != nil {
				return all, err
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// compile builds a program for Lambda. Nothing of this machine, of the time or of the
// commit goes into it. The tag leaves out the runtime that provided.al2023 replaces.
func compile(ctx context.Context, root, pkg, arch, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags=lambda.norpc", "-ldflags=-s -w -buildid=", "-o", to, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0")
	if told, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", pkg, arch, err, strings.TrimSpace(string(told)))
	}
	return nil
}

// pack puts a program into a zip as its bootstrap, and the zip in its place at once, so
// that who reads it meanwhile sees the old one or the new one.
func pack(program, to string) (made, error) {
	b, err := os.ReadFile(program)
	if err != nil {
		return made{}, err
	}
	var packed bytes.Buffer
	if err := write(&packed, b); err != nil {
		return made{}, err
	}
	if packed.Len() > maxZip {
		return made{}, fmt.Errorf("%s has %d bytes, over %d", filepath.Base(to), packed.Len(), maxZip)
	}
	next := to + ".new"
	if err := os.WriteFile(next, packed.Bytes(), 0o644); err != nil {
		return made{}, err
	}
	sum := sha256.Sum256(packed.Bytes())
	return made{path: to, digest: hex.EncodeToString(sum[:]), size: packed.Len()}, os.Rename(next, to)
}

// write makes the zip. Its times and modes are always the same.
func write(to *bytes.Buffer, program []byte) error {
	z := zip.NewWriter(to)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(fs.FileMode(0o755))
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	if _, err := w.Write(program); err != nil {
		return err
	}
	return z.Close()
}
