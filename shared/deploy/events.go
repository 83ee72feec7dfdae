package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// What an Event tells of.
const (
	Planned = "planned" // Action is to be done to Resource
	Started = "started"
	Waiting = "waiting" // still, after Took
	Done    = "done"    // after Took
	Failed  = "failed"  // after Took
	Warning = "warning" // Text is Terraform's
)

// Event is one thing that happens. Resource is an address such as
// module.queues.aws_sqs_queue.deliver; Action is create, update, delete or replace, which
// is a delete and a create once it is done.
type Event struct {
	What, Resource, Action, Text string
	Took                         time.Duration // to the second
}

// Plan is what is to be done.
type Plan struct {
	Changes []Event // of kind Planned
	Empty   bool    // nothing is to be done; outputs may change without a change of a resource
}

func (p *Plan) add(e Event) {
	if e.What == Planned {
		p.Changes = append(p.Changes, e)
	}
}

// Count tells how many resources are made, changed and removed; one that is replaced is
// made and removed.
func (p *Plan) Count() (create, update, remove int) {
	for _, c := range p.Changes {
		switch c.Action {
		case "create":
			create++
		case "update":
			update++
		case "delete":
			remove++
		case "replace":
			create++
			remove++
		}
	}
	return create, update, remove
}

// maxLine is how long a line of Terraform's stream may be; what is longer is skipped.
const maxLine = 1 << 20

// stream reads what Terraform writes with -json: an object a line.
type stream struct {
	tell    func(Event)
	rest    []byte // of a line that has no end yet
	skip    bool   // until the end of a line that is too long
	refused []string
}

// Write takes any part of the stream. It never fails: what can't be read is left out, and
// Terraform's exit code says whether all went well.
func (s *stream) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		if !s.skip && len(s.rest)+len(line) > maxLine {
			s.skip, s.rest = true, nil
		}
		if !s.skip {
			s.rest = append(s.rest, line...)
		}
		if !ended {
			return n, nil
		}
		if !s.skip {
			s.line(s.rest)
		}
		s.skip, s.rest, b = false, s.rest[:0], rest
	}
}

// message is a line of the stream, of which this reads what it tells.
type message struct {
	Type   string `json:"type"`
	Change struct {
		Resource resource `json:"resource"`
		Action   string   `json:"action"`
	} `json:"change"`
	Hook struct {
		Resource resource `json:"resource"`
		Action   string   `json:"action"`
		Elapsed  float64  `json:"elapsed_seconds"`
	} `json:"hook"`
	Diagnostic struct {
		Severity string `json:"severity"`
		Summary  string `json:"summary"`
		Detail   string `json:"detail"`
		Address  string `json:"address"`
	} `json:"diagnostic"`
}

type resource struct {
	Address string `json:"addr"`
}

func (s *stream) line(b []byte) {
	var m message
	if json.Unmarshal(b, &m) != nil {
		return
	}
	hook := Event{Resource: m.Hook.Resource.Address, Action: m.Hook.Action, Took: time.Duration(m.Hook.Elapsed) * time.Second}
	switch m.Type {
	case "planned_change":
		if m.Change.Action != "read" && m.Change.Action != "noop" {
			s.tell(Event{What: Planned, Resource: m.Change.Resource.Address, Action: m.Change.Action})
		}
	case "apply_start":
		hook.What = Started
	case "apply_progress":
		hook.What = Waiting
	case "apply_complete":
		hook.What = Done
	case "apply_errored":
		hook.What = Failed
	case "diagnostic":
		text := join(m.Diagnostic.Summary, m.Diagnostic.Detail)
		if m.Diagnostic.Severity == "error" {
			if m.Diagnostic.Address != "" {
				text = m.Diagnostic.Address + ": " + text
			}
			s.refused = append(s.refused, text)
			return
		}
		s.tell(Event{What: Warning, Resource: m.Diagnostic.Address, Text: text})
	}
	if hook.What != "" && hook.Action != "read" {
		s.tell(hook)
	}
}

// join makes one line of what Terraform breaks into several.
func join(summary, detail string) string {
	summary, detail = strings.Join(strings.Fields(summary), " "), strings.Join(strings.Fields(detail), " ")
	if detail == "" || strings.HasPrefix(summary, detail) {
		return summary
	}
	return summary + ": " + detail
}

// failure is why a run of Terraform has failed, in its own words.
func (s *stream) failure(ctx context.Context, err error, doing string) error {
	if len(s.refused) > 0 && ctx.Err() == nil {
		return kinds.Errorf(kinds.Unavailable, "%s:\n%s", doing, strings.Join(s.refused, "\n"))
	}
	return failed(ctx, err, doing)
}

func failed(ctx context.Context, err error, doing string) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return kinds.Errorf(kinds.Unavailable, "%s was stopped; what it has done is kept in the state, and another try goes on from there", doing)
	}
	return kinds.Wrap(kinds.Unavailable, errors.New(plain(err.Error())), doing)
}

// plain leaves out the frame that Terraform draws around errors.
func plain(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(strings.Trim(line, "│╷╵ ")); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// String tells an event in a line.
func (e Event) String() string {
	did := map[string]string{"create": "create", "update": "change", "delete": "remove", "replace": "replace"}[e.Action]
	switch e.What {
	case Warning:
		return "warning: " + e.Text
	case Planned, Started:
		return fmt.Sprintf("%s %s", did, e.Resource)
	}
	return fmt.Sprintf("%s %s: %s after %v", did, e.Resource, e.What, e.Took)
}
