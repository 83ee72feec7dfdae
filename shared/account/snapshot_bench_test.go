package account

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
)

// large is an account with n typical messages in each of some mailboxes, some of them
// flagged, and a snapshot.
func large(b *testing.B, boxes, n int) *world {
	w := newWorld(b)
	f := &folded{t: b, State: NewState(w.ref), at: 1_900_000_000}
	write := func(ops ...Op) {
		e := f.entry(ops...)
		e.Epoch = 1
		porttest.OK(b, f.fold(&e))
		e.Standing = f.standing
		data, err := Encode(&e)
		porttest.OK(b, err)
		porttest.OK(b, w.journal.Append(context.Background(), w.ref.Partition(), journal.Entry{Seq: e.Seq, Op: e.Op, Data: data}))
		f.at += 61
	}
	w.journal = newMemory(w.clock.Now)
	write(Op{Create: &Create{Mailboxes: defaultMailboxes()}})
	for i := len(f.boxes); i < boxes; i++ {
		write(Op{CreateMailbox: &CreateMailbox{Name: fmt.Sprint("box ", i)}})
	}
	for i := range n * boxes {
		add := typicalDelivery(fmt.Sprint(i))
		if n*boxes > 200_000 { // the journal is in memory
			add.Content.Head, add.Content.Summary = nil, someSummary
		}
		add.Mailbox, add.Date = MailboxID(1+i%boxes), f.at*1000+int64(i*7919%1000)
		add.Content.Blob.Size = int64(2000 + i*104729%60_000)
		write(Op{Add: &add})
		if i%3 == 2 {
			write(Op{Flags: &FlagsOp{Mailbox: MailboxID(1 + i%boxes), UIDs: uids(uint32(1 + i/boxes)), Mode: AddFlags, Flags: Seen}})
		}
		if i%512 == 511 {
			f.State = f.Clone()
		}
	}
	done := w.compacted(b)
	index := 0
	for _, box := range w.manifest(b).Boxes {
		for _, p := range box.Pieces {
			index += int(p.Len)
		}
	}
	each := float64(n * boxes)
	fmt.Printf("a message takes %.1f bytes in the snapshot, %.1f of them in the index\n", float64(done.Bytes)/each, float64(index)/each)
	return w
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func benchmarkOpen(b *testing.B, boxes, n int) {
	w := large(b, boxes, n)
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a, err := w.store().Open(context.Background(), w.ref)
			porttest.OK(b, err)
			_, err = a.Load(context.Background(), Inbox)
			porttest.OK(b, err)
			a.Close()
		}
	})
	b.Run("warm", func(b *testing.B) {
		s := w.store()
		a := w.open(b, s)
		_, err := a.Load(context.Background(), Inbox)
		porttest.OK(b, err)
		for b.Loop() {
			a, err := s.Open(context.Background(), w.ref)
			porttest.OK(b, err)
			_, err = a.Load(context.Background(), Inbox)
			porttest.OK(b, err)
			a.Close()
		}
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			s := w.store()
			a, err := s.Open(context.Background(), w.ref)
			porttest.OK(b, err)
			opened := heap()
			_, err = a.Load(context.Background(), Inbox)
			porttest.OK(b, err)
			loaded := heap()
			b.ReportMetric(float64(opened-before), "B/open")
			b.ReportMetric(float64(loaded-opened)/float64(n), "B/message")
			b.ReportMetric(float64(a.core.size(a.State())), "B/estimate")
			a.Close()
		}
	})
	b.Run("50 envelopes cold", func(b *testing.B) {
		a := w.open(b, w.store())
		state, err := a.Load(context.Background(), Inbox)
		porttest.OK(b, err)
		m := state.MailboxByID(Inbox)
		var refs []ContentRef
		for i := range 50 {
			refs = append(refs, m.At(m.Len()/2+i).Content)
		}
		for b.Loop() {
			a.core.store.contents = newLRU[contentKey, Content](16 << 20)
			_, err := a.Contents(context.Background(), refs)
			porttest.OK(b, err)
		}
	})
	b.Run("compaction after 64 deliveries", func(b *testing.B) {
		s := w.store()
		a := w.open(b, s)
		total := 0
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			for j := range 64 {
				add := typicalDelivery(fmt.Sprint("bench", i, j))
				_, err := s.Deliver(context.Background(), w.ref, DontSearch, by, []Add{add})
				porttest.OK(b, err)
			}
			b.StartTimer()
			done, err := s.Compact(context.Background(), w.ref, false)
			porttest.OK(b, err)
			total += done.Bytes
		}
		b.ReportMetric(float64(total)/float64(b.N), "B/object")
		a.Close()
	})
}

func BenchmarkOpen100000InOne(b *testing.B)  { benchmarkOpen(b, 1, 100_000) }
func BenchmarkOpen1000000InTen(b *testing.B) { benchmarkOpen(b, 10, 100_000) }
