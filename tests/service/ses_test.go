//go:build clients && !localstack

package service_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/tests/world"
)

// cloud is moto, which plays SES and SQS, behind an ear for what SES is asked.
type cloud struct {
	t      *testing.T
	python string
	url    string
	mu     sync.Mutex
	asked  []map[string]any // of SendEmail
}

func startMoto(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t}
	dir := t.TempDir()
	c.python = filepath.Join(dir, "venv", "bin", "python")
	c.run("python3", "-m", "venv", filepath.Join(dir, "venv"))
	c.run(c.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "moto[server]==5.2.5")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(at)
	server := exec.Command(filepath.Join(dir, "venv", "bin", "moto_server"), "-H", host, "-p", port)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	until(t, "moto answers", func() bool {
		r, err := http.Get("http://" + at + "/moto-api/data.json")
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	})
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: at})
	ear := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/email/outbound-emails" {
			b, _ := io.ReadAll(r.Body)
			var asked map[string]any
			_ = json.Unmarshal(b, &asked)
			c.mu.Lock()
			c.asked = append(c.asked, asked)
			c.mu.Unlock()
			r.Body = io.NopCloser(strings.NewReader(string(b)))
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(ear.Close)
	c.url = ear.URL
	t.Setenv("AWS_ENDPOINT_URL", c.url)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	c.python3("setup")
	return c
}

func (c *cloud) run(name string, args ...string) {
	c.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (c *cloud) python3(args ...string) {
	c.t.Helper()
	c.run(c.python, append([]string{filepath.Join("testdata", "ses.py"), c.url}, args...)...)
}

// sent gives what SES has sent: sender, recipients and message.
func (c *cloud) sent() (mails []struct {
	Source       string
	Destinations []string
	Raw          string `json:"raw_data"`
}) {
	c.t.Helper()
	r, err := http.Get(c.url + "/moto-api/data.json")
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Body.Close()
	var all struct {
		SES struct{ RawMessage json.RawMessage }
	}
	if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(all.SES.RawMessage, &mails); err != nil {
		c.t.Fatal(err)
	}
	return mails
}

// Users' mail goes by SES, a receipt without a sender by the other way; what bounces comes
// back to its sender, and is then sent to no more.
func TestMailGoesBySES(t *testing.T) {
	c := startMoto(t)
	far := startElsewhere(t)
	_, port, _ := net.SplitHostPort(far.addr)
	zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.1")
	w := world.Start(t, world.Config{Settings: map[string]string{"hostname": "localhost", "dns-servers": zone.Addr.String(), "outbound-way": "ses",
		"outbound-others": "direct", "outbound-port": port, "outbound-allow": "127.0.0.0/8", "outbound-ses-set": "godwit", "outbound-ses-events": "ses-events"}})
	if err := submit(t, w, world.Alice, []string{"x@far.test", "y@far.test"}, outgoing); err != nil {
		t.Fatal(err)
	}
	if err := submit(t, w, "", []string{"x@far.test"}, "From: alice@demo.test\r\nSubject: receipt\r\n\r\nread\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "the receipt went directly", func() bool { return len(far.mails()) == 1 && strings.Contains(far.mails()[0], "Subject: receipt") })
	until(t, "SES has the mail", func() bool { return len(c.sent()) == 1 })
	got := c.sent()[0]
	if got.Source != world.Alice || strings.Join(got.Destinations, " ") != "x@far.test y@far.test" || !strings.Contains(got.Raw, "\r\nSubject: to all\r\n") ||
		!strings.HasSuffix(got.Raw, "\r\n.a line\r\nend\r\n") || strings.Contains(got.Raw, "DKIM-Signature") || strings.Contains(got.Raw, "Bcc") {
		t.Errorf("SES has %+v", got)
	}
	asked := c.asked[0]
	if asked["ConfigurationSetName"] != "godwit" {
		t.Errorf("SES was asked for %v", asked)
	}
	tag := asked["EmailTags"].([]any)[0].(map[string]any)
	event, err := json.Marshal(map[string]any{"eventType": "Bounce", "mail": map[string]any{"messageId": "m", "tags": map[string]any{tag["Name"].(string): []any{tag["Value"]}}},
		"bounce": map[string]any{"bounceType": "Permanent", "feedbackId": "f", "reportingMTA": "dns; mx.far.test",
			"bouncedRecipients": []any{map[string]any{"emailAddress": "y@far.test", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 nobody"}}}})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := json.Marshal(map[string]string{"Type": "Notification", "Message": string(event)})
	if err != nil {
		t.Fatal(err)
	}
	c.python3("event", string(envelope))
	until(t, "the sender is told", func() bool {
		told := strings.Join(mailbox(t, w, world.Alice), "")
		return strings.Contains(told, "Final-Recipient: rfc822; y@far.test") && !strings.Contains(told, "Final-Recipient: rfc822; x@far.test")
	})
	list := w.Godwit("suppression", "list")
	if !strings.Contains(list, "demo:y@far.test") || !strings.Contains(list, "bounce") {
		t.Errorf("suppressed are\n%s", list)
	}
	if err := submit(t, w, world.Alice, []string{"y@far.test"}, outgoing); err != nil {
		t.Fatal(err)
	}
	until(t, "the sender is told that the address is suppressed", func() bool {
		return strings.Contains(strings.Join(mailbox(t, w, world.Alice), ""), "The address is suppressed")
	})
	w.Godwit("suppression", "remove", "demo:y@far.test")
	if err := submit(t, w, world.Alice, []string{"y@far.test"}, outgoing); err != nil {
		t.Fatal(err)
	}
	until(t, "SES has the next mail", func() bool { return len(c.sent()) == 2 })
}
