package imap

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/shared/account"
)

// maxParts is of how many parts CATENATE puts a message together.
const maxParts = 1000

// catenate reads the parts of CATENATE (RFC 4469), of which each is taken in before the next is
// looked at: what the client sends, and what URLs of this account name, neither of which is
// held in memory.
//
// RFC 4469, section 5: append-data =/ "CATENATE" SP "(" cat-part *(SP cat-part) ")"
func (t *taking) catenate(in *intake.Intake) error {
	cmd := t.cmd
	cmd.Expect('(')
	for n := 0; ; n++ {
		var err error
		switch word := cmd.Keyword(); {
		case cmd.Err() != nil:
		case n == maxParts:
			return no(imap.ResponseCodeLimit, "Too many parts")
		case word == "TEXT":
			cmd.SP()
			err = t.literal(in)
		case word == "URL":
			cmd.SP()
			err = t.url(in)
		default:
			return wire.SyntaxError("CATENATE takes TEXT and URL")
		}
		if err != nil {
			return err
		}
		if cmd.Err() != nil || cmd.Try(')') {
			return cmd.Err()
		}
		cmd.SP()
	}
}

// url takes in what a URL names.
func (t *taking) url(in *intake.Intake) error {
	s, cmd := t.s, t.cmd
	if cmd.Peek() == '{' && cmd.open {
		if err := t.more(len(s.line) - len(cmd.Rest())); err != nil {
			return err
		}
	}
	text := cmd.AString()
	if cmd.Err() != nil {
		return cmd.Err()
	}
	ctx, cancel := context.WithTimeout(s.ctx, storeTime)
	defer cancel()
	l, err := s.named(ctx, text)
	if err != nil {
		return s.fail(err)
	}
	defer l.close()
	if err := t.room(in.Size(), l.size); err != nil {
		return err
	}
	if _, err = in.Write(l.head); err == nil && l.r != nil {
		_, err = io.CopyN(in, l.r, l.size-int64(len(l.head)))
	}
	return s.fail(err)
}

// named opens what a URL names, as BODY.PEEK[] does.
func (s *session) named(ctx context.Context, text string) (*literal, error) {
	u, ok := wire.ParseURL(text)
	name := u.Mailbox
	if ok && u.Relative {
		if s.view == nil || s.view.account != s.account {
			return nil, badURL(text)
		}
		name = s.beside(u.Mailbox)
	}
	q := request{}
	if ok {
		section := &command{Parser: wire.NewParser([]byte("[" + u.Section + "]"))}
		q.section(section, true)
		ok = section.End() == nil
	}
	if !ok {
		return nil, badURL(text)
	}
	body := q.items[0].body
	if u.Cut {
		body.Partial = &imap.SectionPartial{Offset: u.Off, Size: u.Size}
		if u.Size == 0 {
			body.Partial.Size = math.MaxInt64
		}
	}
	c, err := s.content(ctx, name, &u)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, badURL(text)
	}
	m, err := s.open(*c)
	if err != nil {
		return nil, err
	}
	if len(body.Part) > 0 {
		if _, ok, err := m.part(ctx, body.Part, specOf(body.Specifier)); err != nil || !ok {
			if err == nil {
				err = badURL(text)
			}
			return nil, err
		}
	}
	return m.body(ctx, body)
}

// beside gives the name that a relative one means. As it is relative to
// imap://user@server/MAILBOX, one that isn't empty stands in the place of MAILBOX's last level.
func (s *session) beside(name string) string {
	box := s.view.now(s.view.account.State())
	if box == nil {
		return name
	}
	shown := s.view.shown(box.Name)
	if name == "" {
		return shown
	}
	return shown[:strings.LastIndexByte(shown, '/')+1] + name
}

// content gives what the message is made of that a URL names, nil if there is none.
func (s *session) content(ctx context.Context, name string, u *wire.URL) (*account.Content, error) {
	p, err := s.place(ctx, name)
	if err != nil {
		return nil, err
	}
	defer p.release()
	for fresh := false; ; fresh = true {
		if m := p.account.State().Mailbox(p.name); p.account.May(m, account.MayRead) == nil && (u.UIDValidity == 0 || u.UIDValidity == m.UIDValidity) {
			state, err := p.account.Load(ctx, m.ID)
			if err != nil {
				return nil, err
			}
			if m = state.MailboxByID(m.ID); m != nil {
				if i, ok := m.Find(u.UID); ok {
					list, err := p.account.Contents(ctx, []account.ContentRef{m.At(i).Content})
					if err != nil {
						return nil, err
					}
					return &list[0], nil
				}
			}
		}
		if fresh {
			return nil, nil
		}
		if err := p.account.Refresh(ctx); err != nil {
			return nil, err
		}
	}
}

// badURL is BADURL.
//
// RFC 4469, section 4.1: The BADURL response code contains the first URL specified as a parameter to the APPEND command that has caused the operation to fail.
func badURL(text string) error {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"\]`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return no("BADURL "+imap.ResponseCode(b.String()), "This names no message, or no part of one")
}
