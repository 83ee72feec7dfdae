package pop3

import (
	"context"
	"fmt"
	"io"

	"github.com/godwit-mail/godwit/shared/account"
)

// view is an account as a session sees it; *inbox is one.
type view interface {
	// Read opens the bytes of a message.
	Read(ctx context.Context, c account.ContentRef) (io.ReadCloser, error)
	// Expunge removes messages of INBOX, all or none. Those that are gone already are
	// no error.
	Expunge(ctx context.Context, uids []account.Range) error
	// Changed is closed when the account next changes; it is taken before Ended.
	Changed() <-chan struct{}
	// Ended tells whether the login is no longer good.
	Ended() bool
	Close()
}

// maildrop is INBOX as it was at login, with the session's marks of deletion.
type maildrop struct {
	view     view
	validity uint32            // UIDVALIDITY
	items    []item            // by number, which begins at 1, in the order of UIDs
	names    map[uint32]string // by UID: the unique-ids that an import brought along
	count    int               // messages that are not marked
	octets   int64             // their size
}

// item is one message.
type item struct {
	content account.ContentRef
	size    int64
	uid     uint32
	deleted bool
}

// maxUniqueID is the longest that RFC 1939 allows.
const maxUniqueID = 70

// add puts a message at the end. An imported unique-id is not taken if it isn't a good
// one, or if a message before has it: a copy of the message, say.
func (d *maildrop) add(it item, uidl string, taken map[string]bool) {
	d.items = append(d.items, it)
	d.count++
	d.octets += it.size
	if goodUniqueID(uidl) && !taken[uidl] {
		if d.names == nil {
			d.names = map[uint32]string{}
		}
		taken[uidl] = true
		d.names[it.uid] = uidl
	}
}

func goodUniqueID(s string) bool {
	if s == "" || len(s) > maxUniqueID {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7E {
			return false
		}
	}
	return true
}

// uniqueID is made of what never changes and is the same on all gateways. A copy of a
// message has a UID, and so a unique-id, of its own.
func (d *maildrop) uniqueID(n int) string {
	uid := d.item(n).uid
	if name := d.names[uid]; name != "" {
		return name
	}
	return fmt.Sprintf("%08x%08x", d.validity, uid)
}

func (d *maildrop) item(n int) *item { return &d.items[n-1] }

func (d *maildrop) mark(n int) {
	it := d.item(n)
	it.deleted = true
	d.count--
	d.octets -= it.size
}

func (d *maildrop) unmark() {
	for i := range d.items {
		if it := &d.items[i]; it.deleted {
			it.deleted = false
			d.count++
			d.octets += it.size
		}
	}
}

// marked gives the UIDs that are marked as deleted. A run of messages in the view that
// are all marked is one range where no UID in between is another's.
func (d *maildrop) marked() (uids []account.Range) {
	for i := range d.items {
		it := &d.items[i]
		if !it.deleted {
			continue
		}
		if n := len(uids) - 1; n >= 0 && uids[n].Last+1 == it.uid {
			uids[n].Last = it.uid
			continue
		}
		uids = append(uids, account.Range{First: it.uid, Last: it.uid})
	}
	return uids
}
