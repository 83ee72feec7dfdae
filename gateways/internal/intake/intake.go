// Package intake takes the bytes of a message that streams in, summarises them on the
// way and makes a blob of them, frame by frame. It holds at most 256 KiB in memory; the
// rest goes, compressed, to temporary disk of which there is a budget for the whole
// process.
package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// MaxMemory is how many bytes of a message are held in memory.
const MaxMemory = 256 << 10

// Errors that Write wraps, so that a gateway can tell which limit it was; they have the
// kind Limit.
var (
	ErrSize   = errors.New("intake: message too large")
	ErrHeader = errors.New("intake: header too large")
	ErrLoop   = errors.New("intake: too many Received fields")
)

// MaxReceived is the number of Received fields at which a message is in a loop.
// RFC 5321, section 6.3: server software SHOULD count the number of "Received:" header fields and have a large rejection threshold, normally at least 100
const MaxReceived = 100

// Config says how one message is taken in.
type Config struct {
	Budget *Budget // of temporary disk
	Dir    string  // where temporary files are made; "" is the system's
	Max    int64   // bytes of the message as it comes; beyond it is ErrSize
	// Relayed is set for mail that comes by SMTP: Return-Path fields, and
	// Authentication-Results of AuthServID, are left out; the header's size and the
	// number of its Received fields are bounded.
	Relayed bool
	// Submitted is set for mail that our users send: what is missing of Date and Message-ID
	// is put in (RFC 6409, section 8), and Bcc is taken out, which is nobody's business.
	Submitted  bool
	AuthServID string
	// Tap gets the bytes as they come, before anything is left out; its errors don't count.
	Tap io.Writer
	Now func() time.Time // nil: time.Now
}

// Intake is one message on its way in. It must be ended by Discard, also after Commit.
// Not safe for concurrent use.
type Intake struct {
	cfg     Config
	gather  gather
	store   store
	scanner *message.Scanner
	filter  *header.Filter // nil unless Relayed
	has     struct{ date, id bool }
	authors handover.Fields
	bcc     []byte
	wide    bool // a field of a submitted message has octets above 127
	taken   int64
	err     error
	done    bool
}

// New begins a message.
func New(cfg Config) *Intake {
	in := &Intake{cfg: cfg, scanner: message.NewScanner()}
	in.store.budget, in.store.dir = cfg.Budget, cfg.Dir
	in.gather.budget, in.gather.framer = cfg.Budget, blob.NewFramer(&in.store)
	if cfg.Relayed {
		options := header.Options{Drop: in.forged}
		if cfg.Submitted {
			options.Drop, options.End = in.unfit, in.missing
		}
		in.filter = header.NewFilter(sink{in}, options)
	}
	return in
}

// forged tells whether a field pretends to be ours.
//
// RFC 5321, section 4.4: A message-originating SMTP system SHOULD NOT send a message that already contains a Return-path header field.
func (in *Intake) forged(name string, value []byte) bool {
	f := header.Field{Name: []byte(name)}
	return f.Is("Return-Path") || f.Is("Authentication-Results") && header.ValueHasID(value, in.cfg.AuthServID)
}

// unfit tells whether a field of a submitted message is left out, and notes what is there.
func (in *Intake) unfit(name string, value []byte) bool {
	f := header.Field{Name: []byte(name)}
	in.has.date = in.has.date || f.Is("Date")
	in.has.id = in.has.id || f.Is("Message-ID")
	in.authors.Count(name)
	out := in.forged(name, value) || f.Is("Bcc") || f.Is("Resent-Bcc")
	in.wide = in.wide || !out && bytes.ContainsFunc(value, func(r rune) bool { return r >= 0x80 })
	if f.Is("Bcc") && len(in.bcc)+len(value) <= maxBcc {
		in.bcc = append(append(append(in.bcc, "Bcc:"...), value...), bytes.TrimPrefix([]byte("\r\n"), value[max(0, len(value)-2):])...)
	}
	return out
}

// missing gives the fields that a submitted message lacks.
//
// RFC 6409, section 8.2 and 8.3: The MSA MAY add a Date, and a valid Message-ID, if it lacks one.
func (in *Intake) missing() []byte {
	var b []byte
	if !in.has.date {
		b = append(b, "Date: "+in.now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")+"\r\n"...)
	}
	if !in.has.id {
		b = append(b, "Message-ID: <"+strings.ToLower(rand.Text())+"@"+in.cfg.AuthServID+">\r\n"...)
	}
	return b
}

func (in *Intake) now() time.Time {
	if in.cfg.Now == nil {
		return time.Now()
	}
	return in.cfg.Now()
}

// Write takes the next bytes. The first error sticks: ErrSize, ErrHeader, ErrLoop (all
// kinds.Limit), kinds.Throttled when the temporary disk is used up, kinds.Unavailable.
func (in *Intake) Write(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	if in.taken += int64(len(p)); in.cfg.Max > 0 && in.taken > in.cfg.Max {
		return 0, in.fail(kinds.Wrap(kinds.Limit, ErrSize, ""))
	}
	if in.cfg.Tap != nil {
		_, _ = in.cfg.Tap.Write(p)
	}
	if in.filter == nil {
		return in.pass(p)
	}
	if _, err := in.filter.Write(p); err != nil {
		if kinds.Is(err, kinds.Limit) {
			err = kinds.Wrap(kinds.Limit, errors.Join(ErrHeader, err), "")
		}
		return 0, in.fail(err)
	}
	if in.filter.Received() >= MaxReceived {
		return 0, in.fail(kinds.Wrap(kinds.Limit, ErrLoop, ""))
	}
	return len(p), nil
}

// sink is where the filter writes to.
type sink struct{ *Intake }

func (s sink) Write(p []byte) (int, error) { return s.pass(p) }

func (in *Intake) pass(p []byte) (int, error) {
	if err := in.gather.write(p); err != nil {
		return 0, in.fail(err)
	}
	return in.scanner.Write(p)
}

func (in *Intake) fail(err error) error {
	in.err = err
	in.free() // what is refused holds nothing while its rest is read
	return err
}

func (in *Intake) free() {
	in.gather.free()
	in.store.free()
}

// Size is how many bytes the blob will have, as far as they came.
func (in *Intake) Size() int64 { return in.gather.framer.Size() + int64(in.gather.held) }

// Finish says that all bytes have come, and gives the summary, or an error as of Write.
// The message is headless
// (what is put before it must end with an empty line) if Summary.HeaderLen is 0.
func (in *Intake) Finish() (message.Summary, error) {
	if in.err != nil {
		return message.Summary{}, in.err
	}
	if in.filter != nil {
		if err := in.filter.Close(); err != nil {
			return message.Summary{}, in.fail(err)
		}
	}
	if in.filter != nil && in.filter.Received() >= MaxReceived {
		return message.Summary{}, in.fail(kinds.Wrap(kinds.Limit, ErrLoop, ""))
	}
	if err := in.gather.flush(); err != nil {
		return message.Summary{}, in.fail(err)
	}
	in.gather.free()
	in.done = true
	return in.scanner.Finish(), nil
}

// Wide tells whether the header of a submitted message needs SMTPUTF8.
func (in *Intake) Wide() bool { return in.wide }

// maxBcc is how much of Bcc fields is kept for the sender's own copy.
const maxBcc = 16 << 10

// Bcc gives the Bcc fields of a submitted message, which the blob lacks.
func (in *Intake) Bcc() []byte { return in.bcc }

// Authors says how often the header of a submitted message names authors.
func (in *Intake) Authors() handover.Fields { return in.authors }

// Put stores the blob, durably, for accounts of a tenant. Finish comes first.
func (in *Intake) Put(ctx context.Context, blobs blob.Store, tenant string, owners []string) (blob.Ref, error) {
	if in.err != nil || !in.done {
		return blob.Ref{}, errors.Join(in.err, kinds.Errorf(kinds.Internal, "intake: not finished"))
	}
	return blobs.PutFrames(ctx, blob.NewName(tenant, in.now()), blob.Header{Owners: owners}, in.gather.framer, &in.store)
}

// Commit is Finish and Put.
func (in *Intake) Commit(ctx context.Context, blobs blob.Store, tenant string, owners []string) (blob.Ref, message.Summary, error) {
	sum, err := in.Finish()
	if err != nil {
		return blob.Ref{}, sum, err
	}
	ref, err := in.Put(ctx, blobs, tenant, owners)
	return ref, sum, err
}

// Discard gives back memory and disk. It may be called more than once.
func (in *Intake) Discard() {
	if in.err == nil {
		in.err = kinds.Errorf(kinds.Closed, "intake: ended")
	}
	in.free()
}

var (
	_ io.Writer   = (*Intake)(nil)
	_ io.ReaderAt = (*store)(nil)
)
