package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/mtasts"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/reports"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/shared/signing"
)

// The policy of a domain of ours is there for everybody, and its id is the one to announce.
func TestThePolicyOfADomainIsServed(t *testing.T) {
	w := newWorld(t)
	zone := resolvertest.Start(t)
	for mode, want := range map[string]int{"testing": 200, "off": 404} {
		handler := api.New(api.Config{Directory: w.Directory, Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler),
			DNS: &api.DNS{Keys: &signing.Keys{Records: w.Records, Resolver: zone.Resolver(t), Now: w.Clock.Now}, Resolver: zone.Resolver(t), Host: "mx.ours.test", MTASTS: mode}})
		for host, want := range map[string]int{"mta-sts.one.test": want, "MTA-STS.One.test:443": want, "mta-sts.nobody.test": 404, "one.test": 404} {
			r := httptest.NewRequestWithContext(context.Background(), "GET", "https://"+host+"/.well-known/mta-sts.txt", nil)
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, r)
			if got.Code != want {
				t.Errorf("%s, %s: %d", mode, host, got.Code)
			}
			if want != 200 {
				continue
			}
			text, _ := io.ReadAll(got.Body)
			p, err := mtasts.Parse(text)
			if err != nil || p.Mode != mtasts.Testing || !p.Match("mx.ours.test") || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("%s: %q, %v", host, text, err)
			}
		}
	}
}

func TestWhatOthersReportOfADomainIsShown(t *testing.T) {
	w := newWorld(t)
	now := w.Clock.Now().UTC()
	value, err := cbor.Marshal(reports.Received{Version: 1, Kind: "dmarc", Reporter: "Far", ID: "1", BeginMS: now.UnixMilli(), EndMS: now.UnixMilli(), Passed: 7, Failed: 3,
		Causes: []reports.Cause{{Name: "192.0.2.2", Count: 3}}})
	ok(t, err)
	_, err = w.Records.Put(t.Context(), records.Record{Key: records.Key{Space: "reports-told", ID: "one.test/" + now.Format("2006-01-02") + "-x"}, Value: value}, 0)
	ok(t, err)
	shown := w.must(200, w.one, "GET", "/v1/domains/one.test/reports", "")
	if !strings.Contains(shown.text, `"reporter":"Far"`) || !strings.Contains(shown.text, `"failed":3`) || !strings.Contains(shown.text, "192.0.2.2") {
		t.Error(shown.text)
	}
	w.must(404, w.two, "GET", "/v1/domains/one.test/reports", "")
}
