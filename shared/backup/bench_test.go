package backup_test

import (
	"testing"

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
