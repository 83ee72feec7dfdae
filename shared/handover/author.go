package handover

import (
	"context"
	"fmt"
	"strings"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// Senders says what accounts may send as; *directory.Directory does.
type Senders interface {
	Sender(ctx context.Context, id *directory.Identity) (directory.Sender, error)
	MaySendAs(ctx context.Context, id *directory.Identity, addr address.Address) (bool, error)
}

// NotAuthor is the error, of kind Denied, of a message that names another as its author.
type NotAuthor struct{ text string }

func (e *NotAuthor) Error() string { return e.text }

// Kind is kinds.Denied.
func (e *NotAuthor) Kind() kinds.Kind { return kinds.Denied }

// Fields is how often the fields that name authors stand in a header.
type Fields struct{ From, Sender int }

// Count takes a field of the header into account.
func (f *Fields) Count(name string) {
	switch {
	case strings.EqualFold(name, "From"):
		f.From++
	case strings.EqualFold(name, "Sender"):
		f.Sender++
	}
}

// Authors tells whether id may have written a message: each address of its From and Sender
// fields must be one that it may send as. *NotAuthor; or what keeps from knowing it.
//
// RFC 6409, section 6.1: the MSA may issue an error response to a MAIL command if the address
// appears to have insufficient submission rights; and section 8 lets it hold the header against them.
func Authors(ctx context.Context, dir Senders, id *directory.Identity, fields Fields, sum *message.Summary) error {
	s, err := dir.Sender(ctx, id)
	if err != nil || !s.FromCheck {
		return err
	}
	for name, list := range map[string][]message.Address{"From": sum.Envelope.From, "Sender": sum.Envelope.Sender} {
		count := fields.From
		if name == "Sender" {
			count = fields.Sender
		}
		// RFC 5322, section 3.6: From and Sender stand once at most.
		if count > 1 {
			return &NotAuthor{fmt.Sprintf("The header has more than one %s field", name)}
		}
		found := 0
		for _, a := range list {
			if a.Group != "" || a.End {
				continue
			}
			found++
			if err := author(ctx, dir, id, a); err != nil {
				return err
			}
		}
		if count > 0 && found == 0 {
			return &NotAuthor{fmt.Sprintf("The %s field has no address that can be read", name)}
		}
	}
	return nil
}

func author(ctx context.Context, dir Senders, id *directory.Identity, a message.Address) error {
	addr, err := address.Parse(a.Local + "@" + a.Domain)
	may := false
	if err == nil && a.Domain != "" {
		if may, err = dir.MaySendAs(ctx, id, addr); err != nil {
			return err
		}
	}
	if !may {
		return &NotAuthor{"The message is from an address that is neither yours nor given to you"}
	}
	return nil
}
