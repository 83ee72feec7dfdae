package quota

import (
	"context"
	"io"
	"log/slog"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestWhichMarkIsCrossed(t *testing.T) {
	bytes := account.Quota{Bytes: 1000}
	for _, c := range []struct {
		quota         account.Quota
		before, after account.Totals
		mark          int64
	}{
		{bytes, account.Totals{Bytes: 0}, account.Totals{Bytes: 799}, 0},
		{bytes, account.Totals{Bytes: 799}, account.Totals{Bytes: 800}, 80},
		{bytes, account.Totals{Bytes: 800}, account.Totals{Bytes: 949}, 0}, // once
		{bytes, account.Totals{Bytes: 949}, account.Totals{Bytes: 950}, 95},
		{bytes, account.Totals{Bytes: 10}, account.Totals{Bytes: 5000}, 95}, // one message for both
		{bytes, account.Totals{Bytes: 950}, account.Totals{Bytes: 5000}, 0},
		{account.Quota{Messages: 1}, account.Totals{}, account.Totals{Messages: 1}, 95},
		{account.Quota{Messages: 7}, account.Totals{Messages: 5}, account.Totals{Messages: 6}, 80},
		{account.Quota{Bytes: 1000, Messages: 10}, account.Totals{Bytes: 1, Messages: 7}, account.Totals{Bytes: 2, Messages: 8}, 80},
		{account.Quota{Bytes: 1 << 62}, account.Totals{Bytes: 1}, account.Totals{Bytes: 1 << 62}, 95},
		{account.Quota{}, account.Totals{}, account.Totals{Bytes: 1 << 62}, 0},
	} {
		if got := crossed(c.quota, c.before, c.after); got != c.mark {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// blobs keeps one blob; it fails while it is full.
type blobs struct {
	blob.Driver
	puts int
	text string
	full bool
}

func (b *blobs) Put(_ context.Context, name string, body io.ReaderAt, size int64) error {
	if b.full {
		return kinds.Errorf(kinds.Unavailable, "no disk")
	}
	b.puts++
	text := make([]byte, size)
	_, err := body.ReadAt(text, 0)
	b.text = string(text)
	return err
}

func (b *blobs) Open(_ context.Context, _ string, off, n int64) (io.ReadCloser, error) {
	rest := b.text[off:]
	if n >= 0 {
		rest = rest[:n]
	}
	return io.NopCloser(strings.NewReader(rest)), nil
}

func TestAWarningIsWrittenOnceForAnEntry(t *testing.T) {
	clock, kept := porttest.NewClock(), &blobs{}
	w := Warner{Blobs: blob.Store{Driver: kept}, Now: clock.Now, Log: slog.New(slog.DiscardHandler)}
	ref := account.Ref{ID: "ann", Epoch: 1, Tenant: "one"}
	warn := w.Of(ref, "ann@one.test", account.Quota{Bytes: 5 << 30, Messages: 1000})
	low, high := account.Totals{Bytes: 1 << 30, Messages: 100}, account.Totals{Bytes: 4<<30 + 1<<29, Messages: 101}
	if warn(t.Context(), low, low) != nil || kept.puts != 0 {
		t.Error("it warns of nothing")
	}
	kept.full = true
	if warn(t.Context(), low, high) != nil {
		t.Error("a warning that was not stored")
	}
	kept.full = false
	first := warn(t.Context(), low, high)
	if again := warn(t.Context(), low, high); first == nil || again != first || kept.puts != 1 {
		t.Fatalf("%d blobs for an entry that is made anew", kept.puts)
	}
	r, err := w.Blobs.Open(t.Context(), first.Content.Blob, 0, -1)
	porttest.OK(t, err)
	m, err := mail.ReadMessage(io.MultiReader(strings.NewReader(string(first.Content.Head)), r))
	porttest.OK(t, err)
	for name, want := range map[string]string{"Return-Path": "<>", "From": "Postmaster <postmaster@one.test>", "To": "<ann@one.test>",
		"Subject": "Your mailbox is 80 % full", "Auto-Submitted": "auto-generated"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if at, err := m.Header.Date(); err != nil || !at.Equal(clock.Now().Truncate(time.Second)) {
		t.Errorf("%v, %v", at, err)
	}
	body, err := io.ReadAll(m.Body)
	porttest.OK(t, err)
	if !strings.Contains(string(body), "4.5 GiB of 5 GiB, 101 of 1000 messages") {
		t.Errorf("%s", body)
	}
	if w.Of(ref, "ann@one.test", account.Quota{}) != nil {
		t.Error("it warns of no quota")
	}
}
