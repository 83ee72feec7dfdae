package serve

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/shared/queue"
)

// depth measures queues when somebody looks.
type depth struct {
	queue queue.Driver
	names []string
}

var jobsWaiting = prometheus.NewDesc("godwit_queue_jobs", "Jobs in a queue, roughly, by state.", []string{"queue", "state"}, nil)

func (d *depth) Describe(to chan<- *prometheus.Desc) { to <- jobsWaiting }

func (d *depth) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, name := range d.names {
		n, err := d.queue.Depth(ctx, name)
		if err != nil {
			to <- prometheus.NewInvalidMetric(jobsWaiting, err)
			continue
		}
		for state, jobs := range map[string]int{"visible": n.Visible, "in-flight": n.InFlight, "delayed": n.Delayed} {
			to <- prometheus.MustNewConstMetric(jobsWaiting, prometheus.GaugeValue, float64(jobs), name, state)
		}
	}
}
