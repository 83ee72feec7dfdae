package account

import (
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// check fails with kinds.Invalid or kinds.Limit for a message that the fold would not
// take. Whoever writes without opening the account asks first.
func (a *Add) check() error {
	c := &a.Content
	_, email := parseID(emailLetter, a.EmailID)
	_, thread := parseID(threadLetter, a.Thread)
	switch {
	case !email || !thread:
		return kinds.Errorf(kinds.Invalid, "account: a message without EMAILID or THREADID")
	case c.Blob.Size < 0 || c.Skip < 0 || c.Skip > c.Blob.Size:
		return kinds.Errorf(kinds.Invalid, "account: a message that leaves out %d of %d bytes", c.Skip, c.Blob.Size)
	case c.Blob.Size > maxSeq-MaxEntry:
		return kinds.Errorf(kinds.Limit, "account: a message of %d bytes", c.Blob.Size)
	case len(a.Words) > MaxKeywords:
		return kinds.Errorf(kinds.Limit, "account: a message with %d keywords", len(a.Words))
	case len(a.Name) != 0 && len(a.Name) != NameSize:
		return kinds.Errorf(kinds.Invalid, "account: a delivery's name of %d bytes", len(a.Name))
	case a.Use != "" && len(a.Name) == 0:
		return kinds.Errorf(kinds.Invalid, "account: a message that is no delivery goes to a mailbox by its id")
	case a.Date < -maxInt48 || a.Date > maxInt48 || a.Flags&^allFlags != 0:
		return kinds.Errorf(kinds.Invalid, "account: a message with date %d and flags %#x", a.Date, a.Flags)
	}
	return nil
}

// checkContent enforces what a writer may put into an entry.
func (c *Content) checkContent() error {
	if len(c.Head) > MaxHead || len(c.Summary) > MaxSummary {
		return kinds.Errorf(kinds.Limit, "account: a head of %d and a summary of %d bytes", len(c.Head), len(c.Summary))
	}
	if len(c.Blob.Frames) > blob.MaxTable {
		return kinds.Errorf(kinds.Limit, "account: a blob with a table of %d bytes", len(c.Blob.Frames))
	}
	return nil
}
