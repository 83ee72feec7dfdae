package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/godwit-mail/godwit/shared/backup"
)

// transfer tells how far a backup or a restore has come: on a terminal in a line that
// changes, elsewhere in a line from time to time.
type transfer struct {
	w        io.Writer
	what     string // is counted
	terminal bool
	now      func() time.Time

	mu           sync.Mutex
	began, shown time.Time
	last         backup.Progress
}

func newTransfer(w io.Writer, what string) *transfer {
	f, ok := w.(*os.File)
	t := &transfer{w: w, what: what, terminal: ok && term.IsTerminal(int(f.Fd())), now: time.Now}
	t.began = t.now()
	t.shown = t.began
	return t
}

// told is called with each step.
func (t *transfer) told(p backup.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = p
	every := 10 * time.Second
	if t.terminal {
		every = 200 * time.Millisecond
	}
	now := t.now()
	if now.Sub(t.shown) < every {
		return
	}
	t.shown = now
	if t.terminal {
		fmt.Fprint(t.w, "\r\x1b[K", t.text())
		return
	}
	fmt.Fprintln(t.w, t.text())
}

// end leaves a terminal at the beginning of a line.
func (t *transfer) end() {
	if t.terminal {
		fmt.Fprint(t.w, "\r\x1b[K")
	}
}

func (t *transfer) text() string {
	took := t.now().Sub(t.began)
	part := 0.0
	if t.last.Total > 0 {
		part = min(1, float64(t.last.Done)/float64(t.last.Total))
	}
	var b strings.Builder
	if t.terminal {
		const width = 20
		full := int(part * width)
		b.WriteString("[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "] ")
	}
	fmt.Fprintf(&b, "%3.0f%%  %d of %d %s  %s", 100*part, t.last.Done, t.last.Total, t.what, amount(t.last.Bytes))
	if s := took.Seconds(); s >= 0.1 {
		fmt.Fprintf(&b, "  %s/s", amount(int64(float64(t.last.Bytes)/s)))
		if part > 0 && part < 1 {
			fmt.Fprintf(&b, "  %v left", time.Duration(s*(1-part)/part*float64(time.Second)).Round(time.Second))
		}
	}
	return b.String()
}

// amount is a number of bytes for people.
func amount(n int64) string {
	v, units := float64(n), []string{"bytes", "KB", "MB", "GB", "TB"}
	for len(units) > 1 && v >= 1000 {
		v, units = v/1000, units[1:]
	}
	if units[0] == "bytes" {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[0])
}
