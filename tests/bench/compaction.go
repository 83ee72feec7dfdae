package main

import (
	"fmt"
	"os"
	"time"
)

// compaction measures what snapshots take of the processor while mail is delivered: two
// services get the same load in turn, one of which makes none.
func (b *bench) compaction() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	l := b.load
	l.accounts, l.mails = 10, 6400
	var services [2]*godwit
	for i, flags := range [][]string{nil, {"--" + wholeFlag + "=true"}} {
		g := b.godwit([2]string{"compacted", "whole"}[i], flags...)
		g.binary = self
		services[i] = g
		if err := g.start(); err != nil {
			return err
		}
		defer g.kill()
		if err := g.makeAccounts(b.ctx, l.accounts); err != nil {
			return err
		}
	}
	var used [2]time.Duration
	for range 3 {
		for i, g := range services {
			before, err := cpu(g.PID)
			if err != nil {
				return err
			}
			if _, err := g.take(b.ctx, l); err != nil {
				return err
			}
			if err := g.settled(b.ctx); err != nil {
				return err
			}
			after, err := cpu(g.PID)
			if err != nil {
				return err
			}
			fmt.Printf("compaction %-10s %d mails: %s of processor time\n", g.name, l.mails, after-before)
			used[i] += after - before
		}
	}
	share := float64(used[0]-used[1]) / float64(used[1]) * 100
	b.table.add("compaction, of the processor time of delivery", "at most 10 %", fmt.Sprintf("%.1f %%", share), "", share <= 10)
	return nil
}
