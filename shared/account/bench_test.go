package account

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// typical is mail from a list: the kind that people get most of.
const typical = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=lists.example.org; s=mail1;\r\n" +
	"\th=from:to:subject:date:message-id; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" +
	"\tb=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB4nujc7YopdG5dWLSdNg6x\r\n" +
	"Date: Fri, 21 Mar 2031 11:55:06 -0600\r\n" +
	"From: \"Kim Example via Developers\" <developers@lists.example.org>\r\n" +
	"Reply-To: Kim Example <kim.example@mail.example.com>\r\n" +
	"To: \"Developers of the example project\" <developers@lists.example.org>\r\n" +
	"Cc: Joe Q. Public <john.q.public@example.com>\r\n" +
	"Subject: Re: [developers] A proposal for the next release and its schedule\r\n" +
	"Message-ID: <CAGp+u7b2zQk0Xn5rW9h3c8Y1e6TqFzD4vLxKjM@mail.example.com>\r\n" +
	"In-Reply-To: <7f3a9c1e-5b2d-4e8a-9c6f-1d2e3f4a5b6c@example.net>\r\n" +
	"References: <7f3a9c1e-5b2d-4e8a-9c6f-1d2e3f4a5b6c@example.net>\r\n" +
	"List-Id: <developers.lists.example.org>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/alternative; boundary=\"000000000000a1b2c3d4e5f60718\"\r\n" +
	"\r\n" +
	"--000000000000a1b2c3d4e5f60718\r\n" +
	"Content-Type: text/plain; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Hello all, I have read the proposal and I agree with most of it. What I would like to see is a longer time for tests," +
	" so that those who package it have a chance to find what breaks. The rest can follow later.\r\n\r\n" +
	"--000000000000a1b2c3d4e5f60718\r\n" +
	"Content-Type: text/html; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"<p>Hello all, I have read the proposal.</p>\r\n--000000000000a1b2c3d4e5f60718--\r\n"

const typicalHead = "Return-Path: <developers-bounces@lists.example.org>\r\nDelivered-To: joe@demo.example\r\n" +
	"Received: from mail1.lists.example.org (mail1.lists.example.org [192.0.2.17])\r\n\tby mx.demo.example with ESMTPS id abcdefghijklmnop\r\n" +
	"\t(version=TLS1.3); Fri, 21 Mar 2031 17:55:09 +0000\r\n"

func typicalDelivery(name string) Add {
	s := message.NewScanner()
	_, _ = s.Write([]byte(typical))
	sum := s.Finish()
	return Add{Mailbox: Inbox, Content: Content{Head: []byte(typicalHead), Summary: sum.Encode(),
		Blob: blob.Ref{Name: blob.NewName("t2kq7", porttest.NewClock().Now()), Header: 60, Size: int64(len(typical))}},
		EmailID: EmailID(), Thread: ThreadID(Ref{ID: "a"}, sum.Thread.Root, "", nil), Date: 1_900_000_000_000, Name: DeliveryName(name)}
}

// history gives the encoded entries of n deliveries and other changes.
func encodedHistory(b *testing.B, n int) (list [][]byte) {
	f := &folded{t: b, State: NewState(Ref{ID: "someaccount", Epoch: 3}), at: 1_900_000_000}
	keep := func(ops ...Op) {
		e := f.entry(ops...)
		porttest.OK(b, f.fold(&e))
		e.Standing = f.standing
		data, err := Encode(&e)
		porttest.OK(b, err)
		list = append(list, data)
	}
	keep(Op{Create: &Create{Mailboxes: defaultMailboxes()}})
	for i := range n {
		if i%4 == 3 {
			keep(Op{Flags: &FlagsOp{Mailbox: Inbox, UIDs: uids(uint32(i/2 + 1)), Mode: AddFlags, Flags: Seen}})
			continue
		}
		add := typicalDelivery(fmt.Sprint(i))
		keep(Op{Add: &add})
	}
	return list
}

func BenchmarkFold10000Entries(b *testing.B) {
	list := encodedHistory(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		s := NewState(Ref{ID: "someaccount", Epoch: 3})
		for _, data := range list {
			e, err := Decode(data)
			porttest.OK(b, err)
			porttest.OK(b, s.Apply(*e))
		}
	}
}

// BenchmarkStateOf100000Messages measures the memory of a large mailbox.
func BenchmarkStateOf100000Messages(b *testing.B) {
	add := typicalDelivery("x")
	for b.Loop() {
		var before, after runtime.MemStats
		s := NewState(Ref{ID: "someaccount", Epoch: 3})
		e := Entry{MinReader: 1, Epoch: 3, Seq: 1, Op: "op", Ops: []Op{{Create: &Create{Mailboxes: defaultMailboxes()}}}}
		porttest.OK(b, s.fold(&e))
		runtime.GC()
		runtime.ReadMemStats(&before)
		e.Ops = []Op{{Add: &add}}
		for range 100_000 {
			e.Seq++
			porttest.OK(b, s.fold(&e))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "B/message")
		runtime.KeepAlive(s)
	}
}

// BenchmarkDeliveryEntry measures the entry of one delivery, with sixteen before it.
func BenchmarkDeliveryEntry(b *testing.B) {
	list := encodedHistory(b, 40)
	add := typicalDelivery("x")
	for b.Loop() {
	}
	b.ReportMetric(float64(len(list[len(list)-3])), "B/entry")
	b.ReportMetric(float64(len(add.Content.Summary)), "B/summary")
	b.ReportMetric(float64(len(add.Content.Head)), "B/head")
}

func BenchmarkDeliver(b *testing.B) {
	w := newWorld(b)
	w.journal = &lastOnly{memory: w.journal.(*memory)}
	s := w.store()
	add := typicalDelivery("x")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		add.Name = DeliveryName(fmt.Sprint(i))
		_, err := s.Deliver(b.Context(), w.ref, uint64(i), by, []Add{add})
		porttest.OK(b, err)
	}
}

// lastOnly is a journal that costs nothing.
type lastOnly struct{ *memory }
