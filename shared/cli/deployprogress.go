package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/deploy"
)

// progress tells what Terraform does: a line for each thing that is done, and on a terminal
// one more, which changes, for what is going on.
type progress struct {
	w        io.Writer
	terminal bool
	status   string // what stands in the last line
	total    int    // of things to be done
	done     int
	running  []running
}

type running struct {
	resource string
	took     time.Duration
}

func newProgress(w io.Writer, terminal bool) *progress { return &progress{w: w, terminal: terminal} }

// begin says what is going to be done.
func (p *progress) begin(plan *deploy.Plan) {
	create, update, remove := plan.Count()
	p.total, p.done = create+update+remove, 0
	p.line(counts(plan))
}

// say tells what is going on.
func (p *progress) say(text string) {
	if p.terminal {
		p.show(text)
		return
	}
	p.line(text)
}

// event takes what Terraform tells.
func (p *progress) event(e deploy.Event) {
	if e.What == deploy.Warning {
		p.line(e.String())
		return
	}
	if e.What == deploy.Planned || p.total == 0 {
		return
	}
	at := -1
	for i, r := range p.running {
		if r.resource == e.Resource {
			at = i
		}
	}
	switch {
	case e.What == deploy.Started && at < 0:
		p.running = append(p.running, running{resource: e.Resource})
	case e.What == deploy.Waiting && at >= 0:
		p.running[at].took = e.Took
	case e.What == deploy.Done || e.What == deploy.Failed:
		if at >= 0 {
			p.running = append(p.running[:at], p.running[at+1:]...)
		}
		if e.What == deploy.Done {
			p.done++
		}
		p.line(fmt.Sprintf("%*d of %d  %s", len(fmt.Sprint(p.total)), p.done, p.total, e))
	}
	if p.terminal {
		p.show(p.waiting())
	}
}

// waiting tells of what has been going on for longest.
func (p *progress) waiting() string {
	if len(p.running) == 0 {
		return ""
	}
	longest := p.running[0]
	for _, r := range p.running {
		if r.took > longest.took {
			longest = r
		}
	}
	text := "waiting for " + longest.resource
	if longest.took > 0 {
		text += fmt.Sprintf(" (%v)", longest.took)
	}
	if n := len(p.running) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// line prints a line that stays.
func (p *progress) line(text string) {
	status := p.status
	p.show("")
	fmt.Fprintln(p.w, clean(text))
	p.show(status)
}

// width is what fits into a line of any terminal.
const width = 79

// show puts the text into the line that changes.
func (p *progress) show(text string) {
	if len(text) > width {
		text = text[:width]
	}
	if text == p.status || !p.terminal {
		return
	}
	p.status = text
	fmt.Fprint(p.w, "\r\x1b[K", clean(text))
}

// end leaves the terminal at the beginning of a line.
func (p *progress) end() { p.show("") }

// clean keeps what others have written from moving the cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func counts(plan *deploy.Plan) string {
	create, update, remove := plan.Count()
	return fmt.Sprintf("%d to create, %d to change, %d to remove", create, update, remove)
}

// showPlan prints what is to be done, a line each.
func showPlan(w io.Writer, plan *deploy.Plan) {
	if plan.Empty {
		fmt.Fprintln(w, "Nothing is to be done: all is as it should be.")
		return
	}
	for _, c := range plan.Changes {
		fmt.Fprintln(w, clean(c.String()))
	}
	fmt.Fprintf(w, "%s.\n", counts(plan))
}

// ask asks for a yes; anything else is a no.
func ask(in io.Reader, out io.Writer, question string) bool {
	fmt.Fprintf(out, "%s Only 'yes' is one: ", question)
	answer, _ := bufio.NewReader(in).ReadString('\n')
	return strings.TrimSpace(answer) == "yes"
}
