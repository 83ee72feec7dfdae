//go:build !localstack

package service_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

// fail opens a service that can't be, and gives its error.
func fail(t *testing.T, flags map[string]string) string {
	t.Helper()
	all := map[string]string{"data": filepath.Join(t.TempDir(), "data")}
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "api"} {
		all[name+"-address"] = "127.0.0.1:0"
	}
	for k, v := range flags {
		all[k] = v
	}
	s, _, err := settings.Load(settings.Serve, "", nil, all)
	if err != nil {
		t.Fatal(err)
	}
	service, err := serve.Open(t.Context(), s, serve.Options{DemoPassword: world.Password})
	if err == nil {
		service.Close()
		t.Fatal("it was opened")
	}
	return err.Error()
}

func TestATakenPortNamesThePortAndTheFlag(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	data := filepath.Join(t.TempDir(), "data")
	msg := fail(t, map[string]string{"imap-address": l.Addr().String(), "data": data})
	if !strings.Contains(msg, "port "+port) || !strings.Contains(msg, "--imap-address") || !strings.Contains(msg, "taken") {
		t.Errorf("got %q", msg)
	}
	// Nothing was made on the way, so the next start is the first, and tells passwords.
	w := world.Start(t, world.Config{Data: data})
	if w.Demo() == nil {
		t.Error("the failed start has used up the demo")
	}
}

func TestAFolderInUseNamesTheProcess(t *testing.T) {
	w := world.Start(t, world.Config{})
	msg := fail(t, map[string]string{"data": w.Data})
	if !strings.Contains(msg, "in use by process ") || !strings.Contains(msg, w.Data) || !strings.Contains(msg, "--data") {
		t.Errorf("got %q", msg)
	}
}

func TestAFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{file, filepath.Join(file, "below"), filepath.Join(t.TempDir(), "no", "parent")} {
		if msg := fail(t, map[string]string{"data": data}); !strings.Contains(msg, data) || !strings.Contains(msg, "--data") {
			t.Errorf("got %q", msg)
		}
	}
}

func TestTheDemoIsMadeOnceAndTold(t *testing.T) {
	w := world.Start(t, world.Config{})
	text := w.Welcome()
	for _, want := range []string{world.Alice, world.Bob, world.Password, w.Address("imaps"), "curl -s smtp://" + w.Address("smtp"), "swaks "} {
		if !strings.Contains(text, want) {
			t.Errorf("the welcome lacks %q:\n%s", want, text)
		}
	}
	info, err := os.Stat(filepath.Join(w.Data, "admin.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("admin.key: %v, %v", info, err)
	}
	key, cert := read(t, w, "admin.key"), read(t, w, "tls/cert.pem")
	w.Stop()
	again := world.Start(t, world.Config{Data: w.Data})
	if again.Demo() != nil || strings.Contains(again.Welcome(), world.Password) {
		t.Error("the demo was made, or told, twice")
	}
	if read(t, again, "admin.key") != key || read(t, again, "tls/cert.pem") != cert {
		t.Error("key or certificate did not survive a restart")
	}
	again.Stop()
	walk(t, w.Data, func(name string, b []byte) {
		if strings.Contains(string(b), world.Password) {
			t.Errorf("the password stands in %s", name)
		}
	})
}

func TestNoDemoWhenNoneIsWanted(t *testing.T) {
	w := world.Start(t, world.Config{Settings: map[string]string{"demo": "false"}})
	if w.Demo() != nil {
		t.Error("there is one")
	}
	if err := dialog.Play("none", "c: connect smtp\nc<... 220\nc-> EHLO x\nc<* ^250 \nc-> MAIL FROM:<>\nc<... 250\nc-> RCPT TO:<alice@demo.test>\nc<... 550\n", w.Dialog()); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, w *world.World, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.Data, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func walk(t *testing.T, root string, do func(name string, b []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		do(path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// get asks the API's listener.
func get(t *testing.T, w *world.World, path string, header http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://"+w.Address("api")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func TestHealthAndMetrics(t *testing.T) {
	w := world.Start(t, world.Config{})
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if status := get(t, w, path, nil); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	// What a proxy on this machine passes on comes from elsewhere: it needs a key.
	elsewhere := http.Header{"X-Forwarded-For": {"192.0.2.1"}}
	if status := get(t, w, "/metrics", elsewhere); status != http.StatusUnauthorized {
		t.Errorf("metrics from elsewhere: %d", status)
	}
	elsewhere.Set("Authorization", "Bearer "+strings.TrimSpace(read(t, w, "admin.key")))
	if status := get(t, w, "/metrics", elsewhere); status != http.StatusOK {
		t.Errorf("metrics from elsewhere with a key: %d", status)
	}
}
