package api

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	cursorSum    = 8 // bytes
	maxCursor    = 1500
	defaultLimit = 50
)

// Paged are the parameters of every list.
type Paged struct {
	Cursor string `query:"cursor" maxLength:"1500" doc:"Where the page before ended: its next."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most."`
}

// makeCursor puts a position into a form that clients have no reason to look into. It is
// bound to the list it was made for. It is no secret and grants nothing: a position
// only ever selects within what the key may see.
func makeCursor(of, position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(cursorCheck(of, position), position...))
}

func cursorCheck(of, position string) []byte {
	sum := sha256.Sum256([]byte("cursor\x00" + of + "\x00" + position))
	return sum[:cursorSum]
}

// position reads a cursor of the same list. Errors are kinds.Invalid.
func position(of, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	if len(cursor) <= maxCursor {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err == nil && len(b) > cursorSum && makeCursor(of, string(b[cursorSum:])) == cursor {
			return string(b[cursorSum:]), nil
		}
	}
	return "", kinds.Errorf(kinds.Invalid, "api: this cursor is not of this list")
}

func (p Paged) limit() int {
	if p.Limit == 0 {
		return defaultLimit
	}
	return p.Limit
}
