package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/cli/admin"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/quota"
)

type world struct {
	*directorytest.World
	t    *testing.T
	url  string
	data string

	serving sync.RWMutex
	handler http.Handler // under serving
}

// newWorld is a running API whose key lies in a data folder.
func newWorld(t *testing.T) *world {
	for _, name := range []string{"GODWIT_URL", "GODWIT_KEY", "GODWIT_DATA"} {
		t.Setenv(name, "")
	}
	w := &world{World: directorytest.New(t), t: t, data: t.TempDir()}
	disk, err := files.New(t.TempDir(), files.OS{})
	porttest.OK(t, err)
	blobs := blob.Store{Driver: disk}
	w.handler = api.New(api.Config{Directory: w.Directory, Records: w.Records, Spool: spool{}, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler),
		Mail:  &api.Mail{Accounts: account.New(account.Config{Journal: w.Journal, Blobs: blobs, Now: w.Clock.Now}), Blobs: blobs},
		Quota: quota.New(quota.Config{Directory: w.Directory, Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.serving.RLock()
		h := w.handler
		w.serving.RUnlock()
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	_, secret, err := w.CreateMailKey(t.Context(), directory.ServiceScope("setup"), "", "", "admin")
	porttest.OK(t, err)
	porttest.OK(t, os.WriteFile(filepath.Join(w.data, "admin.key"), []byte(secret+"\n"), 0o600))
	return w
}

// run runs a command line and gives what it prints.
func (w *world) run(in, line string, more ...string) (string, error) {
	w.t.Helper()
	root := &cobra.Command{Use: "godwit", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(admin.Commands()...)
	out := new(bytes.Buffer)
	root.SetOut(out)
	root.SetErr(out)
	root.SetIn(strings.NewReader(in))
	root.SetArgs(append(strings.Fields(line), more...))
	err := root.ExecuteContext(context.Background())
	return out.String(), err
}

// says checks what a command prints.
func (w *world) says(line, want string) {
	w.t.Helper()
	got, err := w.run("", line, "--url", w.url, "--data", w.data)
	if err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
	if d := cmp.Diff(strings.TrimPrefix(want, "\n"), got); d != "" {
		w.t.Errorf("%s (-want +got):\n%s", line, d)
	}
}

// json runs a command with JSON output and gives its fields.
func (w *world) json(in, line string) map[string]any {
	w.t.Helper()
	got, err := w.run(in, line, "--url", w.url, "--data", w.data, "--output", "json")
	if err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
	var o map[string]any
	if err := json.Unmarshal([]byte(got), &o); err != nil {
		w.t.Fatalf("%s: %v: %s", line, err, got)
	}
	return o
}

// fails checks why a command fails.
func (w *world) fails(line, want string) {
	w.t.Helper()
	out, err := w.run("", line, "--url", w.url, "--data", w.data)
	if err == nil || !strings.Contains(err.Error(), want) {
		w.t.Errorf("%s: %v, want %q (printed %s)", line, err, want, out)
	}
}

func TestAdministration(t *testing.T) {
	w := newWorld(t)
	w.says("tenant create acme", `
name:       acme
suspended:  no
created:    2030-03-04T05:06:07Z
`)
	w.says("domain create --tenant acme acme.test", `
name:       acme.test
tenant:     acme
active:     yes
suspended:  no
created:    2030-03-04T05:06:07Z
`)
	made := w.json("correct horse battery\n", "account create ann@acme.test --name Ann --password-stdin")
	if made["address"] != "ann@acme.test" || made["password"] != nil {
		t.Errorf("made: %v", made)
	}
	_, err := w.Authenticate(t.Context(), "ann@acme.test", "correct horse battery", directory.IMAP)
	porttest.OK(t, err)
	w.json("another horse battery\n", "account password ann@acme.test")
	_, err = w.Authenticate(t.Context(), "ann@acme.test", "another horse battery", directory.IMAP)
	porttest.OK(t, err)
	generated := w.json("", "account create bob@acme.test")
	if p, _ := generated["password"].(string); len(p) < 20 {
		t.Errorf("generated: %v", generated)
	}
	app := w.json("", "account app-password create ann@acme.test --name phone --protocol imap")
	w.says("account app-password revoke ann@acme.test "+app["id"].(string), "app password "+app["id"].(string)+" is revoked\n")
	w.says("account app-password list ann@acme.test", "ID  NAME  PROTOCOLS  CREATED  LAST USED\n")

	w.says("alias create sales@acme.test ann@acme.test -o json", `
{
  "address": "sales@acme.test",
  "created": "2030-03-04T05:06:07Z",
  "target": "ann@acme.test"
}
`)
	w.says("alias lead sales@acme.test bob@acme.test", `
address:  sales@acme.test
target:   bob@acme.test
created:  2030-03-04T05:06:07Z
`)
	w.says("group create all@acme.test ann@acme.test", `
address:  all@acme.test
members:  ann@acme.test
created:  2030-03-04T05:06:07Z
`)
	w.json("", "group add all@acme.test bob@acme.test")
	w.json("", "group remove all@acme.test ann@acme.test")
	w.fails("group remove all@acme.test ann@acme.test", "no member")
	w.says("group list", `
ADDRESS        MEMBERS        CREATED
all@acme.test  bob@acme.test  2030-03-04T05:06:07Z
`)
	w.says("group list --output json", `
[
  {
    "address": "all@acme.test",
    "created": "2030-03-04T05:06:07Z",
    "members": [
      "bob@acme.test"
    ]
  }
]
`)
	w.says("domain catch-all acme.test bob@acme.test", `
name:        acme.test
tenant:      acme
active:      yes
suspended:   no
catch all:   bob@acme.test
postmaster:  ann@acme.test
created:     2030-03-04T05:06:07Z
`)
	w.says("domain list --tenant acme", `
NAME       TENANT  ACTIVE  SUSPENDED  CATCH ALL      POSTMASTER     CREATED
acme.test  acme    yes     no         bob@acme.test  ann@acme.test  2030-03-04T05:06:07Z
`)
	if v := w.json("", "account suspend bob@acme.test"); v["suspended"] != true {
		t.Errorf("suspended: %v", v)
	}
	if v := w.json("", "account show ann@acme.test"); v["usage"] == nil || v["name"] != "Ann" {
		t.Errorf("shown: %v", v)
	}
	w.says("account delete bob@acme.test", "account bob@acme.test is deleted\n")
	w.fails("account show bob@acme.test", `there is no account "bob@acme.test", or it is not this key's`)
	w.fails("account app-password revoke ann@acme.test none", `there is no account "ann@acme.test" with an app password "none"`)
	w.fails("account create bob@elsewhere.test", "the tenant or domain that it is to belong to is not there")
	w.fails("domain create --tenant none none.test", "the tenant or domain that it is to belong to is not there")
	w.fails("account list --domain none.test", "the tenant or domain is not there")
	w.fails("domain delete acme.test", "still has addresses")
	w.says("queue list", "ID  TENANT  FROM  FAILURES  PARKED  REASON\n")
	w.says("queue list -o json", "[]\n")
	w.fails("queue retry nothing", `there is no parked job "nothing"`)
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	w.json("", "tenant create acme")
	w.says("settings set quota=2GiB scram=off", `
SETTING          EFFECTIVE               SET HERE
quota            2147483648              2147483648
messages         0                       -
domain-quota     0                       -
domain-messages  0                       -
tenant-quota     0                       -
tenant-messages  0                       -
quota-warnings   yes                     -
protocols        submission, imap, pop3  -
scram            no                      no
subaddresses     yes                     -
openid-issuer    none                    -
openid-audience  none                    -
openid-claim     none                    -
from-check       yes                     -
sent-copy        no                      -
sending          off                     -
domain-sending   off                     -
tenant-sending   off                     -
brake            off                     -
`)
	w.says("settings set --tenant acme protocols=imap quota=5 quota=", `
SETTING          EFFECTIVE   SET HERE
quota            2147483648  -
messages         0           -
domain-quota     0           -
domain-messages  0           -
tenant-quota     0           -
tenant-messages  0           -
quota-warnings   yes         -
protocols        imap        imap
scram            no          -
subaddresses     yes         -
openid-issuer    none        -
openid-audience  none        -
openid-claim     none        -
from-check       yes         -
sent-copy        no          -
sending          off         -
domain-sending   off         -
tenant-sending   off         -
brake            off         -
`)
	own := w.json("", "settings show --tenant acme")["own"]
	if d := cmp.Diff(map[string]any{"protocols": []any{"imap"}}, own); d != "" {
		t.Error(d)
	}
	w.says("settings set --tenant acme tenant-quota=1KiB messages=7 quota-warnings=off protocols=", `
SETTING          EFFECTIVE               SET HERE
quota            2147483648              -
messages         7                       7
domain-quota     0                       -
domain-messages  0                       -
tenant-quota     1024                    1024
tenant-messages  0                       -
quota-warnings   no                      no
protocols        submission, imap, pop3  -
scram            no                      -
subaddresses     yes                     -
openid-issuer    none                    -
openid-audience  none                    -
openid-claim     none                    -
from-check       yes                     -
sent-copy        no                      -
sending          off                     -
domain-sending   off                     -
tenant-sending   off                     -
brake            off                     -
`)
	for _, c := range []struct {
		typed string
		want  any
	}{
		{"openid-audience=mail openid-issuer=https://id.acme.test", map[string]any{"issuer": "https://id.acme.test", "audience": "mail"}},
		{"openid-claim=upn", map[string]any{"issuer": "https://id.acme.test", "audience": "mail", "claim": "upn"}},
		{"openid-claim=", map[string]any{"issuer": "https://id.acme.test", "audience": "mail"}},
		{"openid-issuer=none", map[string]any{"issuer": ""}},
		{"openid-issuer=", nil},
		{"openid-claim=", nil},
	} {
		own, _ := w.json("", "settings set --tenant acme "+c.typed)["own"].(map[string]any)
		if d := cmp.Diff(c.want, own["openid"]); d != "" {
			t.Errorf("%s: %s", c.typed, d)
		}
	}
	shown := w.json("", "tenant show acme")
	if usage, _ := shown["usage"].(map[string]any); shown["quota"] != 1024.0 || usage["bytes"] != 0.0 || usage["counted"] == "" {
		t.Errorf("%v", shown)
	}
	if counted := w.json("", "tenant count acme"); counted["messages"] != 0.0 {
		t.Errorf("%v", counted)
	}
	w.fails("settings set domain-messages=many", "domain-messages is a number of messages")
	w.fails("settings set colour=blue", "settings are")
	w.fails("settings set quota=much", "number of bytes")
	w.fails("settings set quota=iB", "number of bytes")
	w.fails("settings show --tenant acme --domain acme.test", "one of")
}

func TestKeysAndConnections(t *testing.T) {
	w := newWorld(t)
	w.json("", "tenant create acme")
	made := w.json("", "key create --tenant acme --name robot")
	secret, _ := made["secret"].(string)
	t.Setenv("GODWIT_URL", w.url)
	out, err := w.run("", "tenant list -o json --key", secret)
	if err != nil || !strings.Contains(out, `"acme"`) {
		t.Errorf("with --key: %s, %v", out, err)
	}
	t.Setenv("GODWIT_KEY", secret)
	if _, err := w.run("", "tenant create more"); err == nil || !strings.Contains(err.Error(), "key of the service") {
		t.Errorf("a tenant's key makes tenants: %v", err)
	}
	t.Setenv("GODWIT_KEY", "")
	w.says("key revoke "+made["id"].(string), "key "+made["id"].(string)+" is revoked\n")
	if _, err := w.run("", "tenant list --key", secret); err == nil {
		t.Error("a revoked key works")
	}
	if _, err := w.run("", "tenant list --data", t.TempDir()); err == nil || !strings.Contains(err.Error(), "admin.key") {
		t.Errorf("without a key: %v", err)
	}
	if _, err := w.run("", "tenant list --key k --url ftp://x"); err == nil || !strings.Contains(err.Error(), "--url") {
		t.Errorf("a bad address: %v", err)
	}
	w.fails("tenant list -o xml", "neither table nor json")
}

func TestCompletion(t *testing.T) {
	w := newWorld(t)
	w.json("", "tenant create acme")
	w.json("", "tenant create apex")
	complete := func(line string, last string) string {
		verb, rest, _ := strings.Cut(line, " ")
		out, err := w.run("", "__completeNoDesc "+verb+" --url "+w.url+" --data "+w.data+" "+rest, last)
		porttest.OK(t, err)
		return out
	}
	if out := complete("tenant show", ""); !strings.HasPrefix(out, "acme\napex\n") {
		t.Errorf("names: %s", out)
	}
	if out := complete("tenant list --output", "j"); !strings.Contains(out, "json\n") {
		t.Errorf("formats: %s", out)
	}
	if out := complete("domain list --tenant", ""); !strings.Contains(out, "apex\n") {
		t.Errorf("tenants: %s", out)
	}
}

func TestAReasonCantDrawOnTheTerminal(t *testing.T) {
	w := newWorld(t)
	out, err := w.run("", "queue show bad", "--url", w.url, "--data", w.data)
	porttest.OK(t, err)
	if strings.ContainsAny(out, "\x1b\r\u202e") || !strings.Contains(out, "550 ?[2Jno?such user") {
		t.Errorf("%q", out)
	}
}

// spool lists nothing, and has one job whose reason a peer has chosen.
type spool struct{}

func (spool) List(context.Context, string, string, int) ([]api.Job, string, error) {
	return nil, "", nil
}
func (spool) Show(_ context.Context, _, id string) (api.Job, error) {
	if id == "bad" {
		return api.Job{ID: id, Reason: "550 \x1b[2Jno\u202esuch user"}, nil
	}
	return api.Job{}, kinds.Errorf(kinds.NotFound, "spool: no such job")
}
func (spool) Retry(context.Context, string, string, bool) error { return nil }
func (spool) Drop(context.Context, string, string) error        { return nil }

func TestStatsAreOfAnAccountADomainOrATenant(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"tenant create one", "domain create one.test --tenant one", "account create ann@one.test"} {
		_, err := w.run("", line+" --url "+w.url+" --data "+w.data)
		porttest.OK(t, err)
	}
	for _, of := range []string{"ann@one.test", "one.test", "one"} {
		out, err := w.run("", "stats "+of+" --url "+w.url+" --data "+w.data)
		porttest.OK(t, err)
		if words := strings.Join(strings.Fields(out), " "); words != "accounts: 1 messages: 0 bytes: 0 blobs: 0 stored: 0 shared: 0 compressed: 0 complete: yes" {
			t.Errorf("%s: %s", of, out)
		}
	}
	if _, err := w.run("", "stats two --url "+w.url+" --data "+w.data); err == nil {
		t.Error("a tenant that isn't there has stats")
	}
}
