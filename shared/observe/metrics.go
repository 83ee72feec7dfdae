package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Metrics registers how long calls of ports take and how many fail, by kind, and gives
// the hook that counts them. Labels are of the closed lists of ports, methods and kinds.
func Metrics(r prometheus.Registerer) Hook {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "godwit_port_seconds", Help: "Time that calls of a port took.",
		Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5},
	}, []string{"port", "method"})
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "godwit_port_errors_total", Help: "Calls of a port that ended in an error, by its kind.",
	}, []string{"port", "method", "kind"})
	r.MustRegister(took, failed)
	return func(port, method string, start time.Time, err error) {
		took.WithLabelValues(port, method).Observe(time.Since(start).Seconds())
		if err != nil {
			failed.WithLabelValues(port, method, kinds.Of(err).String()).Inc()
		}
	}
}
