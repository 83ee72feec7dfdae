package admin_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// newTown is a world with Ann's account.
func newTown(t *testing.T) *world {
	w := newWorld(t)
	w.json("", "tenant create acme")
	w.json("", "domain create --tenant acme acme.test")
	w.json("", "account create ann@acme.test")
	return w
}

// mbox makes an mbox of n small messages.
func mbox(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "From a@b.test Mon Nov  6 10:11:12 2023\nSubject: %d\n\nbody\n\n", i)
	}
	path := filepath.Join(t.TempDir(), "all.mbox")
	porttest.OK(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

// serve has another handler answer.
func (w *world) serve(h http.HandlerFunc) {
	w.serving.Lock()
	defer w.serving.Unlock()
	w.handler = h
}

// counts runs a transfer and gives what it reports.
func (w *world) counts(line string) (out map[string]any, err error) {
	w.t.Helper()
	text, err := w.run("", line, "--url", w.url, "--data", w.data, "--output", "json")
	if at := strings.Index(text, "{\n"); at >= 0 {
		porttest.OK(w.t, json.Unmarshal([]byte(text[at:]), &out))
	}
	return out, err
}

// messages is how many the account has.
func (w *world) messages() string {
	w.t.Helper()
	w.Clock.Advance(time.Hour) // the directory reads it again
	return fmt.Sprint(w.json("", "account show ann@acme.test")["usage"].(map[string]any)["messages"])
}

func TestAnImportThatWasEndedGoesOn(t *testing.T) {
	w := newTown(t)
	path, whole := mbox(t, 1100), w.handler
	for requests, cut := range map[int]func(http.ResponseWriter){
		1: func(rw http.ResponseWriter) { http.Error(rw, "{}", http.StatusInternalServerError) }, // the command ends
		2: func(http.ResponseWriter) { panic(http.ErrAbortHandler) },                             // the connection is lost
	} {
		// The answer to a request with messages is lost, and the request was done.
		seen := 0
		w.serve(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/messages") && r.Method == http.MethodPost {
				if seen++; seen == requests {
					whole.ServeHTTP(httptest.NewRecorder(), r)
					cut(rw)
					return
				}
			}
			whole.ServeHTTP(rw, r)
		})
		out, err := w.counts("import ann@acme.test " + path + fmt.Sprint(" --into ", requests))
		switch {
		case requests == 1 && (err == nil || out["messages"] != 0.0):
			t.Errorf("after an error it says %v, %v", out, err)
		case requests == 2 && (err != nil || out["messages"] != 1100.0):
			t.Errorf("after a lost connection it says %v, %v", out, err)
		}
		want := 0.0
		if requests == 1 {
			want = 100
		}
		out, err = w.counts("import ann@acme.test " + path + fmt.Sprint(" --into ", requests))
		if err != nil || out["messages"] != want || out["already_there"] != 1100-want {
			t.Errorf("the next says %v, %v", out, err)
		}
	}
	if n := w.messages(); n != "2200" {
		t.Errorf("there are %s messages", n)
	}
}

func TestWhatIsBrokenIsReportedAndLeftOut(t *testing.T) {
	w := newTown(t)
	path := filepath.Join(t.TempDir(), "mail.zip")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"INBOX/good.eml", "INBOX/bad.eml", "a*b%25/c%25.eml", strings.Repeat("deep/", 60) + "x.eml", "../../../etc/passwd.eml", "INBOX/empty.eml"} {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		porttest.OK(t, err)
		if !strings.Contains(name, "empty") {
			fmt.Fprintf(f, "Subject: %.20s\r\n\r\nthe body\r\n", name)
		}
	}
	porttest.OK(t, z.Close())
	broken := bytes.Replace(b.Bytes(), []byte("Subject: INBOX/bad.eml"), []byte("Subject: INBOX/baX.eml"), 1) // its checksum is wrong now
	porttest.OK(t, os.WriteFile(path, broken, 0o600))
	out, err := w.counts("import ann@acme.test " + path)
	if err == nil || !strings.Contains(err.Error(), "could not be taken") {
		t.Errorf("it ends with %v", err)
	}
	if text := fmt.Sprint(out["skipped_messages"]); !strings.Contains(text, "INBOX/bad.eml") || out["skipped"] == 0.0 {
		t.Errorf("it says %v", out)
	}
	boxes := fmt.Sprint(w.boxes())
	if !strings.Contains(boxes, "a_b") || strings.Contains(boxes, "*") || strings.Contains(boxes, "..") && !strings.Contains(boxes, "_") {
		t.Errorf("the mailboxes are %s", boxes)
	}
	if n := w.messages(); n != fmt.Sprint(out["messages"]) || n == "0" {
		t.Errorf("there are %s messages: %v", n, out)
	}
	w.fails("import ann@acme.test "+path+" --format mbox", "is zip, not mbox")
	w.fails("import ann@acme.test "+filepath.Join(t.TempDir(), "none"), "no such file")
	w.fails("import bob@acme.test "+path, `there is no account "bob@acme.test"`)
	w.fails("import ann@acme.test "+path+" --mailbox Nothing", "the archive has no mailbox Nothing")
}

// boxes are the mailboxes of Ann's account that have messages.
func (w *world) boxes() (names []string) {
	w.t.Helper()
	out := filepath.Join(w.t.TempDir(), "out")
	_, err := w.counts("export ann@acme.test " + out + " --format eml")
	porttest.OK(w.t, err)
	r, err := archive.Open(out, archive.Options{})
	porttest.OK(w.t, err)
	defer r.Close()
	names, err = r.Mailboxes()
	porttest.OK(w.t, err)
	return names
}

func TestAnImportStopsWhereThereIsNoRoom(t *testing.T) {
	w := newTown(t)
	path := mbox(t, 1100)
	w.json("", "settings set --account ann@acme.test messages=1020 quota-warnings=off")
	out, err := w.counts("import ann@acme.test " + path)
	if err == nil || !strings.Contains(err.Error(), "no room for more") || out["messages"] != 1020.0 || out["skipped"] != 0.0 {
		t.Errorf("it says %v, %v", out, err)
	}
	w.json("", "settings set --account ann@acme.test messages=2000")
	if out, err = w.counts("import ann@acme.test " + path); err != nil || out["messages"] != 80.0 || out["already_there"] != 1020.0 {
		t.Errorf("it says %v, %v", out, err)
	}
}

func TestAnExportIsThereWholeOrNotAtAll(t *testing.T) {
	w := newTown(t)
	_, err := w.counts("import ann@acme.test " + mbox(t, 30))
	porttest.OK(t, err)
	whole, dir := w.handler, t.TempDir()
	for _, format := range []string{"maildir", "mbox", "eml", "zip"} {
		out := filepath.Join(dir, format)
		w.serve(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/messages/20") {
				http.Error(rw, "{}", http.StatusTeapot)
				return
			}
			whole.ServeHTTP(rw, r)
		})
		w.fails("export ann@acme.test "+out+" --format "+format, "teapot")
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: left are %v, %v", format, left, err)
		}
		// What the service can't read is left out.
		w.serve(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/messages/20") {
				http.Error(rw, "{}", http.StatusInternalServerError)
				return
			}
			whole.ServeHTTP(rw, r)
		})
		got, err := w.counts("export ann@acme.test " + out + " --format " + format)
		if err == nil || got["messages"] != 29.0 || !strings.Contains(fmt.Sprint(got["skipped_messages"]), "all, UID 20") {
			t.Errorf("%s: it says %v, %v", format, got, err)
		}
		w.serve(whole.ServeHTTP)
		w.fails("export ann@acme.test "+out+" --format "+format, "is there already")
		porttest.OK(t, os.RemoveAll(out))
	}
	w.fails("export ann@acme.test "+filepath.Join(dir, "x"), "which one of maildir, mbox, eml, zip")
	w.fails("export ann@acme.test "+filepath.Join(dir, "x.zip")+" --mailbox Nothing", "no mailbox Nothing")
	key := w.json("", "key create --tenant acme")["secret"].(string)
	w.fails("export ann@acme.test "+filepath.Join(dir, "x.zip")+" --key "+key, "godwit key create --mail")
}
