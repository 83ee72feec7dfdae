package imap

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// listMail makes n messages as a mailing list has them: threads of about ten. All of them have
// one blob, of which only the summaries are looked at.
func (w *world) listMail(n int) {
	w.t.Helper()
	text := func(i int) string {
		subject, refs := fmt.Sprintf("[list] Question %05d about things", i%(n/10+1)), ""
		if up := i - (n/10 + 1); up >= 0 {
			subject = "Re: " + subject
			refs = fmt.Sprintf("In-Reply-To: <%07d.msg@mail.example.net>\r\nReferences: <%07d.msg@mail.example.net>\r\n <%07[1]d.msg@mail.example.net>\r\n", up, up%(n/10+1))
		}
		return fmt.Sprintf("From: \"Author %03d\" <author%03[1]d@mail%02d.example.net>\r\nTo: list@example.net\r\nCc: someone%02d@example.net\r\nSubject: %s\r\nDate: %s\r\n"+
			"Message-ID: <%07d.msg@mail.example.net>\r\n%s\r\nbody of the message\r\n", i%500, i%50, i%90, subject,
			time.Unix(1_600_000_000+int64(i*7919%n)*60, 0).UTC().Format(time.RFC1123Z), i, refs)
	}
	first := text(n - 1)
	ref, err := w.blobs.Put(w.t.Context(), blob.NewName("demo", time.Now()), blob.Header{}, strings.NewReader(first), int64(len(first)))
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.open()
	for at := 0; at < n; at += 400 {
		var adds []account.NewMessage
		for i := at; i < min(at+400, n); i++ {
			sc := message.NewScanner()
			body := text(i)
			_, _ = sc.Write([]byte(body + strings.Repeat(" ", len(first)-len(body))))
			sum := sc.Finish()
			adds = append(adds, account.NewMessage{Content: account.Content{Head: []byte("Return-Path: <list-bounces@example.net>\r\n"), Blob: ref, Summary: sum.Encode()},
				Date: 1_600_000_000_000 + int64(i)*60_000, Thread: account.ThreadID(w.id.Account, sum.Thread.Root, "", nil)})
		}
		if _, _, err := a.Append(w.t.Context(), account.By{}, "INBOX", adds, account.Room{}); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := w.store.Compact(w.t.Context(), w.id.Account, true); err != nil {
		w.t.Fatal(err)
	}
}

// BenchmarkSortOf100000 is what the first command finds, which reads all summaries from the
// snapshot, and what those after it find.
func BenchmarkSortOf100000(b *testing.B) {
	w := newWorld(b)
	w.listMail(100_000)
	r := benchClient(b, w)
	r.run(b, "SELECT INBOX")
	for _, command := range []string{"SORT (SUBJECT) UTF-8 ALL", "SORT (REVERSE DATE) UTF-8 ALL", "SORT (ARRIVAL) UTF-8 ALL", "SORT (FROM SUBJECT DATE) UTF-8 ALL",
		"THREAD REFERENCES UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL", "SEARCH ALL", "SEARCH FROM author123", "SORT RETURN (COUNT PARTIAL 1:50) (REVERSE DATE) UTF-8 ALL"} {
		for _, kind := range []string{"first", "again"} {
			b.Run(command+"/"+kind, func(b *testing.B) {
				r.run(b, command)
				before := cpu()
				for b.Loop() {
					if kind == "first" {
						w.gateway.columns = newColumnCache()
					}
					r.run(b, command)
				}
				b.ReportMetric(float64((cpu()-before).Milliseconds())/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

// BenchmarkSearchText reads 1,000 messages of 25 KB: with one reader and with all of them, from
// files and from a store that answers after 2 ms.
func BenchmarkSearchText(b *testing.B) {
	w := newWorld(b)
	line := strings.Repeat("words that nobody looks for ", 3) + "\r\n"
	for i := range 1000 {
		w.deliver("", fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat(line, 290)))
	}
	r := benchClient(b, w)
	r.run(b, "SELECT INBOX")
	slow := func(context.Context) error {
		time.Sleep(2 * time.Millisecond)
		return nil
	}
	for _, store := range []string{"files", "slow"} {
		for _, readers := range []int{1, gatewayReaders} {
			b.Run(fmt.Sprintf("%s/%d", store, min(readers, searchReaders)), func(b *testing.B) {
				w.gateway.readers = make(chan struct{}, readers)
				if store == "slow" {
					w.reads.hold.Store(&slow)
				}
				b.SetBytes(25_000_000)
				for b.Loop() {
					r.run(b, "SEARCH TEXT needle")
				}
				w.reads.hold.Store(nil)
			})
		}
	}
}

// cpu is the processor time that the process has taken, which other load doesn't change.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
