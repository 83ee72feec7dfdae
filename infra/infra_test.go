//go:build localstack

package infra_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/godwit-mail/godwit/shared/deploy"
)

// terraform runs Terraform in a folder, and fails the test when it fails.
func terraform(t *testing.T, folder string, env map[string]string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "terraform", args...)
	cmd.Dir = folder
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.Output()
	if err != nil {
		told := out[max(0, len(out)-20_000):] // the states of -json are large; what is wrong stands at the end
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			told = append(told, exit.Stderr...)
		}
		t.Fatalf("terraform %v in %s: %v\n%s", args, folder, err, told)
	}
	return out
}

// module copies a module and makes it ready; Terraform keeps things beside its files.
func module(t *testing.T, path string) (folder string, env map[string]string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(path)); err != nil {
		t.Fatal(err)
	}
	env, err := deploy.Environment(os.Environ(), folder)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing here speaks to AWS, be it emulated.
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		delete(env, name)
	}
	terraform(t, folder, env, "init", "-input=false", "-no-color")
	return folder, env
}

func TestFilesAreFormatted(t *testing.T) {
	env, err := deploy.Environment(os.Environ(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	terraform(t, ".", env, "fmt", "-check", "-recursive", "-diff", "-no-color")
}

func TestModulesDoWhatTheirTestsSay(t *testing.T) {
	modules, err := filepath.Glob("modules/*")
	if err != nil || len(modules) < 4 {
		t.Fatalf("modules: %v, %v", modules, err)
	}
	for _, path := range modules {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			if tests, err := filepath.Glob(filepath.Join(path, "tests", "*.tftest.hcl")); err != nil || len(tests) == 0 {
				t.Fatalf("it has no tests: %v", err)
			}
			folder, env := module(t, path)
			terraform(t, folder, env, "validate", "-no-color")
			terraform(t, folder, env, "test", "-no-color")
		})
	}
}

// The root's own test runs here too: with -json and -verbose it prints what it has made.
func TestTheServiceIsSafe(t *testing.T) {
	t.Parallel()
	folder, env := module(t, ".")
	terraform(t, folder, env, "validate", "-no-color")
	out := terraform(t, folder, env, "test", "-json", "-verbose", "-no-color")
	type part struct {
		Resources    []resource        `json:"resources"`
		ChildModules []json.RawMessage `json:"child_modules"`
	}
	var all []resource
	var collect func(json.RawMessage)
	collect = func(raw json.RawMessage) {
		var p part
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Resources...)
		for _, child := range p.ChildModules {
			collect(child)
		}
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line struct {
			Run   string `json:"@testrun"`
			State *struct {
				Root json.RawMessage `json:"root_module"`
			} `json:"test_state"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Run == "service" && line.State != nil {
			collect(line.State.Root)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range check(all) {
		t.Error(wrong)
	}
}
