package handover

import (
	"context"
	"fmt"
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Paths gives the reverse-path by which mail goes on from a domain of ours; *directory.Directory.
type Paths interface {
	ReversePath(ctx context.Context, from address.Address, domain string) (address.Address, error)
}

// Forward is an address of ours that leads to other hosts.
type Forward struct {
	Alias  address.Address // as it stood in RCPT
	To     []string
	Notify string // as it stood in RCPT, and so does Origin
	Origin string
	// Loop: the message was forwarded by it before. Its recipients get it no more, and its
	// sender is told.
	Loop bool
}

// TraceName is the field by which we know what an address of ours has forwarded before.
const TraceName = "X-Godwit-Forwarded"

// trace gives the field for one address.
//
// RFC 5321, section 6.3: simple counting of Received fields is a way to detect loops, others may be used, too.
func (f *Forward) trace() string { return TraceName + ": <" + f.Alias.Key() + ">\r\n" }

// maxTraces is how many fields of a header are looked at.
const maxTraces = 100

// ForwardedBy reads these fields of a message: the addresses in key form, at most maxTraces.
func ForwardedBy(fields []header.Field) map[string]bool {
	by := map[string]bool{}
	for _, f := range fields {
		if len(by) < maxTraces {
			by[strings.Trim(f.Text(), " \t<>")] = true
		}
	}
	return by
}

// Loops tells whether the address is among them.
func (f *Forward) Loops(by map[string]bool) bool { return by[f.Alias.Key()] }

// forward makes the records of what goes on from addresses of ours: for each, by its own
// reverse-path. Whom more than one leads to gets the message once, and who was named as a
// recipient himself gets it as that.
func (d *Desk) forward(ctx context.Context, m *Message, seen uint64) error {
	has := map[string]bool{}
	for _, r := range m.Elsewhere {
		has[r.Address] = true
	}
	n := 0
	for i := range m.Forwards {
		f := &m.Forwards[i]
		mail, err := d.forwarded(ctx, m, f, seen)
		if err != nil {
			return err
		}
		plain, wide := f.recipients(m, has)
		for _, to := range [][]spool.Recipient{plain, wide} {
			for len(to) > 0 {
				one := *mail
				one.To = to[:min(len(to), spool.MaxOutgoing)]
				to = to[len(one.To):]
				// An address outside ASCII keeps the others from no host that takes none.
				one.UTF8 = one.UTF8 || len(one.To) > 0 && !ascii(one.To[0].Address)
				if err := d.post(ctx, fmt.Sprintf("%s-f%d", m.ID, n), &one); err != nil {
					return err
				}
				n++
			}
		}
	}
	return nil
}

// forwarded is the message as it goes on from one address.
func (d *Desk) forwarded(ctx context.Context, m *Message, f *Forward, seen uint64) (*spool.Mail, error) {
	head := append([]byte(f.trace()), m.Results...)
	mail := d.mail(m, seen, append(head, m.Received...))
	mail.Kind, mail.Proven, mail.ARC = spool.Forward, m.Proven, m.ARC
	if m.From == "" {
		return mail, nil
	}
	from, err := address.Parse(m.From)
	if err != nil {
		return nil, err
	}
	path, err := d.Paths.ReversePath(ctx, from, f.Alias.Domain)
	if err != nil {
		return nil, err
	}
	if path != from {
		mail.Path = path.String()
		mail.UTF8 = mail.UTF8 || path.NeedsUTF8()
	}
	return mail, nil
}

// recipients are those who are not among has yet: of ASCII, and others.
func (f *Forward) recipients(m *Message, has map[string]bool) (plain, wide []spool.Recipient) {
	for _, to := range f.To {
		if has[to] {
			continue
		}
		has[to] = true
		r := spool.Recipient{Address: to, Notify: f.Notify, Origin: f.Origin, Alias: f.Alias.String()}
		if f.Loop {
			r.State, r.Status, r.Said = spool.Failed, "5.4.6", "The message was forwarded by this address before, it is in a loop"
		} else if m.Hold != "" {
			r.Hold(m.At, m.Hold)
		}
		if ascii(to) {
			plain = append(plain, r)
		} else {
			wide = append(wide, r)
		}
	}
	return plain, wide
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
