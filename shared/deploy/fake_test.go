package deploy_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/godwit-mail/godwit/shared/deploy"
)

const fakeVariable = "GODWIT_TEST_TERRAFORM"

// TestMain lets this program stand in for Terraform: what it says is in files of its
// working folder, and what it was told goes to the file "told".
func TestMain(m *testing.M) {
	if os.Getenv(fakeVariable) != "" {
		os.Exit(fake(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func fake(args []string) int {
	if args[0] == "version" {
		fmt.Println(`{"terraform_version": "1.11.4"}`)
		return 0
	}
	told, err := os.OpenFile("told", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 3
	}
	fmt.Fprintln(told, strings.Join(args, " "))
	told.Close()
	if args[0] == "init" {
		_ = os.MkdirAll(".terraform", 0o700)
	}
	says, err := os.ReadFile(args[0] + ".says")
	if err != nil {
		return 0
	}
	first, rest, _ := strings.Cut(string(says), "\n")
	if first == "wait" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, os.Interrupt)
		_ = os.WriteFile("waiting", nil, 0o600)
		<-stop
		return 1
	}
	fmt.Print(rest)
	if first == "1" {
		fmt.Fprintln(os.Stderr, "│ Error: on its own")
	}
	return int(first[0] - '0')
}

// world is a deployment whose Terraform is a fake.
type world struct {
	*deploy.Deployment
	folder string
	events []deploy.Event
}

func newWorld(t *testing.T, c deploy.Config) *world {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "terraform")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	w := &world{folder: filepath.Join(t.TempDir(), "deep", "mail")}
	c.Folder, c.Env = w.folder, append(c.Env, fakeVariable+"=1", "HOME="+t.TempDir())
	c.Files = fstest.MapFS{"main.tf": {Data: []byte("# root")}, "modules/queues/main.tf": {Data: []byte("# queues")}}
	c.Tell = func(e deploy.Event) { w.events = append(w.events, e) }
	if w.Deployment, err = deploy.New(c); err != nil {
		t.Fatal(err)
	}
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
