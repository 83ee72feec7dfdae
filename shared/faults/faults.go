// Package faults puts faults on purpose between a port and who uses it: the n-th call
// fails, is done though its reply is an error, is done twice, or shows late. One plan
// may be shared by all ports, so that a test can run an operation once without faults,
// read the plan's calls, and then run it again with a fault at each of them in turn.
package faults

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Mode is what happens to a call.
type Mode uint8

// The modes. All but None and Repeat answer with kinds.Unavailable.
const (
	None       Mode = iota
	FailBefore      // not done
	FailAfter       // done, the reply is lost
	Repeat          // done twice, the second reply is given
	LateBefore      // done just before the next call for the same thing
	LateAfter       // done just after the next call for the same thing
)

// Modes are all that are faults.
func Modes() []Mode { return []Mode{FailBefore, FailAfter, Repeat, LateBefore, LateAfter} }

// String names the mode for test names.
func (m Mode) String() string {
	return [...]string{"none", "fail before", "fail after", "repeat", "late, before the next", "late, after the next"}[m]
}

// Plan says which calls meet a fault, over all drivers that are wrapped with it.
type Plan struct {
	mu     sync.Mutex
	decide func(n int, call string) Mode
	calls  []string
	late   []lateCall
}

type lateCall struct {
	thing string
	mode  Mode
	do    func()
}

// New makes a plan: decide is asked for each call, the first is number 1; call is
// "journal.Append". It is never asked by two goroutines at once. nil: no faults.
func New(decide func(n int, call string) Mode) *Plan { return &Plan{decide: decide} }

// Nth makes a plan in which call number n meets a fault.
func Nth(n int, m Mode) *Plan {
	return New(func(i int, _ string) Mode {
		if i == n {
			return m
		}
		return None
	})
}

// First makes a plan in which the first call of that name meets a fault.
func First(call string, m Mode) *Plan {
	met := false
	return New(func(_ int, c string) Mode {
		if met || c != call {
			return None
		}
		met = true
		return m
	})
}

// Calls lists the calls so far ("journal.Append"), the first is number 1.
func (p *Plan) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Settle does what is still late.
func (p *Plan) Settle() {
	for _, do := range p.take("", LateBefore, LateAfter) {
		do()
	}
}

// take removes and gives what is late for the thing ("": for any).
func (p *Plan) take(thing string, modes ...Mode) (due []func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = slices.DeleteFunc(p.late, func(l lateCall) bool {
		hit := (thing == "" || l.thing == thing) && slices.Contains(modes, l.mode)
		if hit {
			due = append(due, l.do)
		}
		return hit
	})
	return due
}

// do runs one call. thing is what it is about: a partition, a queue, a blob, a space.
// later is asked, when the call is to show late, for what is to be done then.
func (p *Plan) do(ctx context.Context, call, thing string, now func(context.Context) error, later func() func(context.Context)) error {
	port, _, _ := strings.Cut(call, ".")
	thing = port + " " + thing
	p.mu.Lock()
	p.calls = append(p.calls, call)
	mode := None
	if p.decide != nil {
		mode = p.decide(len(p.calls), call)
	}
	p.mu.Unlock()
	for _, do := range p.take(thing, LateBefore) {
		do()
	}
	after := p.take(thing, LateAfter)
	defer func() {
		for _, do := range after {
			do()
		}
	}()
	switch mode {
	case None:
		return now(ctx)
	case Repeat:
		_ = now(ctx)
		return now(ctx)
	case FailAfter:
		_ = now(context.WithoutCancel(ctx))
	case LateBefore, LateAfter:
		do, ctx := later(), context.WithoutCancel(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.late = append(p.late, lateCall{thing, mode, func() { do(ctx) }})
	}
	return kinds.Errorf(kinds.Unavailable, "faults: %s: %v", call, mode)
}

// result0 is do for a call that gives only an error.
func result0(ctx context.Context, p *Plan, call, thing string, fn func(context.Context) error) error {
	return p.do(ctx, call, thing, fn, func() func(context.Context) {
		return func(ctx context.Context) { _ = fn(ctx) }
	})
}

// result1 is do for a call with a result. Who wasn't told of one can't close it, so
// that is done here.
func result1[A any](ctx context.Context, p *Plan, call, thing string, fn func(context.Context) (A, error)) (A, error) {
	var a, none A
	err := p.do(ctx, call, thing, func(ctx context.Context) (err error) {
		discard(a)
		a, err = fn(ctx)
		return err
	}, func() func(context.Context) {
		return func(ctx context.Context) {
			late, _ := fn(ctx)
			discard(late)
		}
	})
	if err != nil {
		discard(a)
		return none, err
	}
	return a, nil
}

func discard(result any) {
	if c, ok := result.(io.Closer); ok {
		_ = c.Close()
	}
}
