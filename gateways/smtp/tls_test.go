package smtp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/spool"
)

// post keeps what is to go to other hosts.
type post struct {
	mu    sync.Mutex
	mails []*spool.Mail
}

func (p *post) Send(_ context.Context, _ string, m *spool.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
	return nil
}

// What its author asks of TLS goes on with the message: RFC 8689.
func TestWhatIsAskedOfTLSGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		params, fields     string
		required, optional bool
	}{
		"nothing":        {},
		"required":       {params: " REQUIRETLS", required: true},
		"optional":       {fields: "TLS-Required: No\r\n", optional: true},
		"folded":         {fields: "tls-required:\r\n no\r\n", optional: true},
		"both":           {params: " REQUIRETLS", fields: "TLS-Required: No\r\n", required: true},
		"something else": {fields: "TLS-Required: Yes\r\n"},
		"twice":          {fields: "TLS-Required: No\r\nTLS-Required: No\r\n"},
	} {
		out := &post{}
		w := newWorldWith(t, func(cfg *Config) { cfg.Outbound, cfg.Expire = out, time.Hour })
		conn, r := w.login(t)
		fmt.Fprintf(conn, "MAIL FROM:<alice@demo.test>%s\r\nRCPT TO:<x@far.test>\r\nDATA\r\nFrom: alice@demo.test\r\n%s\r\nTLS-Required: No\r\n.\r\nQUIT\r\n", c.params, c.fields)
		said := ""
		for !strings.HasPrefix(said, "221") {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(name, err)
			}
			if said = line; line[0] > '3' {
				t.Errorf("%s: %s", name, line)
			}
		}
		if len(out.mails) != 1 || out.mails[0].RequireTLS != c.required || out.mails[0].TLSOptional != c.optional {
			t.Errorf("%s: %+v", name, out.mails)
		}
	}
}
