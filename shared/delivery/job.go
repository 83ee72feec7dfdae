// Package delivery is the job that a gateway hands to functions/deliver: which message
// goes to which accounts.
package delivery

import (
	"errors"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// MaxRecipients is how many accounts one job names at most.
const MaxRecipients = 100

// MaxTell is how much a job says at most, in bytes, of what senders are to be told; that of one
// account is at most MaxTells addresses.
const (
	MaxTell  = 48 << 10
	MaxTells = 40
)

const version = 1

// Job is one message for accounts of one tenant. It names accounts, not addresses:
// aliases and groups were resolved at RCPT.
type Job struct {
	Version     uint8       `cbor:"1,keyasint"`
	Transaction string      `cbor:"2,keyasint"` // names the delivery in each account: exactly once
	Correlation string      `cbor:"3,keyasint"` // for logs, from gateway to mailbox
	Tenant      string      `cbor:"4,keyasint"`
	From        string      `cbor:"5,keyasint"` // reverse-path, "" is the null sender
	Received    int64       `cbor:"6,keyasint"` // milliseconds; INTERNALDATE
	Trace       []byte      `cbor:"7,keyasint"` // Received (and later Authentication-Results) lines, CRLF ended
	Headless    bool        `cbor:"8,keyasint"` // the blob's first line is no header field: the head ends with an empty line
	Blob        blob.Ref    `cbor:"9,keyasint"`
	Summary     []byte      `cbor:"10,keyasint"`
	Thread      []string    `cbor:"11,keyasint"` // Message-ID, In-Reply-To, References: roots for THREADID
	Recipients  []Recipient `cbor:"12,keyasint"`
	Failures    int         `cbor:"13,keyasint"` // real failures so far; contention and throttling do not count
	KeyID       string      `cbor:"14,keyasint,omitempty"`
	Protocol    string      `cbor:"15,keyasint"` // smtp, submission, api
	// Junk sends the message to the mailbox for junk; a function from before it parks the job.
	Junk bool `cbor:"16,keyasint,omitempty"`
	// Notify says who is told of the deliveries for which a recipient has a Tell; likewise.
	Notify *Notify `cbor:"17,keyasint,omitempty"`
	// Sent is the sender's own copy, for the mailbox for sent mail; likewise.
	Sent bool `cbor:"18,keyasint,omitempty"`
}

// Notify is who is told of deliveries: the job's From.
type Notify struct {
	Host    string      `cbor:"1,keyasint"`           // that tells it
	Account account.Ref `cbor:"2,keyasint"`           // of From; zero: it is elsewhere
	Seen    uint64      `cbor:"3,keyasint,omitempty"` // the account's last entry known at acceptance
	EnvID   string      `cbor:"4,keyasint,omitempty"` // as xtext
	UTF8    bool        `cbor:"5,keyasint,omitempty"` // From takes SMTPUTF8
}

// Tell is an address of which the sender wants to know when it has the message.
type Tell struct {
	Address  string `cbor:"1,keyasint"`
	Origin   string `cbor:"2,keyasint,omitempty"` // ORCPT
	Expanded bool   `cbor:"3,keyasint,omitempty"` // it leads to several accounts
}

// Recipient is one account of a job.
type Recipient struct {
	Account account.Ref `cbor:"1,keyasint"`
	Address string      `cbor:"2,keyasint"`           // the address as it stood in RCPT, for Delivered-To
	Seen    uint64      `cbor:"3,keyasint"`           // the account's last entry known at RCPT: deliveries are looked for after it
	Tell    []Tell      `cbor:"5,keyasint,omitempty"` // when it is delivered; a function from before it parks the job
	Limit   *Limit      `cbor:"4,keyasint,omitempty"` // of which the owner is to be warned; a function from before it parks the job
}

// Limit is an account's quota as it was known at RCPT.
type Limit struct {
	Address string        `cbor:"1,keyasint"` // the account's own
	Quota   account.Quota `cbor:"2,keyasint"`
}

// Encode gives the queue body; kinds.Limit when it is over queue.MaxBody.
func (j *Job) Encode() ([]byte, error) {
	j.Version = version
	b, err := cbor.Marshal(j)
	if err != nil {
		return nil, kinds.Wrap(kinds.Internal, err, "delivery: encode job")
	}
	if len(b) > queue.MaxBody || len(j.Recipients) > MaxRecipients {
		return nil, kinds.Errorf(kinds.Limit, "delivery: job of %d bytes for %d accounts", len(b), len(j.Recipients))
	}
	return b, nil
}

// Decode reads a queue body: kinds.TooNew for a version or a field that it does not
// know, kinds.Corrupt for anything else that is no job.
func Decode(b []byte) (*Job, error) {
	j := new(Job)
	if err := decMode.Unmarshal(b, j); err != nil {
		var unknown *cbor.UnknownFieldError
		if errors.As(err, &unknown) || probe(b) > version {
			return nil, kinds.Errorf(kinds.TooNew, "delivery: decode job: %w", err)
		}
		return nil, kinds.Errorf(kinds.Corrupt, "delivery: decode job: %w", err)
	}
	if j.Version != version {
		return nil, kinds.Errorf(kinds.TooNew, "delivery: job version %d", j.Version)
	}
	if len(j.Recipients) == 0 || len(j.Recipients) > MaxRecipients {
		return nil, kinds.Errorf(kinds.Corrupt, "delivery: job for %d accounts", len(j.Recipients))
	}
	return j, nil
}

// decMode never changes. Strings are taken as they are, so that nothing that was sent
// can fail to be read.
var decMode = mode()

func mode() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8DecodeInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   8,
		MaxArrayElements:  131072,
		MaxMapPairs:       64,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return m
}

// probe finds the version of a job of which nothing else may be known.
func probe(b []byte) uint8 {
	var header struct {
		Version uint8 `cbor:"1,keyasint"`
	}
	if cbor.Unmarshal(b, &header) != nil {
		return 0
	}
	return header.Version
}

// ReceivedAt is the time of acceptance.
func (j *Job) ReceivedAt() time.Time { return time.UnixMilli(j.Received).UTC() }
