//go:build !localstack

package service_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

// held is a queue that hands out nothing: what is sent stays.
type held struct{ queue.Driver }

func (held) Receive(ctx context.Context, _ string, _ int, wait, _ time.Duration) ([]queue.Received, error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return nil, nil
}

const send = `
s: connect smtp
s<... 220
s-> EHLO client.test
s<* ^250 
s-> MAIL FROM:<sender@elsewhere.test>
s<... 250
s-> RCPT TO:<alice@demo.test>
s<... 250
s-> DATA
s<... 354
s-> Subject: kept
s->
s-> body
s-> .
s<... 250
`

// A mail that was told 250 outlives a stop before its delivery, and sessions are told
// that it is over.
func TestADrainSaysGoodbyeAndLosesNothing(t *testing.T) {
	w := world.Start(t, world.Config{Options: serve.Options{Decorators: ports.Decorators{
		Queue: func(q queue.Driver) queue.Driver { return held{q} },
	}}})
	if err := dialog.Play("send", send, w.Dialog()); err != nil {
		t.Fatal(err)
	}
	idle := map[string]*session{
		"421 4.3.2": open(t, w, "smtp", "220", "EHLO client.test", "250 "),
		"* BYE":     open(t, w, "imaps", "* OK", "a LOGIN "+world.Alice+` "`+world.Password+`"`, "a OK"),
		"":          open(t, w, "pop3s", "+OK", "NOOP", "-ERR"),
	}
	w.Stop()
	for goodbye, s := range idle {
		rest, err := io.ReadAll(s.in)
		if err != nil {
			t.Errorf("%q: %v", goodbye, err)
		}
		if !strings.HasPrefix(string(rest), goodbye) {
			t.Errorf("at the end stood %q, want %q", rest, goodbye)
		}
	}
	if c, err := w.Dial(t.Context(), "smtp"); err == nil {
		c.Close()
		t.Error("a stopped service still accepts connections")
	}
	again := world.Start(t, world.Config{Data: w.Data})
	if err := dialog.Play("read", inMailbox, again.Dialog()); err != nil {
		t.Error(err)
	}
}
