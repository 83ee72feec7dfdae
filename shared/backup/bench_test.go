package backup_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/backup"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// BenchmarkRestore restores an account of 3,000 messages of 10 KB, of which an entry has ten.
func BenchmarkRestore(b *testing.B) {
	const messages = 3000
	s := newService(b)
	s.populate(b)
	a := s.open(b, "ann@one.test")
	for range messages / 10 {
		texts := make([]string, 10)
		for i := range texts {
			texts[i] = s.text(10_000)
		}
		s.put(b, a, "INBOX", texts...)
	}
	a.Close()
	at := folder(b)
	make1(b, s, at)
	for b.Loop() {
		from, err := backup.Open(b.Context(), at, 0)
		porttest.OK(b, err)
		out, err := from.Restore(b.Context(), newService(b).target(), backup.Choice{Account: "ann@one.test"}, nil)
		porttest.OK(b, err)
		if out.Accounts[0].Err != nil {
			b.Fatal(out.Accounts[0].Err)
		}
	}
	b.ReportMetric(messages*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkBackup backs up 300 MB of messages of 100 KB that can't be compressed, and beside it
// writes as many bytes to one file of the same disk, one after the other.
func BenchmarkBackup(b *testing.B) {
	const each, batches = 100_000, 300
	s := newService(b)
	s.populate(b)
	a := s.open(b, "ann@one.test")
	text := noise(b, each)
	for range batches {
		s.put(b, a, "INBOX", text, text, text, text, text, text, text, text, text, text)
	}
	a.Close()
	var ours, plain time.Duration
	var size int64
	block := bytes.Repeat([]byte(text), 16<<20/len(text))
	for b.Loop() {
		began := time.Now()
		run := make1(b, s, folder(b))
		ours += time.Since(began)
		size = run.Bytes
		began = time.Now()
		f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
		porttest.OK(b, err)
		for at := int64(0); at < size; at += int64(len(block)) {
			_, err = f.Write(block)
			porttest.OK(b, err)
		}
		porttest.OK(b, f.Sync())
		porttest.OK(b, f.Close())
		plain += time.Since(began)
	}
	b.ReportMetric(float64(size)*float64(b.N)/ours.Seconds()/1e6, "MB/s")
	b.ReportMetric(plain.Seconds()/ours.Seconds(), "of-sequential-writing")
}
