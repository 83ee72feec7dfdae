package sqlitedb_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	jsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	qsqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
)

// BenchmarkDelivery is what the ports see of mails of 25 KB that come in on 20
// connections for 1,000 accounts: one put and one send for each, then a receive for ten,
// a look at the last entry, an append and a delete.
func BenchmarkDelivery(b *testing.B) {
	for _, way := range []struct {
		name         string
		split, blobs bool
	}{{"one database", false, true}, {"queue apart", true, true}, {"one database, no blobs", false, false}, {"queue apart, no blobs", true, false}} {
		b.Run(way.name, func(b *testing.B) { benchmarkDelivery(b, way.split, way.blobs) })
	}
}

func benchmarkDelivery(b *testing.B, split, blobs bool) {
	const senders, workers, accounts = 20, 4, 1000
	ctx, dir := context.Background(), b.TempDir()
	open := func(name string) *sqlitedb.DB {
		db, err := sqlitedb.Open(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { db.Close() })
		return db
	}
	db := open("godwit.db")
	qdb := db
	if split {
		qdb = open("queue.db")
	}
	j, err := jsqlite.New(db, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	q, err := qsqlite.New(qdb, qsqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	layer, err := files.New(filepath.Join(dir, "blobs"), files.OS{})
	if err != nil {
		b.Fatal(err)
	}
	store := blob.Store{Driver: layer}
	mail, job, entry := make([]byte, 25<<10), make([]byte, 2<<10), make([]byte, 1<<10)
	var seq, delivered atomic.Int64
	total := int64(b.N)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for n := seq.Add(1); n <= total; n = seq.Add(1) {
				if blobs {
					if _, err := store.Put(ctx, blob.NewName("t", time.Now()), blob.Header{Owners: []string{"a"}}, bytes.NewReader(mail), int64(len(mail))); err != nil {
						b.Error(err)
					}
				}
				if err := q.Send(ctx, queue.Deliver, queue.Message{Group: "t", Body: append(fmt.Appendf(nil, "%06d ", n%accounts), job...)}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for range workers {
		wg.Go(func() {
			for delivered.Load() < total {
				got, err := q.Receive(ctx, queue.Deliver, queue.MaxBatch, 50*time.Millisecond, time.Minute)
				if err != nil {
					b.Error(err)
				}
				var batch sync.WaitGroup
				for _, r := range got {
					batch.Go(func() {
						p := journal.Partition(r.Body[:6])
						for {
							last, err := j.Last(ctx, p)
							if err != nil && !kinds.Is(err, kinds.NotFound) {
								b.Error(err)
							}
							err = j.Append(ctx, p, journal.Entry{Seq: last.Seq + 1, Op: r.ID, Data: entry})
							if err == nil {
								break
							}
							if !kinds.Is(err, kinds.Conflict) {
								b.Error(err)
								return
							}
						}
						if _, err := j.Watchers(ctx, p); err != nil {
							b.Error(err)
						}
						if err := q.Delete(ctx, queue.Deliver, r.Receipt); err != nil {
							b.Error(err)
						}
						delivered.Add(1)
					})
				}
				batch.Wait()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	if err := db.Check(ctx); err != nil {
		b.Error(err)
	}
}
