package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// idSize is how many bytes of an EMAILID or THREADID are kept: they are unique within
// one account.
const idSize = 10

// NameSize is the length of a delivery's name.
const NameSize = 12

// Ids begin with a letter of their own, and never differ by case alone.
// RFC 8620, section 1.2: servers SHOULD also avoid ids that start with a dash, start
// with digits, contain only digits or differ only by ASCII case.
var idText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	emailLetter  = 'e'
	threadLetter = 't'
	boxLetter    = 'b'
)

// NewRef gives a new account of the tenant its random id, in epoch 1.
func NewRef(tenant string) Ref {
	return Ref{ID: ID(strings.ToLower(rand.Text())), Epoch: 1, Tenant: tenant}
}

// Partition is where the account's journal is.
func (r Ref) Partition() journal.Partition {
	return journal.Partition(string(r.ID) + "." + strconv.FormatUint(uint64(r.Epoch), 10))
}

// in is the account in another epoch.
func (r Ref) in(epoch uint32) Ref { return Ref{ID: r.ID, Epoch: epoch, Tenant: r.Tenant} }

func (r Ref) check() error {
	if r.ID == "" || len(r.ID) > 64 || r.Epoch == 0 || r.Epoch >= 1<<12 {
		return kinds.Errorf(kinds.Invalid, "account: a reference without id or epoch")
	}
	return nil
}

// EmailID makes a random EMAILID.
func EmailID() string {
	var id [idSize]byte
	rand.Read(id[:])
	return formatID(emailLetter, id)
}

// ThreadID is the THREADID that a message has in the account: a keyed hash of the
// thread's root, which is the first of References, else In-Reply-To, else the own
// Message-ID. A message with none of them is a thread of its own, at random.
func ThreadID(ref Ref, messageID, inReplyTo string, references []string) string {
	root := messageID
	if inReplyTo != "" {
		root = inReplyTo
	}
	if len(references) > 0 && references[0] != "" {
		root = references[0]
	}
	var id [idSize]byte
	if root == "" {
		rand.Read(id[:])
	} else {
		h := hmac.New(sha256.New, []byte("thread "+string(ref.ID)))
		h.Write([]byte(root))
		copy(id[:], h.Sum(nil))
	}
	return formatID(threadLetter, id)
}

// DeliveryName names, in each account, the delivery that a transaction makes.
func DeliveryName(transaction string) []byte {
	sum := sha256.Sum256([]byte("delivery " + transaction))
	return sum[:NameSize]
}

// ObjectID is the mailbox's MAILBOXID (RFC 8474), unique over all accounts and kept
// by a rename.
func (m *Mailbox) ObjectID(ref Ref) string {
	h := hmac.New(sha256.New, []byte("mailbox "+string(ref.ID)))
	h.Write([]byte(strconv.FormatUint(uint64(ref.Epoch), 10) + " " + strconv.FormatUint(uint64(m.ID), 10)))
	var id [idSize]byte
	copy(id[:], h.Sum(nil))
	return formatID(boxLetter, id)
}

func formatID(letter byte, id [idSize]byte) string {
	var text [17]byte
	text[0] = letter
	idText.Encode(text[1:], id[:])
	return string(text[:])
}

func parseID(letter byte, s string) (id [idSize]byte, ok bool) {
	if len(s) != 17 || s[0] != letter || strings.ContainsAny(s, "\r\n") {
		return id, false
	}
	n, err := idText.Decode(id[:], []byte(s[1:]))
	return id, err == nil && n == idSize
}

// opID is a new operation id.
func opID(what string) string { return what + "-" + strings.ToLower(rand.Text()) }
