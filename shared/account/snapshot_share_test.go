package account

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal/sqlite"
)

// used is the processor time of this process.
func used(t testing.TB) time.Duration {
	var r syscall.Rusage
	porttest.OK(t, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// What snapshots take of the processor, with all that follows from them, for each mail that
// is delivered: accounts with them and others without get the same in turn, again and again,
// and the least that a step takes counts.
func BenchmarkWhatCompactionTakesOfDelivery(b *testing.B) {
	w := newWorld(b)
	db, err := sqlitedb.Open(filepath.Join(b.TempDir(), "journal.db"))
	porttest.OK(b, err)
	defer db.Close()
	w.journal, err = sqlite.New(db, w.clock.Now)
	porttest.OK(b, err)
	disk, err := files.New(b.TempDir(), files.OS{})
	porttest.OK(b, err)
	s := New(Config{Journal: w.journal, Now: w.clock.Now, Blobs: blob.Store{Driver: disk}, Log: w.log})
	const accounts, steps = 5, 18
	var least [2][steps]time.Duration
	mails := 0
	step := func(refs []Ref, compacted bool) time.Duration {
		runtime.GC()
		before := used(b)
		for _, ref := range refs {
			for range compactEvery {
				_, err := s.Deliver(context.Background(), ref, DontSearch, by, []Add{typicalDelivery(fmt.Sprint(mails))})
				porttest.OK(b, err)
				mails++
			}
			if compacted {
				_, err := s.Compact(context.Background(), ref, false)
				porttest.OK(b, err)
			}
		}
		runtime.GC()
		return used(b) - before
	}
	for pass := 0; b.Loop(); pass++ {
		var refs [2][]Ref
		for k := range refs {
			for i := range accounts {
				ref := Ref{ID: ID(fmt.Sprintf("account%d-%d-%d", k, pass, i)), Epoch: 1, Tenant: "t1"}
				porttest.OK(b, s.Create(context.Background(), ref, by))
				refs[k] = append(refs[k], ref)
			}
		}
		for i := range steps {
			for k := range refs {
				if took := step(refs[k], k == 1); pass == 0 || took < least[k][i] {
					least[k][i] = took
				}
			}
		}
	}
	var sums [2]float64
	for k := range least {
		for _, took := range least[k] {
			sums[k] += float64(took.Microseconds()) / (steps * accounts * compactEvery)
		}
	}
	b.ReportMetric(sums[0], "cpu-µs/mail")
	b.ReportMetric(sums[1]-sums[0], "compaction-µs/mail")
}
