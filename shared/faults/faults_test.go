package faults_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
)

// counts is a journal whose appends are counted by operation, and that does nothing else.
type counts struct {
	journal.Driver
	appended []string
}

func (c *counts) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	c.appended = append(c.appended, e.Op)
	return nil
}

func (c *counts) Last(ctx context.Context, p journal.Partition) (journal.Entry, error) {
	return journal.Entry{Seq: uint64(len(c.appended))}, nil
}

func TestEachModeDoesToTheNthCallWhatItSays(t *testing.T) {
	for _, test := range []struct {
		mode  faults.Mode
		fails bool
		done  string // after calls a, b (the faulty one) and c for the same partition
	}{
		{faults.None, false, "[a b c]"},
		{faults.FailBefore, true, "[a c]"},
		{faults.FailAfter, true, "[a b c]"},
		{faults.Repeat, false, "[a b b c]"},
		{faults.LateBefore, true, "[a b c]"},
		{faults.LateAfter, true, "[a c b]"},
	} {
		t.Run(test.mode.String(), func(t *testing.T) {
			c, plan := &counts{}, faults.Nth(2, test.mode)
			d := faults.Journal(c, plan)
			for _, op := range []string{"a", "b", "c"} {
				err := d.Append(t.Context(), "p", journal.Entry{Seq: 1, Op: op})
				if op == "b" && test.fails {
					porttest.Kind(t, err, kinds.Unavailable)
				} else {
					porttest.OK(t, err)
				}
			}
			if got := fmt.Sprint(c.appended); got != test.done {
				t.Errorf("done %v, want %v", got, test.done)
			}
			if got := plan.Calls(); !slices.Equal(got, []string{"journal.Append", "journal.Append", "journal.Append"}) {
				t.Errorf("calls %v", got)
			}
		})
	}
}

func TestWhatIsLateWaitsForACallOfItsOwnPartition(t *testing.T) {
	c, plan := &counts{}, faults.First("journal.Append", faults.LateBefore)
	d := faults.Journal(c, plan)
	porttest.Kind(t, d.Append(t.Context(), "p", journal.Entry{Op: "late"}), kinds.Unavailable)
	porttest.OK(t, d.Append(t.Context(), "other", journal.Entry{Op: "a"}))
	if last, err := d.Last(t.Context(), "p"); err != nil || last.Seq != 2 {
		t.Errorf("the next look at the partition sees %d, %v", last.Seq, err)
	}
	if got := fmt.Sprint(c.appended); got != "[a late]" {
		t.Errorf("done %v", got)
	}

	c = &counts{}
	plan = faults.First("journal.Append", faults.LateAfter)
	porttest.Kind(t, faults.Journal(c, plan).Append(t.Context(), "p", journal.Entry{Op: "late"}), kinds.Unavailable)
	plan.Settle()
	plan.Settle()
	if got := fmt.Sprint(c.appended); got != "[late]" {
		t.Errorf("after settling, done %v", got)
	}
}

func TestAPlanCountsTheCallsOfAllPortsThatShareIt(t *testing.T) {
	plan := faults.Nth(3, faults.FailBefore)
	j, n := faults.Journal(&counts{}, plan), faults.Notify(inprocess.New(), plan)
	porttest.OK(t, j.Append(t.Context(), "p", journal.Entry{Op: "a"}))
	l, err := n.Listen(t.Context())
	porttest.OK(t, err)
	_, err = j.Last(t.Context(), "p")
	porttest.Kind(t, err, kinds.Unavailable)
	porttest.OK(t, l.Close())
	if got := fmt.Sprint(plan.Calls()); got != "[journal.Append notify.Listen journal.Last]" {
		t.Errorf("calls %v", got)
	}
}

func TestResultsOfALostReplyAreLost(t *testing.T) {
	db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "x.db"))
	porttest.OK(t, err)
	defer db.Close()
	real, err := sqlite.New(db, time.Now)
	porttest.OK(t, err)
	porttest.OK(t, real.Append(t.Context(), "p", journal.Entry{Seq: 1, Op: "a"}))
	d := faults.Journal(real, faults.First("journal.Read", faults.FailAfter))
	got, more, err := d.Read(t.Context(), "p", 0, 10)
	porttest.Kind(t, err, kinds.Unavailable)
	if got != nil || more {
		t.Errorf("got %v, %v in spite of the error", got, more)
	}
	got, _, err = d.Read(t.Context(), "p", 0, 10)
	if err != nil || len(got) != 1 {
		t.Errorf("the next read gives %v, %v", got, err)
	}
}

// bodies is a blob store of one object that counts what is open.
type bodies struct {
	blob.Driver
	put  string
	open int
}

func (b *bodies) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	got, err := io.ReadAll(io.NewSectionReader(body, 0, size))
	b.put = string(got)
	return err
}

func (b *bodies) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	b.open++
	return closer{strings.NewReader(b.put), b}, nil
}

type closer struct {
	io.Reader
	b *bodies
}

func (c closer) Close() error { c.b.open--; return nil }

func TestReadersThatNobodyGetsAreClosed(t *testing.T) {
	for _, mode := range faults.Modes() {
		b := &bodies{}
		plan := faults.First("blob.Open", mode)
		r, err := faults.Blob(b, plan).Open(t.Context(), "a", 0, -1)
		if err == nil {
			porttest.OK(t, r.Close())
		}
		if plan.Settle(); b.open != 0 {
			t.Errorf("%v leaves %d readers open", mode, b.open)
		}
	}
}

func TestALatePutStoresWhatTheBodyWas(t *testing.T) {
	b, plan := &bodies{}, faults.First("blob.Put", faults.LateAfter)
	body := []byte("the message")
	porttest.Kind(t, faults.Blob(b, plan).Put(t.Context(), "a", strings.NewReader(string(body)), int64(len(body))), kinds.Unavailable)
	if clear(body); b.put != "" {
		t.Errorf("stored %q at once", b.put)
	}
	if plan.Settle(); b.put != "the message" {
		t.Errorf("stored %q", b.put)
	}
}
