package observe

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Logger writes records of at least level to w: as "text" or "json", or for "auto" as
// text on a terminal and as JSON elsewhere.
func Logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	if format == "auto" {
		format = "json"
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			format = "text"
		}
	}
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
