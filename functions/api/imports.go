package api

import (
	"bytes"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Begun is the state of an account's imports.
type Begun struct {
	Seen         uint64 `json:"seen" doc:"To be sent with the first messages."`
	MaxRequest   int64  `json:"max_request" doc:"Octets of a request with messages, or of a part of a message."`
	MaxMessages  int    `json:"max_messages" doc:"Messages in a request."`
	MaxMessage   int64  `json:"max_message" doc:"Octets of a message."`
	Quota        int64  `json:"quota" doc:"Bytes that the account may hold; 0 is any amount."`
	MessageQuota int64  `json:"message_quota" doc:"Messages that it may hold; 0 is any number."`
	Usage        Usage  `json:"usage"`
}

// Added tells what became of messages that were sent.
type Added struct {
	Seen     uint64   `json:"seen" doc:"To be sent with the next messages."`
	Messages []Ended  `json:"messages" nullable:"false" doc:"In the order in which they came."`
	Full     bool     `json:"full" doc:"Whether messages were refused since there is no room for them."`
	Others   []string `json:"others" nullable:"false" doc:"Names of messages that somebody else has added meanwhile."`
}

// Ended tells what became of one message.
type Ended struct {
	Name   string `json:"name"`
	State  string `json:"state" enum:"imported,present,refused"`
	Reason string `json:"reason,omitempty" doc:"Why it was refused."`
}

func (s *server) index() index { return index{s.records, s.mail.Accounts} }

func (s *server) imports(api huma.API) {
	huma.Register(api, operation(http.MethodPost, "/v1/accounts/{address}/imports", "begin-import", "Make ready to add messages to an account", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*one[Begun], error) {
			a, err := s.mailOf(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			limits, err := s.dir.AccountSettings(ctx, a)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			seen, err := s.index().complete(ctx, a.Ref)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			use, err := s.dir.Usage(ctx, a)
			return shown(ctx, s, "", Begun{Seen: seen, MaxRequest: maxBatch, MaxMessages: maxMessages, MaxMessage: maxMessage,
				Quota: limits.Account.Bytes, MessageQuota: limits.Account.Messages, Usage: Usage(use)}, err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/imports", "list-imported", "List the names of all messages that were ever added to an account by imports", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			Cursor string `query:"cursor" maxLength:"1500" doc:"Where the page before ended: its next."`
		}) (*list[string], error) {
			a, err := s.mailOf(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			after, err := position("imports/"+in.Address, in.Cursor)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			found, next, err := s.index().page(ctx, a.Ref, after)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return fill("imports/"+in.Address, split(found), next, names.EncodeToString), nil
		})

	add := operation(http.MethodPost, "/v1/accounts/{address}/messages", "add-messages", "Add messages to an account, each at most once", http.StatusOK)
	add.MaxBodyBytes = maxBatch + 1 // the guard has the limit
	add.Description = "The body is, for each message, a line of JSON and then as many octets as its size says, with CRLF line ends:\n\n" +
		"    {\"name\":\"AAECAwQFBgcICQoL\",\"mailbox\":\"INBOX\",\"flags\":[\"\\\\Seen\"],\"date\":\"2026-11-25T08:47:31Z\",\"size\":1234}\n\n" +
		"A name is 12 octets in base64url. Of messages that have one name, the account gets one, whatever becomes of it there. " +
		"That holds where what was answered last is sent as seen, and what was asked is asked again as it was after an error. " +
		"Instead of a size there may be parts, in order, of a message that was sent before."
	huma.Register(api, add, func(ctx context.Context, in *struct {
		AccountPath
		Seen    uint64 `query:"seen" required:"true" doc:"As it was answered last."`
		RawBody []byte `contentType:"application/vnd.godwit.messages"`
	}) (*one[Added], error) {
		r, err := s.add(ctx, in.Address, in.Seen, in.RawBody)
		return shown(ctx, s, "", r, err)
	})

	part := operation(http.MethodPost, "/v1/accounts/{address}/parts", "add-part", "Send a part of a message that is too large for one request", http.StatusOK)
	part.MaxBodyBytes = maxBatch + 1 // the guard has the limit
	part.Description = "It is kept for a day at least."
	huma.Register(api, part, func(ctx context.Context, in *struct {
		AccountPath
		RawBody []byte `contentType:"application/vnd.godwit.messages"`
	}) (*one[Part], error) {
		a, err := s.mailOf(ctx, in.Address)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		ref, err := s.mail.Blobs.Put(ctx, blob.NewName(a.Ref.Tenant, s.now()), blob.Header{Owners: []string{partOwner(a.Ref)}}, bytes.NewReader(in.RawBody), int64(len(in.RawBody)))
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		text, err := formatPart(ref)
		return shown(ctx, s, "", Part{text}, err)
	})
}

// Part is a part of a message.
type Part struct {
	Part string `json:"part" doc:"To be named among the message's parts."`
}

// add does one request that adds messages.
func (s *server) add(ctx context.Context, address string, seen uint64, body []byte) (answer Added, err error) {
	who, err := s.mailOf(ctx, address)
	if err != nil {
		return answer, err
	}
	select {
	case s.transfers <- struct{}{}:
		defer func() { <-s.transfers }()
	case <-ctx.Done():
		return answer, kinds.Wrap(kinds.Unavailable, ctx.Err(), "api: wait for other imports")
	}
	limits, err := s.dir.AccountSettings(ctx, who)
	if err != nil {
		return answer, err
	}
	open, err := s.mail.Accounts.Open(ctx, who.Ref)
	if err != nil {
		return answer, err
	}
	state := open.State()
	open.Close()
	if seen > state.Seq() {
		return answer, kinds.Errorf(kinds.Invalid, "api: seen is no number that was answered")
	}
	list, err := parseBatch(body, state)
	if err != nil {
		return answer, err
	}
	a := &appending{server: s, who: who, by: account.By{Actor: scope(ctx).Actor, Protocol: account.Import}, limits: limits,
		warn: s.warner(who, limits), list: list, index: s.index(), seen: seen, present: nameSet{}}
	err = a.run(ctx)
	a.counted(ctx)
	if err != nil {
		return answer, err
	}
	own := nameSet{}
	answer = Added{Seen: a.seen, Messages: make([]Ended, len(list)), Full: a.full != nil, Others: []string{}}
	for i, m := range list {
		own[[account.NameSize]byte(m.add.Name)] = struct{}{}
		answer.Messages[i] = Ended{Name: names.EncodeToString(m.add.Name), State: m.state}
		if m.refused != nil {
			answer.Messages[i].Reason = m.refused.Error()
		}
	}
	for _, name := range split(a.found) {
		if !own.has(name) {
			answer.Others = append(answer.Others, names.EncodeToString(name))
		}
	}
	return answer, nil
}

// split takes names apart that stand one after the other.
func split(all []byte) (list [][]byte) {
	for ; len(all) >= account.NameSize; all = all[account.NameSize:] {
		list = append(list, all[:account.NameSize])
	}
	return list
}
