package main

import (
	"context"
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
		defer g.end()
		if err := g.makeAccounts(b.ctx, l.accounts); err != nil {
			return err
		}
	}
	var used [2]timing
	for round := range 3 {
		for k := range services {
			i := (k + round) % 2
			took, err := services[i].busy(b.ctx, l)
			if err != nil {
				return err
			}
			fmt.Printf("compaction %-10s %d mails: %s of processor time\n", services[i].name, l.mails, took)
			used[i] = append(used[i], took)
		}
	}
	// The least is what it takes; the rest is the machine's.
	with, without := used[0].quantile(0).Seconds(), used[1].quantile(0).Seconds()
	share := (with - without) / without * 100
	b.table.add("compaction, of the processor time of delivery", "at most 10 %", fmt.Sprintf("%.1f %%", share), "", share <= 10)
	return nil
}

// busy is the processor time that a load takes, up to the end of all that follows from it.
func (g *godwit) busy(ctx context.Context, l load) (time.Duration, error) {
	before, err := cpu(g.PID)
	if err != nil {
		return 0, err
	}
	if _, err := g.take(ctx, l); err != nil {
		return 0, err
	}
	if err := g.settled(ctx); err != nil {
		return 0, err
	}
	after, err := cpu(g.PID)
	return after - before, err
}
