package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sources makes a module with a function in a new folder.
func sources(t *testing.T, name, code string) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "functions", name, "bootstrap")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{filepath.Join(root, "go.mod"): "module example.org/mail\n\ngo 1.26\n", filepath.Join(dir, "main.go"): code} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const small = "package main\n\nfunc main() { println(\"deliver\") }\n"

func TestTheSameSourcesGiveTheSameZips(t *testing.T) {
	var sums [2]map[string][sha256.Size]byte
	for i := range sums {
		// Other folders, and a file that git would call a change.
		root, out := sources(t, "deliver", small), t.TempDir()
		if err := os.WriteFile(filepath.Join(root, "note"), []byte{byte(i)}, 0o644); err != nil {
			t.Fatal(err)
		}
		all, err := build(t.Context(), root, out, []string{"arm64", "amd64"})
		if err != nil || len(all) != 2 {
			t.Fatalf("built %v, %v", all, err)
		}
		sums[i] = map[string][sha256.Size]byte{}
		for _, m := range all {
			b, err := os.ReadFile(m.path)
			if err != nil {
				t.Fatal(err)
			}
			sums[i][filepath.Base(m.path)] = sha256.Sum256(b)
		}
	}
	for name, sum := range sums[0] {
		if sums[1][name] != sum {
			t.Errorf("%s is another the second time", name)
		}
	}
	if len(sums[0]) != 2 || sums[0]["deliver-arm64.zip"] == sums[0]["deliver-amd64.zip"] {
		t.Errorf("zips: %v", sums[0])
	}
}

func TestAZipIsWhatLambdaRuns(t *testing.T) {
	root, out := sources(t, "deliver", small), t.TempDir()
	if _, err := build(t.Context(), root, out, []string{"arm64"}); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(filepath.Join(out, "deliver-arm64.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 {
		t.Fatalf("it holds %v", z.File)
	}
	r, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	program, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	e, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if e.Machine != elf.EM_AARCH64 {
		t.Errorf("it is for %v", e.Machine)
	}
	if libs, err := e.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("it wants %v, %v", libs, err)
	}
	if bytes.Contains(program, []byte(root)) {
		t.Error("it tells the folder in which it was built")
	}
}

func TestWhatCantBeBuiltIsAnError(t *testing.T) {
	for what, test := range map[string]struct{ root, says string }{
		"no functions": {t.TempDir(), "no functions/NAME/bootstrap"},
		"no Go":        {sources(t, "deliver", "package main\n\nfunc main() { absent() }\n"), "undefined: absent"},
	} {
		out := t.TempDir()
		all, err := build(t.Context(), test.root, out, []string{"amd64"})
		if err == nil || !strings.Contains(err.Error(), test.says) || len(all) != 0 {
			t.Errorf("%s: %v, %v", what, all, err)
		}
		if left, _ := filepath.Glob(filepath.Join(out, "*")); len(left) > 0 {
			t.Errorf("%s: it left %v", what, left)
		}
	}
}

func TestAZipThatIsTooLargeIsRefused(t *testing.T) {
	program, to := filepath.Join(t.TempDir(), "large"), filepath.Join(t.TempDir(), "deliver-arm64.zip")
	noise := make([]byte, maxZip+1)
	for i, seed := range sha(len(noise)) {
		noise[i] = seed
	}
	if err := os.WriteFile(program, noise, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := pack(program, to); err == nil {
		t.Error("it was let pass")
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("it is there")
	}
}

// sha gives n bytes that can't be compressed.
func sha(n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	for sum := sha256.Sum256(nil); len(out) < n; sum = sha256.Sum256(sum[:]) {
		out = append(out, sum[:]...)
	}
	return out[:n]
}
