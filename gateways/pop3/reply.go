package pop3

import (
	"fmt"
	"log/slog"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// failure is a negative reply: what a command returns that did not do its work.
type failure struct {
	code  string // response code, or empty
	text  string
	bad   bool // the client broke the protocol; counted against it
	final bool // the session ends with this reply
	now   bool // as a reason to stop: before commands that have come in already
}

func (f *failure) Error() string { return f.text }

// Response codes of RFC 3206.
const (
	codeAuth = "AUTH"     // the name or password
	codeTemp = "SYS/TEMP" // trying again later can help
	codePerm = "SYS/PERM" // it needs somebody's help
)

func fail(format string, args ...any) error {
	return &failure{text: fmt.Sprintf(format, args...)}
}

func misuse(format string, args ...any) error {
	return &failure{text: fmt.Sprintf(format, args...), bad: true}
}

// failKind is the one place where error kinds become POP3's words. The client gets the
// general word, the log the whole story.
func (s *session) failKind(err error, doing string) error {
	f, level := &failure{code: codePerm}, slog.LevelInfo
	k := kinds.Of(err)
	switch k {
	case kinds.Unauthenticated:
		f.code, f.text = codeAuth, "Wrong name or password"
	case kinds.Suspended:
		f.text = "The account is suspended"
	case kinds.Denied:
		f.text = "The account may not use POP3"
	case kinds.Closed, kinds.NotFound:
		f.text = "It is not there any more"
	case kinds.Limit, kinds.Quota, kinds.Exists, kinds.Invalid:
		f.text = "That can't be done"
	case kinds.Throttled:
		f.code, f.text = codeTemp, "Too many attempts, try again later"
	case kinds.Unavailable, kinds.Conflict:
		f.code, f.text, level = codeTemp, "Try again later", slog.LevelWarn
	case kinds.Corrupt, kinds.TooNew:
		f.text, level = "The stored data can't be read", slog.LevelError
	default:
		f.code, f.text, level = codeTemp, "Internal error, try again later", slog.LevelError
	}
	s.log.Log(s.ctx, level, "pop3: "+doing+" failed", "kind", k.String(), "error", err)
	return f
}

// ok sends a positive reply.
func (s *session) ok(format string, args ...any) { fmt.Fprintf(s.out, "+OK "+format+"\r\n", args...) }

// refuse sends a negative reply.
func (s *session) refuse(f *failure) {
	if f.code != "" {
		fmt.Fprintf(s.out, "-ERR [%s] %s\r\n", f.code, f.text)
		return
	}
	fmt.Fprintf(s.out, "-ERR %s\r\n", f.text)
}
