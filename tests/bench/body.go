package main

import "fmt"

// body measures how fast a large message streams out.
func (b *bench) body() error {
	p, err := b.pair("body", 1)
	if err != nil {
		return err
	}
	defer p.end()
	m := large(b.megs << 20)
	var c [2]*client
	if err := p.filled(func(s server) error {
		k := 0
		if s == server(p.theirs) {
			k = 1
		}
		var err error
		if c[k], err = enter(s.imaps(), address(0)); err != nil {
			return err
		}
		if err := c[k].append("INBOX", m); err != nil {
			return err
		}
		return c[k].do("SELECT INBOX")
	}); err != nil {
		return err
	}
	var rates [2]string
	var best [2]float64
	var took [2]timing
	for round := range b.rounds + 1 {
		if err := p.each(func(i int, _ server) error {
			t, err := c[i].timed("FETCH 1 BODY.PEEK[]")
			if err == nil && c[i].octets < len(m) {
				err = fmt.Errorf("%d octets of %d came", c[i].octets, len(m))
			}
			if round > 0 { // the first one has it read from the disk
				took[i] = append(took[i], t)
			}
			return err
		}); err != nil {
			return err
		}
	}
	for i, t := range took {
		if len(t) > 0 {
			best[i] = float64(len(m)) / 1e6 / t.quantile(0).Seconds()
			rates[i] = fmt.Sprintf("%.0f (%.0f)", float64(len(m))/1e6/t.median().Seconds(), best[i])
		}
	}
	b.table.add(fmt.Sprintf("BODY[] of %d MB, MB/s over TLS (the best)", len(m)/1e6), "at least 500", rates[0], rates[1],
		float64(len(m))/1e6/took[0].median().Seconds() >= 500)
	return nil
}
