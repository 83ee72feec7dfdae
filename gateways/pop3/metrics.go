package pop3

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what sessions do. A nil Metrics counts nothing.
type Metrics struct {
	sessions  prometheus.Gauge
	commands  *prometheus.CounterVec
	retrieved prometheus.Counter
	octets    prometheus.Counter
	deleted   prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{Name: "godwit_pop3_sessions",
			Help: "POP3 sessions that are logged in."}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_pop3_commands_total",
			Help: "POP3 commands by verb and reply (ok, err)."}, []string{"command", "reply"}),
		retrieved: prometheus.NewCounter(prometheus.CounterOpts{Name: "godwit_pop3_retrieved_total",
			Help: "Messages sent whole by RETR."}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{Name: "godwit_pop3_retrieved_bytes_total",
			Help: "Bytes of the messages sent whole."}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts{Name: "godwit_pop3_deleted_total",
			Help: "Messages deleted at QUIT."}),
	}
	r.MustRegister(m.sessions, m.commands, m.retrieved, m.octets, m.deleted)
	return m
}

func (m *Metrics) session(delta float64) {
	if m != nil {
		m.sessions.Add(delta)
	}
}

func (m *Metrics) command(verb string, ok bool) {
	if m == nil {
		return
	}
	reply := "err"
	if ok {
		reply = "ok"
	}
	m.commands.WithLabelValues(verb, reply).Inc()
}

func (m *Metrics) sent(octets int64) {
	if m != nil {
		m.retrieved.Inc()
		m.octets.Add(float64(octets))
	}
}

func (m *Metrics) removed(n int) {
	if m != nil {
		m.deleted.Add(float64(n))
	}
}
