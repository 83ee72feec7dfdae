package listen

import "github.com/prometheus/client_golang/prometheus"

// Metrics count connections by listener; one serves all listeners of a process. A nil
// Metrics counts nothing.
type Metrics struct {
	open   *prometheus.GaugeVec
	total  *prometheus.CounterVec
	refuse *prometheus.CounterVec
	broken *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "godwit_connections_open",
			Help: "Connections being served."}, []string{"listener"}),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_connections_total",
			Help: "Connections accepted."}, []string{"listener"}),
		refuse: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_connections_refused_total",
			Help: "Connections refused, by reason (total, per-ip, draining, handshake, proxy)."}, []string{"listener", "reason"}),
		broken: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_sessions_broken_total",
			Help: "Sessions ended by a defect."}, []string{"listener"}),
	}
	r.MustRegister(m.open, m.total, m.refuse, m.broken)
	return m
}

func (m *Metrics) opened(listener string) {
	if m != nil {
		m.open.WithLabelValues(listener).Inc()
		m.total.WithLabelValues(listener).Inc()
	}
}

func (m *Metrics) closed(listener string) {
	if m != nil {
		m.open.WithLabelValues(listener).Dec()
	}
}

func (m *Metrics) refused(listener, reason string) {
	if m != nil {
		m.refuse.WithLabelValues(listener, reason).Inc()
	}
}

func (m *Metrics) panicked(listener string) {
	if m != nil {
		m.broken.WithLabelValues(listener).Inc()
	}
}
