package smtp

import (
	"errors"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// reply is what a peer is told. A text of several lines makes a reply of several lines.
type reply struct {
	code     int
	enhanced string // RFC 3463; "" where none belongs (3xx, the greeting, EHLO)
	text     string
}

// All that is ever answered, but for the greeting, EHLO and challenges.
var (
	okay        = reply{250, "2.0.0", "OK"}
	okaySender  = reply{250, "2.1.0", "Sender OK"}
	okayRcpt    = reply{250, "2.1.5", "Recipient OK"}
	goAhead     = reply{354, "", "End the message with <CRLF>.<CRLF>"}
	bye         = reply{221, "2.0.0", "Bye"}
	readyForTLS = reply{220, "2.0.0", "Ready to start TLS"}
	helpText    = reply{214, "2.0.0", "See RFC 5321"}
	cannotVrfy  = reply{252, "2.5.0", "Cannot verify; send a message and see"}
	loggedIn    = reply{235, "2.7.0", "Authentication succeeded"}

	shuttingDown  = reply{421, "4.3.2", "Shutting down, try again later"}
	timedOut      = reply{421, "4.4.2", "Timed out"}
	tooLongHere   = reply{421, "4.4.2", "Session too long, connect again"}
	tooManyErrors = reply{421, "4.7.0", "Too many errors"}
	tooMuchWork   = reply{421, "4.7.0", "Too many commands without a message"}
	tooManyLogins = reply{421, "4.7.0", "Too many failed logins"}
	sessionOver   = reply{421, "4.7.0", "Log in again"}
	notHTTP       = reply{421, "4.7.0", "This is not a web server"}
	hopeless      = reply{421, "4.5.2", "Line far too long"}

	lineTooLong   = reply{500, "5.5.2", "Line too long"}
	badLine       = reply{500, "5.5.2", "Lines end in CRLF and hold neither NUL nor single CR or LF"}
	unknown       = reply{500, "5.5.1", "Command unknown"}
	notHere       = reply{502, "5.5.1", "Command not available here"}
	syntax        = reply{501, "5.5.4", "Syntax error in parameters"}
	noArguments   = reply{501, "5.5.4", "This command takes no parameters"}
	badParameter  = reply{555, "5.5.4", "Parameter not recognised"}
	badSender     = reply{501, "5.1.7", "Syntax error in the sender's address"}
	badRcpt       = reply{501, "5.1.3", "Syntax error in the recipient's address"}
	wrongOrder    = reply{503, "5.5.1", "Bad sequence of commands"}
	helloFirst    = reply{503, "5.5.1", "Say EHLO first"}
	noSender      = reply{503, "5.5.1", "MAIL first"}
	noRecipients  = reply{554, "5.5.1", "No valid recipients"}
	needsUTF8     = reply{553, "5.6.7", "Address needs SMTPUTF8"}
	needsTLS      = reply{530, "5.7.0", "Must issue a STARTTLS command first"}
	needsAuth     = reply{530, "5.7.0", "Authentication required"}
	clearAuth     = reply{538, "5.7.11", "Encryption required for authentication"}
	alreadyTLS    = reply{503, "5.5.1", "TLS is on already"}
	alreadyIn     = reply{503, "5.5.1", "Logged in already"}
	noMechanism   = reply{504, "5.5.4", "Mechanism not known"}
	authCancelled = reply{501, "5.7.0", "Authentication cancelled"}
	badBase64     = reply{501, "5.5.2", "Cannot decode the response"}
	notYours      = reply{553, "5.7.1", "You may not send from this address"}
	localOnly     = reply{550, "5.7.1", "This service delivers to its own domains only, it does not send to others"}
	tooManyRcpts  = reply{452, "4.5.3", "Too many recipients"}
	otherTenant   = reply{452, "4.5.3", "Send this recipient in a transaction of its own"}
	overQuota     = reply{452, "4.2.2", "Mailbox full"}
	tooLarge      = reply{552, "5.3.4", "Message too large"}
	bareLineEnd   = reply{550, "5.6.0", "A CR or LF stands alone; lines must end in CRLF"}
	headerTooBig  = reply{554, "5.6.0", "Header too large"}
	loop          = reply{554, "5.4.6", "Too many hops, this message is in a loop"}
	tryLater      = reply{451, "4.3.0", "Local error, try again later"}
	diskFull      = reply{452, "4.3.1", "Insufficient storage, try again later"}
)

// againstPolicy refuses what the domain of its author says is not his.
func againstPolicy(domain string) reply {
	return reply{550, "5.7.1", "The DMARC policy of " + domain + " has this message rejected"}
}

// forAuthor is the reply to a message that the user may not send, or of which that isn't known.
func forAuthor(err error) reply {
	if no, is := errors.AsType[*handover.NotAuthor](err); is {
		return reply{550, "5.7.1", no.Error()}
	}
	if over, is := errors.AsType[*handover.Over](err); is {
		if over.Day {
			return reply{550, "5.7.1", over.Error()}
		}
		return reply{452, "4.7.1", over.Error()}
	}
	return tryLater
}

// write appends the reply as it goes over the wire.
func (r reply) write(b []byte) []byte {
	lines := strings.Split(r.text, "\n")
	for i, l := range lines {
		b = strconv.AppendInt(b, int64(r.code), 10)
		if i < len(lines)-1 {
			b = append(b, '-')
		} else {
			b = append(b, ' ')
		}
		if r.enhanced != "" {
			b = append(append(b, r.enhanced...), ' ')
		}
		b = append(append(b, l...), '\r', '\n')
	}
	return b
}

// forRecipient is the reply to RCPT when the directory or the account says no.
func forRecipient(err error, submission bool) reply {
	switch kinds.Of(err) {
	case kinds.NotFound, kinds.Closed:
		return reply{550, "5.1.1", "No such user here"}
	case kinds.Suspended:
		return reply{550, "5.2.1", "Mailbox disabled"}
	case kinds.Denied:
		if errors.Is(err, errNoPost) {
			return reply{550, "5.7.1", "Nobody may post to this address"}
		}
		if submission {
			return localOnly
		}
		return reply{550, "5.7.1", "Relaying denied"}
	case kinds.Invalid:
		return badRcpt
	case kinds.Limit:
		return reply{550, "5.2.4", "This address leads to too many others"}
	case kinds.Quota:
		return overQuota
	}
	return tryLater
}

// forMessage is the reply to DATA and BDAT when the message can't be taken.
func forMessage(err error) reply {
	switch {
	case errors.Is(err, intake.ErrSize):
		return tooLarge
	case errors.Is(err, intake.ErrHeader):
		return headerTooBig
	case errors.Is(err, intake.ErrLoop):
		return loop
	case kinds.Is(err, kinds.Throttled):
		return diskFull
	}
	return tryLater
}

// forLogin is the reply to AUTH when it fails.
func forLogin(err error) reply {
	switch kinds.Of(err) {
	case kinds.Unauthenticated:
		return reply{535, "5.7.8", "Authentication credentials invalid"}
	case kinds.Suspended:
		return reply{535, "5.7.13", "Account disabled"}
	case kinds.Denied:
		return reply{535, "5.7.1", "Not allowed for this account"}
	case kinds.Invalid:
		return badBase64
	case kinds.Throttled:
		return reply{454, "4.7.0", "Too many failed logins, try again later"}
	}
	return reply{454, "4.7.0", "Temporary authentication failure"}
}
