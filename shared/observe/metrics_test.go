package observe_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/observe"
)

func TestMetricsCountCallsAndErrorsByKind(t *testing.T) {
	r := prometheus.NewRegistry()
	hook := observe.Metrics(r)
	hook("journal", "Append", time.Now(), nil)
	hook("journal", "Append", time.Now(), kinds.Errorf(kinds.Conflict, "taken"))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if got["godwit_port_seconds"] != 2 || got["godwit_port_errors_total"] != 1 {
		t.Errorf("got %v", got)
	}
}

func TestAutoIsJSONWhereThereIsNoTerminal(t *testing.T) {
	var b bytes.Buffer
	log := observe.Logger(&b, "auto", slog.LevelInfo)
	log.Debug("hidden")
	log.Info("shown", "took", 1500*time.Millisecond, "peer", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25})
	if !strings.HasPrefix(b.String(), "{") || strings.Contains(b.String(), "hidden") ||
		!strings.Contains(b.String(), `"took":"1.5s","peer":"192.0.2.1:25"`) {
		t.Errorf("got %q", b.String())
	}
}
