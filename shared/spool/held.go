package spool

import "time"

// What may be chosen for a recipient, beside a way's name.
const (
	Usual    = "default"  // the way of mail for which there is no route
	Released = "released" // as the routes say, but none holds it
	ByRoute  = "route/"   // before the id of a route
)

// Hold keeps an open recipient's copy until it is released; why is told to people. While
// it is held its time does not run, so that it never expires unseen.
func (r *Recipient) Hold(now time.Time, why string) {
	if r.State == Open {
		r.State, r.HeldMS, r.Status, r.Host, r.Said = Held, now.UnixMilli(), "4.7.0", "", why
	}
}

// Free lets all that is held of a mail and that is picked go on, at once, and gives it the
// time back that it was held.
func (m *Mail) Free(now time.Time, picked func(*Recipient) bool) {
	for i := range m.To {
		if r := &m.To[i]; r.State == Held && picked(r) {
			m.ExpiresMS = max(m.ExpiresMS, m.ExpiresMS+now.UnixMilli()-r.HeldMS)
			r.State, r.HeldMS, r.DueMS = Open, 0, 0
			if r.Way == "" {
				r.Way = Released
			}
		}
	}
}
