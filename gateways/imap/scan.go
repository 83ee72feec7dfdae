package imap

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	searchReaders  = 8  // that one command has at work on messages at once
	gatewayReaders = 64 // all commands together
	// progressTime is between two words to a client that waits; by the second one at the latest
	// the gateway learns that it has gone.
	progressTime = 10 * time.Second
)

// progress tells a client that waits how far its command is.
type progress struct {
	session    *session
	tag        string
	tick       *time.Ticker // nil until there is something to wait for
	done, goal int          // messages
	quiet      bool         // nobody waits
}

func (s *session) progress(cmd *command, goal int) *progress {
	return &progress{session: s, tag: cmd.tag, goal: goal}
}

func (p *progress) stop() {
	if p.tick != nil {
		p.tick.Stop()
	}
}

// due is where it is told when the client should hear something.
func (p *progress) due() <-chan time.Time {
	if p.quiet {
		return nil
	}
	if p.tick == nil {
		p.tick = time.NewTicker(p.session.gateway.progress)
	}
	return p.tick.C
}

// tell tells it, more being done than was so far. Its error says that nobody listens any more.
//
// RFC 9585, section 4: the "INPROGRESS" response code is sent in an untagged OK response and carries the tag of the command, the progress and the goal
func (p *progress) tell(more int) error {
	w := p.session.w().Raw("* OK [INPROGRESS (").String(p.tag)
	if p.goal > 0 {
		w.Raw(" ").Uint(uint64(min(p.done+more, p.goal))).Raw(" ").Uint(uint64(p.goal))
	} else {
		w.Raw(" NIL NIL")
	}
	w.Raw(")] Still at work\r\n")
	if err := w.Flush(); err != nil {
		return goneError{err}
	}
	return nil
}

// goneError ends the session: its client hears nothing any more.
type goneError struct{ error }

// wait tells the client that its command goes on for as long as work takes, which is not
// interrupted.
func (p *progress) wait(work func() error) error {
	defer p.stop()
	over := make(chan any, 1)
	go func() { over <- caught(work) }()
	for told := error(nil); ; {
		select {
		case end := <-over:
			return thrown(end)
		case <-p.due():
			if told == nil {
				told = p.tell(0)
			}
		}
	}
}

// scan has work done for a list of n messages, in parts of the list, several at once; what
// each finds it keeps for itself. It ends early at an error, and when the client has gone.
func (p *progress) scan(ctx context.Context, n, part int, work func(ctx context.Context, from, to int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := p.session.gateway
	var next, done atomic.Int64
	reader := func() error {
		for {
			select {
			case g.readers <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			from := int(next.Add(int64(part))) - part
			if from >= n {
				<-g.readers
				return nil
			}
			err := func() error {
				defer func() { <-g.readers }()
				return work(ctx, from, min(from+part, n))
			}()
			if err != nil {
				return err
			}
			done.Add(int64(part))
		}
	}
	readers := min(searchReaders, (n+part-1)/part)
	over := make(chan any, readers)
	for range readers {
		go func() { over <- caught(reader) }()
	}
	var first any
	for readers > 0 {
		var end any
		select {
		case end = <-over:
			readers--
		case <-p.due():
			if first == nil {
				if err := p.tell(int(done.Load())); err != nil {
					end = err
				}
			}
		}
		if end != nil && first == nil {
			first = end
			cancel()
		}
	}
	p.done += n
	return thrown(first)
}

// caught does work, and gives its error, or its panic as one that can be thrown elsewhere: one
// that nobody caught would end all sessions, not only its own.
func caught(work func() error) (end any) {
	defer func() {
		if p := recover(); p != nil {
			end = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	if err := work(); err != nil {
		return err
	}
	return nil
}

func thrown(end any) error {
	if end == nil {
		return nil
	}
	if err, ok := end.(error); ok {
		return err
	}
	panic(end)
}
