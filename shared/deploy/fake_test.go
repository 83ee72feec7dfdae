package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/godwit-mail/godwit/shared/deploy"
)

// fake stands in for Terraform. What it says to a verb, after its exit code in the first
// line, is in the file VERB.says of its working folder; what it was told goes to "told".
const fake = `#!/bin/sh
case $1 in version) echo '{"terraform_version": "1.11.4"}'; exit 0 ;; esac
echo "$@" >>told
case $1 in init) /bin/mkdir -p .terraform ;; esac
test -f "$1.says" || exit 0
{
	read -r code
	if test "$code" = wait; then
		trap 'exit 1' INT
		: >waiting
		while :; do /bin/sleep 0.05; done
	fi
	/bin/cat
} <"$1.says"
case $code in 1) echo "│ Error: on its own" >&2 ;; esac
exit "$code"
`

// world is a deployment whose Terraform is a fake.
type world struct {
	*deploy.Deployment
	folder string
	events []deploy.Event
}

func newWorld(t *testing.T, c deploy.Config) *world {
	t.Helper()
	bin := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(bin, "terraform"), []byte(fake), 0o755))
	t.Setenv("PATH", bin)
	w := &world{folder: filepath.Join(t.TempDir(), "deep", "mail")}
	c.Folder, c.Env = w.folder, append(c.Env, "HOME="+t.TempDir())
	c.Files = fstest.MapFS{"main.tf": {Data: []byte("# root")}, "modules/queues/main.tf": {Data: []byte("# queues")}}
	c.Tell = func(e deploy.Event) { w.events = append(w.events, e) }
	var err error
	w.Deployment, err = deploy.New(c)
	ok(t, err)
	return w
}

// says sets what Terraform says to a verb, and its exit code.
func (w *world) says(t *testing.T, verb string, code int, lines ...string) {
	t.Helper()
	text := fmt.Sprintf("%d\n%s\n", code, strings.Join(lines, "\n"))
	if err := os.WriteFile(filepath.Join(w.folder, verb+".says"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// told is what Terraform was told with a verb, each time.
func (w *world) told(t *testing.T, verb string) []string {
	t.Helper()
	all, err := os.ReadFile(filepath.Join(w.folder, "told"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(all), "\n"), func(s string) bool { return !strings.HasPrefix(s, verb+" ") })
}
