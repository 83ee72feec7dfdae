package admin

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress tells how far a transfer has come: on a terminal in a line that changes, elsewhere in
// a line from time to time.
type progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	total    int64 // bytes, as far as they can be known before
	began    time.Time
	shown    time.Time

	messages, bytes int64
}

func newProgress(w io.Writer, total int64) *progress {
	f, ok := w.(*os.File)
	p := &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd())), now: time.Now, total: total}
	p.began = p.now()
	p.shown = p.began
	return p
}

// add counts messages that are done.
func (p *progress) add(messages, bytes int64) {
	p.messages, p.bytes = p.messages+messages, p.bytes+bytes
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	if now := p.now(); now.Sub(p.shown) >= every {
		p.shown = now
		if p.terminal {
			fmt.Fprint(p.w, "\r\x1b[K", p.bar(), p.text())
		} else {
			fmt.Fprintln(p.w, p.text())
		}
	}
}

// line prints a line that stays.
func (p *progress) line(text string) {
	p.clear()
	fmt.Fprintln(p.w, clean(text))
}

// clear takes the line away that changes.
func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *progress) part() float64 {
	if p.total <= 0 {
		return 0
	}
	return min(1, float64(p.bytes)/float64(p.total))
}

func (p *progress) bar() string {
	const width = 20
	full := int(p.part() * width)
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "] "
}

func (p *progress) text() string {
	took := p.now().Sub(p.began).Seconds()
	text := fmt.Sprintf("%3.0f%%  %s", 100*p.part(), plural(p.messages, "message"))
	if took < 0.1 || p.bytes == 0 {
		return text
	}
	text += fmt.Sprintf("  %.0f/s  %s/s", float64(p.messages)/took, octets(int64(float64(p.bytes)/took)))
	if part := p.part(); part > 0 && part < 1 {
		left := time.Duration(took * (1 - part) / part * float64(time.Second))
		text += "  " + left.Round(time.Second).String() + " left"
	}
	return text
}

// plural is a number of things.
func plural(n int64, thing string) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n == 1 {
		return digits + " " + thing
	}
	return digits + " " + thing + "s"
}

// octets is a number of bytes for people.
func octets(n int64) string {
	v, units := float64(n), []string{"bytes", "KB", "MB", "GB", "TB"}
	for len(units) > 1 && v >= 1000 {
		v, units = v/1000, units[1:]
	}
	if units[0] == "bytes" {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[0])
}
