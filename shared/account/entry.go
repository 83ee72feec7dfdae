// Package account is an account as a journal: entries, the pure fold that turns them
// into state, and the store through which gateways and functions open, read and change
// accounts. Nothing else writes an account.
package account

import (
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
)

// ID is an account's random name. It is never an address and never used again.
type ID string

// Ref says where an account's journal is. Of an earlier epoch it leads to the current one.
type Ref struct {
	ID     ID     `cbor:"1,keyasint" json:"id"`
	Epoch  uint32 `cbor:"2,keyasint" json:"epoch"`
	Tenant string `cbor:"3,keyasint" json:"tenant"`
}

// MailboxID is given by the fold, in order; INBOX is always 1. Never used again.
type MailboxID uint32

// Inbox is the id of INBOX in every account.
const Inbox MailboxID = 1

// Limits of one entry and of what it carries.
const (
	MaxEntry        = 300 << 10 // encoded bytes; a command that needs more is kinds.Limit
	MaxSummary      = 16 << 10  // encoded message.Summary
	MaxHead         = 16 << 10
	MaxBatch        = 25        // deliveries merged into one entry
	MaxBatchBytes   = 250 << 10 // of their encoded content
	MaxMailboxes    = 5000
	MaxMailboxName  = 1000 // bytes of UTF-8
	MaxMailboxDepth = 50
	MaxKeywords     = 100       // per mailbox
	MaxKeyword      = 100       // bytes
	MaxMessages     = 5_000_000 // of one account
)

// Entry is one atomic change of an account. Times are milliseconds since 1970, UTC.
type Entry struct {
	Version   uint8      `cbor:"1,keyasint"`           // format
	MinReader uint8      `cbor:"2,keyasint"`           // oldest reader that may fold it
	Epoch     uint32     `cbor:"3,keyasint"`           //
	Seq       uint64     `cbor:"4,keyasint"`           //
	Time      int64      `cbor:"5,keyasint"`           // never before the last entry's
	Op        string     `cbor:"6,keyasint"`           // operation id, stable over retries and rebases
	By        By         `cbor:"7,keyasint"`           //
	Ops       []Op       `cbor:"8,keyasint"`           //
	Outbox    []Outgoing `cbor:"9,keyasint,omitempty"` // what must follow elsewhere
	Standing  Standing   `cbor:"10,keyasint"`          // after this entry
	KeyID     string     `cbor:"11,keyasint,omitempty"`
}

// By tells who did it and through which protocol, for the account's history.
type By struct {
	Actor    string `cbor:"1,keyasint,omitempty"` // account id, key id, or "system"
	Protocol string `cbor:"2,keyasint,omitempty"` // smtp, imap, pop3, api, ...
	Session  string `cbor:"3,keyasint,omitempty"` // correlation id
	Domain   string `cbor:"-"`                    // of the account, for Config.Grown; "": not counted
}

// Outgoing is work that must follow an entry elsewhere (a redirect, a vacation reply),
// sent again until a Done operation names it.
type Outgoing struct {
	Name string `cbor:"1,keyasint"`
	Kind string `cbor:"2,keyasint"`
	Body []byte `cbor:"3,keyasint,omitempty"`
}

// Op is one operation: exactly one field is set. A field that a reader does not know
// makes the account unavailable to it (kinds.TooNew): nothing is ever skipped.
type Op struct {
	Create        *Create        `cbor:"1,keyasint,omitempty"`
	Add           *Add           `cbor:"2,keyasint,omitempty"`
	Copy          *Copy          `cbor:"3,keyasint,omitempty"`
	Move          *Copy          `cbor:"4,keyasint,omitempty"`
	Flags         *FlagsOp       `cbor:"5,keyasint,omitempty"`
	Expunge       *Expunge       `cbor:"6,keyasint,omitempty"`
	CreateMailbox *CreateMailbox `cbor:"7,keyasint,omitempty"`
	Rename        *Rename        `cbor:"8,keyasint,omitempty"`
	DeleteMailbox *DeleteMailbox `cbor:"9,keyasint,omitempty"`
	Subscribe     *Subscribe     `cbor:"10,keyasint,omitempty"`
	Access        *Access        `cbor:"11,keyasint,omitempty"`
	Close         *Close         `cbor:"12,keyasint,omitempty"`
	Done          *Done          `cbor:"13,keyasint,omitempty"`
	Snapshot      *Snapshot      `cbor:"14,keyasint,omitempty"` // since reader 2
	SetACL        *SetACL        `cbor:"15,keyasint,omitempty"` // since reader 3, as are the next ones
	SeenBy        *SeenBy        `cbor:"16,keyasint,omitempty"`
	SeenMode      *SeenMode      `cbor:"17,keyasint,omitempty"`
	Metadata      *Metadata      `cbor:"18,keyasint,omitempty"`
	Epoch         *Epoch         `cbor:"19,keyasint,omitempty"` // since reader 4
}

// Create is the only operation of entry 1. It makes the default mailboxes.
type Create struct {
	Mailboxes []CreateMailbox `cbor:"1,keyasint"`           // the first is INBOX
	UIDFloor  uint32          `cbor:"2,keyasint,omitempty"` // mailboxes get UIDVALIDITYs above it
}

// Add puts a new message into a mailbox: a delivery or an APPEND.
type Add struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
	Content Content   `cbor:"2,keyasint"`
	Flags   Flags     `cbor:"3,keyasint,omitempty"`
	Words   []string  `cbor:"4,keyasint,omitempty"` // keywords
	Date    int64     `cbor:"5,keyasint"`           // INTERNALDATE, milliseconds
	EmailID string    `cbor:"6,keyasint"`
	Thread  string    `cbor:"7,keyasint"`
	Name    []byte    `cbor:"8,keyasint,omitempty"` // the delivery's name, 12 bytes; empty for APPEND
	UID     uint32    `cbor:"9,keyasint,omitempty"` // what the fold must give, when the writer told one
	UIDL    string    `cbor:"10,keyasint,omitempty"`
	// Use sends a delivery to the mailbox of a special use, as \Junk, if there is one.
	Use string `cbor:"11,keyasint,omitempty"` // since reader 3
}

// Content is what a message is made of, immutable and shared by its copies:
// head ++ blob[Skip:].
type Content struct {
	Head    []byte   `cbor:"1,keyasint,omitempty"`
	Blob    blob.Ref `cbor:"2,keyasint"`
	Skip    int64    `cbor:"3,keyasint,omitempty"`
	Summary []byte   `cbor:"4,keyasint"` // message.Summary of the blob, encoded

	// What else all copies share. An entry has them in Add, Account.Contents gives them here.
	EmailID string `cbor:"-"`
	Thread  string `cbor:"-"`
}

// Size is RFC822.SIZE: len(head) + len(blob) - skip, exactly.
func (c *Content) Size() int64 { return int64(len(c.Head)) + c.Blob.Size - c.Skip }

// Copy copies (or, as Move, moves) messages to a mailbox, in ascending UID order.
type Copy struct {
	From  MailboxID `cbor:"1,keyasint"`
	UIDs  []Range   `cbor:"2,keyasint"`
	To    MailboxID `cbor:"3,keyasint"`
	First uint32    `cbor:"4,keyasint,omitempty"` // first UID that the fold must give
}

// FlagsOp changes flags. Add and Remove are deltas; Replace sets all but \Recent.
type FlagsOp struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
	UIDs    []Range   `cbor:"2,keyasint"`
	Mode    FlagMode  `cbor:"3,keyasint"`
	Flags   Flags     `cbor:"4,keyasint,omitempty"`
	Words   []string  `cbor:"5,keyasint,omitempty"`
}

// FlagMode says how a FlagsOp changes flags.
type FlagMode uint8

const (
	AddFlags FlagMode = iota + 1
	RemoveFlags
	ReplaceFlags
)

// Expunge removes messages for good.
type Expunge struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
	UIDs    []Range   `cbor:"2,keyasint"`
}

// CreateMailbox makes a mailbox; its UIDVALIDITY is given by the fold.
type CreateMailbox struct {
	Name       string `cbor:"1,keyasint"`
	SpecialUse string `cbor:"2,keyasint,omitempty"` // \Drafts, \Sent, ...
	Subscribed bool   `cbor:"3,keyasint,omitempty"`
	UIDNext    uint32 `cbor:"4,keyasint,omitempty"` // the first UID that it gives; 0: 1. Since reader 4
}

// Rename renames a mailbox and everything below it. Of INBOX it moves all messages to a
// new mailbox (RFC 9051, section 6.3.6).
type Rename struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
	Name    string    `cbor:"2,keyasint"`
}

// DeleteMailbox removes a mailbox and its messages.
type DeleteMailbox struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
}

// Subscribe changes a subscription, which outlives its mailbox (RFC 9051, section 6.3.7).
type Subscribe struct {
	Name string `cbor:"1,keyasint"`
	On   bool   `cbor:"2,keyasint"`
}

// Access records a suspension or a new password: it ends the account's sessions.
type Access struct {
	Suspended  bool   `cbor:"1,keyasint,omitempty"`
	Generation uint32 `cbor:"2,keyasint"` // higher than all before; sessions of a lower one end
}

// Close ends the account. Nothing but Close's undoing may follow; never trimmed.
type Close struct {
	Reason string `cbor:"1,keyasint"` // "deleted", "moved", or "" to open it again
	To     string `cbor:"2,keyasint,omitempty"`
}

// Done names outgoing work that has been handed over.
type Done struct {
	Names []string `cbor:"1,keyasint"`
}

// Snapshot says where there is now a snapshot of the account as it was after an earlier
// entry. It changes nothing that a user sees.
type Snapshot struct {
	Ref string `cbor:"1,keyasint"` // goes to Standing.Snapshot
}

// SetACL grants rights to a mailbox, in place of those that the identifier had.
type SetACL struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
	Who     string    `cbor:"2,keyasint"`           // "anyone", "user:ID" or "group:ADDRESS", behind a "-" what is taken away
	Rights  Rights    `cbor:"3,keyasint,omitempty"` // 0: the grant is removed
}

// SeenBy changes the \Seen that a reader of the mailbox has for themselves.
type SeenBy struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
	Reader  ID        `cbor:"2,keyasint"`
	UIDs    []Range   `cbor:"3,keyasint"`
	On      bool      `cbor:"4,keyasint,omitempty"`
}

// SeenMode says whether all who read the mailbox share one \Seen.
type SeenMode struct {
	Mailbox MailboxID `cbor:"1,keyasint"`
	Shared  bool      `cbor:"2,keyasint,omitempty"`
}

// Metadata sets annotations of a mailbox, or of the account itself.
type Metadata struct {
	Mailbox MailboxID    `cbor:"1,keyasint,omitempty"` // 0: of the account
	Entries []Annotation `cbor:"2,keyasint"`
}

// Annotation is a note under a name such as /private/comment (RFC 5464). Names are kept as
// they were written first; case doesn't count in them.
type Annotation struct {
	_     struct{} `cbor:",toarray"`
	Name  string
	Value []byte // nil, in an entry: it is removed
}

// Epoch begins an epoch: it is the only operation of the first entry in the epoch's
// partition. Its number is the one after the last entry that is valid in the epoch before.
type Epoch struct {
	From     uint32 `cbor:"1,keyasint"`           // the epoch before
	UIDFloor uint32 `cbor:"2,keyasint"`           // mailboxes get UIDVALIDITYs above it
	Closed   string `cbor:"3,keyasint,omitempty"` // Close.Reason of an account that was closed before
}

// Range is a run of UIDs, both ends included.
type Range struct {
	_     struct{} `cbor:",toarray"`
	First uint32
	Last  uint32
}

// Flags are the system flags of RFC 9051, section 2.3.2. \Recent does not exist here.
type Flags uint8

const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft

	allFlags = Seen | Answered | Flagged | Deleted | Draft
)

// Standing is what a writer must know without opening the account. Every entry carries
// it as it is after the entry.
type Standing struct {
	Totals     Totals   `cbor:"1,keyasint"`
	Recent     []Recent `cbor:"2,keyasint,omitempty"` // names of at least the last 16 deliveries, in whole entries
	RecentFrom uint64   `cbor:"3,keyasint,omitempty"` // every delivery in entries >= RecentFrom is in Recent
	Closed     string   `cbor:"4,keyasint,omitempty"` // Close.Reason; see Renewed
	Suspended  bool     `cbor:"5,keyasint,omitempty"`
	Generation uint32   `cbor:"6,keyasint,omitempty"` // of Access
	Hold       bool     `cbor:"7,keyasint,omitempty"` // legal hold, reserved
	Script     string   `cbor:"8,keyasint,omitempty"` // active Sieve script, reserved
	Snapshot   string   `cbor:"9,keyasint,omitempty"` // newest snapshot, as Snapshot.Ref
}

// Totals are exact.
type Totals struct {
	Messages  int64 `cbor:"1,keyasint,omitempty" json:"messages"`
	Bytes     int64 `cbor:"2,keyasint,omitempty" json:"bytes"` // sum of RFC822.SIZE
	Mailboxes int64 `cbor:"3,keyasint,omitempty" json:"mailboxes"`
}

// Recent are the deliveries of one entry.
type Recent struct {
	_     struct{} `cbor:",toarray"`
	Seq   uint64
	Names []byte // 12 bytes each, concatenated
}

// Millis is the time as entries carry it.
func Millis(t time.Time) int64 { return t.UnixMilli() }
