package imap

import (
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/quota"
)

// Codes that go-imap has no name for.
const (
	codeReadOnly      imap.ResponseCode = "READ-ONLY"
	codeExpungeIssued imap.ResponseCode = "EXPUNGEISSUED"
)

func no(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

func bad(text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeBad, Code: imap.ResponseCodeClientBug, Text: text}
}

// refused makes an error of a response that is ready.
func refused(why string) error {
	if text, ok := strings.CutPrefix(why, "BAD "); ok {
		return wire.SyntaxError(text)
	}
	return &imap.Error{Type: imap.StatusResponseTypeNo, Text: strings.TrimPrefix(why, "NO ")}
}

// fail is the one place where an error becomes a response: the client gets the general
// word of its kind, the log the story.
//
// RFC 9051, section 7.1 has the codes.
func (s *session) fail(err error) error {
	var done *imap.Error
	var gone goneError
	if err == nil || errors.As(err, &done) || errors.As(err, &gone) {
		return err
	}
	kind := kinds.Of(err)
	switch kind {
	case kinds.Internal, kinds.Corrupt, kinds.TooNew, kinds.Unavailable:
		s.log.Error("command failed", "command", s.command, "kind", kind, "error", err)
	default:
		s.log.Debug("command failed", "command", s.command, "kind", kind, "error", err)
	}
	switch kind {
	case kinds.Invalid:
		return no(imap.ResponseCodeCannot, "That is not possible")
	case kinds.NotFound:
		return no(imap.ResponseCodeNonExistent, "No such mailbox")
	case kinds.Exists:
		return no(imap.ResponseCodeAlreadyExists, "There is a mailbox of that name")
	case kinds.Denied:
		return no(imap.ResponseCodeNoPerm, "Not allowed")
	case kinds.Unauthenticated:
		return no(imap.ResponseCodeAuthenticationFailed, "Wrong user name or password")
	case kinds.Quota:
		if errors.Is(err, quota.ErrShared) {
			return no(imap.ResponseCodeOverQuota, "The storage that the account shares with others is full")
		}
		return no(imap.ResponseCodeOverQuota, "The account is full")
	case kinds.Limit:
		return no(imap.ResponseCodeLimit, "Too large or too many")
	case kinds.Suspended:
		return no(imap.ResponseCodeContactAdmin, "The account is suspended")
	case kinds.Closed:
		return no(imap.ResponseCodeContactAdmin, "The account is closed")
	case kinds.Unavailable, kinds.Throttled, kinds.Conflict:
		return no(imap.ResponseCodeUnavailable, "Try again later")
	case kinds.Corrupt:
		return no(imap.ResponseCodeCorruption, "Stored data are damaged")
	case kinds.TooNew:
		return no(imap.ResponseCodeUnavailable, "This server is too old for the account")
	}
	return no(imap.ResponseCodeServerBug, "Something went wrong here")
}

// failTo is fail for a command that puts messages into a mailbox.
//
// RFC 9051, section 6.3.12: Unless it is certain that the destination mailbox can not be created, the server MUST send the response code "[TRYCREATE]" as the prefix of the text of the tagged NO response.
func (s *session) failTo(err error) error { return tryCreate(s.fail(err)) }

func tryCreate(err error) error {
	var told *imap.Error
	if errors.As(err, &told) && told.Code == imap.ResponseCodeNonExistent {
		return no(imap.ResponseCodeTryCreate, told.Text)
	}
	return err
}
