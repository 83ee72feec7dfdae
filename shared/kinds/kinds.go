// Package kinds holds the closed list of error kinds. Every error that crosses a
// package border carries one; each edge (SMTP, IMAP, POP3, HTTP, job) maps kinds to
// its own replies in one place. The peer gets the kind's general word, the log the
// whole chain.
package kinds

import (
	"context"
	"errors"
	"fmt"
)

// Kind says what the peer must be told and whether trying again can help.
type Kind uint8

// The closed list. Internal is the zero value: an error nobody classified is ours.
const (
	Internal        Kind = iota // a defect of ours; not retried by the peer
	Invalid                     // the request is malformed or breaks a rule
	NotFound                    // no such account, mailbox, message, record, blob
	Exists                      // the name is taken
	Conflict                    // somebody else wrote first; read again and re-run
	Denied                      // known caller, not allowed
	Unauthenticated             // unknown caller or wrong credentials
	Quota                       // the account, domain or tenant is full
	Limit                       // too big, too many, too deep for a stated limit
	Suspended                   // the account or its domain or tenant is suspended
	Closed                      // the account is deleted or moved; a receipt or handle is stale
	Unavailable                 // temporary: time-out, 5xx, shutting down
	Throttled                   // temporary: slow down
	Corrupt                     // stored bytes do not check; names the object
	TooNew                      // written by a newer version than this reader
)

var names = [...]string{"internal", "invalid", "not-found", "exists", "conflict", "denied",
	"unauthenticated", "quota", "limit", "suspended", "closed", "unavailable", "throttled",
	"corrupt", "too-new"}

// String is the kind's general word, fit for logs and metrics labels.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return "internal"
}

// Temporary tells whether the same request may succeed later without anybody's help.
func (k Kind) Temporary() bool {
	return k == Conflict || k == Unavailable || k == Throttled || k == Internal
}

// Error is an error with a kind.
type Error struct {
	Kind Kind
	Text string // what happened, for the log
	Err  error  // cause, may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Text
	case e.Text == "":
		return e.Err.Error()
	}
	return e.Text + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of kind k; a %w verb keeps its cause for errors.Is and As.
func Errorf(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// Wrap gives err the kind k and says what was being done. Wrap of nil is nil.
func Wrap(k Kind, err error, doing string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Text: doing, Err: err}
}

// Of gives the kind of err: of the outermost error in its chain that has one; a
// passed deadline or a cancelled context is Unavailable; anything else is Internal.
func Of(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k interface{ Kind() Kind }
	if errors.As(err, &k) {
		return k.Kind()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Unavailable
	}
	return Internal
}

// Is tells whether err has kind k. Is(nil, k) is false.
func Is(err error, k Kind) bool { return err != nil && Of(err) == k }
