package service_test

import (
	"io"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/godwit-mail/godwit/tests/world"
)

// mailbox gives all messages in the user's INBOX.
func mailbox(t *testing.T, w *world.World, user string) []string {
	t.Helper()
	return mailboxOf(t, w, user, "INBOX")
}

// mailboxOf gives all messages in one of the user's mailboxes.
func mailboxOf(t *testing.T, w *world.World, user, name string) (messages []string) {
	t.Helper()
	c := loginIMAP(t, w, user)
	defer c.Close()
	box, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if box.NumMessages == 0 {
		return nil
	}
	fetch := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	for m := fetch.Next(); m != nil; m = fetch.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			if section, ok := item.(imapclient.FetchItemDataBodySection); ok {
				b, err := io.ReadAll(section.Literal)
				if err != nil {
					t.Fatal(err)
				}
				messages = append(messages, string(b))
			}
		}
	}
	if err := fetch.Close(); err != nil {
		t.Fatal(err)
	}
	return messages
}
