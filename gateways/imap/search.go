package imap

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/shared/account"
)

const (
	searchTime     = 5 * time.Minute
	maxSearchDepth = 100  // of NOT and OR
	maxSearchTerms = 1000 // queries within a query
	maxSearchTexts = 64   // texts looked for in headers and bodies
)

// Search is SEARCH and UID SEARCH. What flags, dates and sizes decide is decided first,
// for the whole mailbox; then what needs summaries; and only what is still open reads
// messages.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (*imap.SearchData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view
	ctx, cancel := context.WithTimeout(s.ctx, searchTime)
	defer cancel()
	var terms budget
	q, err := v.compile(criteria, 0, &terms)
	if err == nil {
		var found []uint32
		if found, err = s.search(ctx, q); err == nil {
			return v.result(kind, found, options), nil
		}
	}
	if options.ReturnSave {
		// RFC 5182, section 2.1: a SEARCH command with the SAVE result option that caused the server to return the NO tagged response sets the value of the search result variable to the empty sequence
		v.saved = nil
	}
	return nil, s.fail(err)
}

// search gives the UIDs of the messages that match.
func (s *session) search(ctx context.Context, q *query) ([]uint32, error) {
	now := s.account.State().MailboxByID(s.view.id)
	if now == nil {
		return nil, nil
	}
	var found []uint32
	var open []account.Message
	for _, uid := range s.view.uids {
		i, ok := now.Find(uid)
		if !ok {
			continue
		}
		msg := now.At(i)
		verdict, err := q.judge(ctx, &msg, nil)
		switch {
		case err != nil:
			return nil, err
		case verdict == yes:
			found = append(found, uid)
		case verdict == unknown:
			open = append(open, msg)
		}
	}
	for len(open) > 0 {
		n := min(len(open), fetchBatch)
		more, err := s.searchContents(ctx, q, open[:n])
		if err != nil {
			return nil, err
		}
		found, open = append(found, more...), open[n:]
	}
	return sortUIDs(found), nil
}

// searchContents judges messages by what is in them.
func (s *session) searchContents(ctx context.Context, q *query, list []account.Message) (found []uint32, err error) {
	refs := make([]account.ContentRef, len(list))
	for i := range list {
		refs[i] = list[i].Content
	}
	contents, err := s.account.Contents(ctx, refs)
	if err != nil {
		return nil, err
	}
	for i := range list {
		m, err := s.load(contents[i])
		if err != nil {
			return nil, err
		}
		verdict, err := q.judge(ctx, &list[i], m)
		if err != nil {
			return nil, err
		}
		if verdict == yes {
			found = append(found, list[i].UID)
		}
	}
	return found, nil
}

// result makes the response, and keeps what SAVE asks for.
//
// RFC 5182, section 2.4 says what is kept when SAVE stands with MIN and MAX.
func (v *view) result(kind imapserver.NumKind, found []uint32, o *imap.SearchOptions) *imap.SearchData {
	if o.ReturnSave {
		v.saved = found
		if n := len(found); n > 0 && (o.ReturnMin || o.ReturnMax) && !o.ReturnAll && !o.ReturnCount {
			v.saved = nil
			if o.ReturnMin {
				v.saved = append(v.saved, found[0])
			}
			if o.ReturnMax && (n > 1 || !o.ReturnMin) {
				v.saved = append(v.saved, found[n-1])
			}
		}
	}
	nums := found
	data := &imap.SearchData{Count: uint32(len(found))}
	if kind == imapserver.NumKindUID {
		data.All = uidSet(found)
	} else {
		nums = make([]uint32, len(found))
		for i, uid := range found {
			nums[i] = v.seq(uid)
		}
		data.All = seqSet(nums)
	}
	if len(nums) > 0 {
		data.Min, data.Max = nums[0], nums[len(nums)-1]
	}
	return data
}
