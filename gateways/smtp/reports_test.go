package smtp

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/reports"
)

// What others report of a domain comes to an address that needs no account.
func TestReportsComeToAnAddressWithoutAnAccount(t *testing.T) {
	kept := portstest.New(t)
	w := newWorldWith(t, func(cfg *Config) {
		cfg.Inbox = &reports.Inbox{Records: kept.Records, Blobs: cfg.Blobs, Now: kept.Clock.Now}
	})
	c, err := w.dial(t.Context(), "smtp")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := `<feedback><report_metadata><org_name>Far</org_name><report_id>1</report_id><date_range><begin>1898812800</begin><end>1898899199</end></date_range></report_metadata>` +
		`<policy_published><domain>demo.test</domain><p>none</p></policy_published></feedback>`
	fmt.Fprintf(c, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<DMARC-reports@demo.test>\r\nRCPT TO:<dmarc-reports@elsewhere.test>\r\nRCPT TO:<reports@demo.test>\r\n"+
		"DATA\r\nFrom: x@far.test\r\nContent-Type: text/xml\r\n\r\n%s\r\n.\r\nQUIT\r\n", text)
	var said []string
	for r := bufio.NewScanner(c); r.Scan(); {
		if line := r.Text(); len(line) > 3 && line[3] == ' ' {
			said = append(said, line[:3])
		}
	}
	if got := strings.Join(said, " "); got != "220 250 250 250 550 550 354 250 221" {
		t.Error(got)
	}
	list, err := reports.List(t.Context(), kept.Records, "demo.test", kept.Clock.Now().Add(-48*time.Hour), 10)
	if err != nil || len(list) != 1 || list[0].Reporter != "Far" || len(w.heap.jobs) != 0 {
		t.Errorf("%+v, %v, %d jobs", list, err, len(w.heap.jobs))
	}
}
