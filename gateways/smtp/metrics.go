package smtp

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	sessions *prometheus.CounterVec
	accepted *prometheus.CounterVec
	octets   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	judged   *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	by := []string{"protocol"}
	m := &metrics{
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_smtp_sessions_total",
			Help: "SMTP sessions."}, by),
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_smtp_messages_accepted_total",
			Help: "Messages that got their 250."}, by),
		octets: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_smtp_accepted_bytes_total",
			Help: "Bytes of messages that got their 250."}, by),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_smtp_refused_total",
			Help: "Commands and messages refused, by enhanced status code."}, []string{"protocol", "status"}),
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_smtp_judged_total",
			Help: "Messages from elsewhere whose sender was judged, by what DMARC said and what was done."}, []string{"dmarc", "done"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "godwit_smtp_commit_seconds",
			Help: "Seconds from the end of a message to its 250.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
	}
	if r != nil {
		r.MustRegister(m.sessions, m.accepted, m.octets, m.refused, m.judged, m.seconds)
	}
	return m
}

func (m *metrics) took(protocol string, octets int64, d time.Duration) {
	m.accepted.WithLabelValues(protocol).Inc()
	m.octets.WithLabelValues(protocol).Add(float64(octets))
	m.seconds.Observe(d.Seconds())
}
