package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// systemFlags are the words for account.Flags, by bit.
var systemFlags = [...]string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`}

func viewFlags(m *account.Message) []string {
	flags := make([]string, 0, len(m.Words)+1)
	for i, word := range systemFlags {
		if m.Flags&(1<<i) != 0 {
			flags = append(flags, word)
		}
	}
	return append(flags, m.Words...)
}

// parseFlags reads what viewFlags writes, in any case. IMAP's \Recent means nothing here.
func parseFlags(list []string) (flags account.Flags, words []string, err error) {
next:
	for _, f := range list {
		for i, word := range systemFlags {
			if strings.EqualFold(f, word) {
				flags |= 1 << i
				continue next
			}
		}
		if strings.EqualFold(f, `\Recent`) {
			continue
		}
		if err := account.CheckKeyword(f); err != nil {
			return 0, nil, err
		}
		words = append(words, f)
	}
	return flags, words, nil
}

func uidPosition(of, cursor string) (uint32, error) {
	after, err := position(of, cursor)
	if err != nil || after == "" {
		return 0, err
	}
	uid, err := strconv.ParseUint(after, 10, 32)
	return uint32(uid), kinds.Wrap(kinds.Invalid, err, "api: a cursor")
}

// listMessages gives a page of a mailbox's messages, by rising UID.
func listMessages(ctx context.Context, a *account.Account, mailbox, of string, after uint32, limit int) (*list[Message], error) {
	m, err := loaded(ctx, a, mailbox)
	if err != nil {
		return nil, err
	}
	from, there := m.Find(after)
	if there {
		from++
	}
	var page []account.Message
	var refs []account.ContentRef
	for i := from; i < min(m.Len(), from+limit); i++ {
		msg := m.At(i)
		page, refs = append(page, msg), append(refs, msg.Content)
	}
	contents, err := a.Contents(ctx, refs)
	if err != nil {
		return nil, err
	}
	next := ""
	if from+limit < m.Len() {
		next = strconv.FormatUint(uint64(page[len(page)-1].UID), 10)
	}
	at := 0
	return fill(of, page, next, func(msg account.Message) Message {
		c := &contents[at]
		at++
		return Message{UID: msg.UID, Flags: viewFlags(&msg), Date: time.UnixMilli(msg.Date).UTC(), Size: msg.Size, EmailID: c.EmailID, ThreadID: c.Thread}
	}), nil
}

func (s *server) octets(api huma.API) {
	op := operation(http.MethodGet, "/v1/accounts/{address}/mailboxes/{mailbox}/messages/{uid}", "get-message", "Get a message's octets, or a range of them", http.StatusOK)
	op.Description = "A range is asked for as RFC 9110, section 14 has it. In a cloud that limits answers, a message of more than 4,000,000 octets can be had in ranges only."
	message := &huma.Response{Description: "The message, as it would be sent.", Content: map[string]*huma.MediaType{"message/rfc822": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	op.Responses = map[string]*huma.Response{"200": message, "206": message, "416": {Description: "It has no such range."},
		"default": {Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {
			Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")}}}}
	huma.Register(api, op, func(ctx context.Context, in *struct {
		MailboxPath
		UID   uint32 `path:"uid" minimum:"1"`
		Range string `header:"Range" doc:"bytes=FIRST-LAST"`
	}) (*huma.StreamResponse, error) {
		a, err := s.opened(ctx, in.Address)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		defer a.Close()
		c, err := contentOf(ctx, a, in.Mailbox, in.UID)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		size := c.Size()
		first, last, part := parseRange(in.Range, size)
		if part && first > last {
			return &huma.StreamResponse{Body: func(h huma.Context) {
				h.SetHeader("Content-Range", fmt.Sprintf("bytes */%d", size))
				h.SetStatus(http.StatusRequestedRangeNotSatisfiable)
			}}, nil
		}
		r, err := s.mail.Accounts.OpenMessage(ctx, c, first, last-first+1)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		// What can't be read at all is told as such; what breaks later ends short.
		body := bufio.NewReaderSize(r, 32<<10)
		if _, err := body.Peek(1); err != nil && err != io.EOF {
			r.Close()
			if kinds.Is(err, kinds.NotFound) { // the message is there, what it is made of is not
				err = kinds.Wrap(kinds.Corrupt, err, "api: a message")
			}
			return nil, s.problem(ctx, err)
		}
		return &huma.StreamResponse{Body: func(h huma.Context) {
			defer r.Close()
			h.SetHeader("Content-Type", "message/rfc822")
			h.SetHeader("Accept-Ranges", "bytes")
			h.SetHeader("Content-Length", strconv.FormatInt(last-first+1, 10))
			if part {
				h.SetHeader("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
				h.SetStatus(http.StatusPartialContent)
			}
			if _, err := io.Copy(h.BodyWriter(), body); err != nil {
				s.log.WarnContext(ctx, "a message's octets were cut off", "account", a.Ref().ID, "error", err)
			}
		}}, nil
	})
}

func contentOf(ctx context.Context, a *account.Account, mailbox string, uid uint32) (*account.Content, error) {
	m, err := loaded(ctx, a, mailbox)
	if err != nil {
		return nil, err
	}
	i, there := m.Find(uid)
	if !there {
		return nil, kinds.Errorf(kinds.NotFound, "api: no such message")
	}
	contents, err := a.Contents(ctx, []account.ContentRef{m.At(i).Content})
	if err != nil {
		return nil, err
	}
	return &contents[0], nil
}

// parseRange reads a range of octets, the last one included. What it doesn't understand,
// or several ranges at once, is the whole.
//
// RFC 9110, section 14.2: A server MAY ignore the Range header field.
func parseRange(header string, size int64) (first, last int64, part bool) {
	whole := size - 1
	from, to, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	if !ok || !strings.HasPrefix(header, "bytes=") {
		return 0, whole, false
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first < 0 {
		return 0, whole, false
	}
	last = whole
	if to != "" {
		if last, err = strconv.ParseInt(to, 10, 64); err != nil || last < first {
			return 0, whole, false
		}
	}
	return first, min(last, whole), true
}
