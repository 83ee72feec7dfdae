//go:build crash

// Package crash_test kills the real binary at random moments while mail comes in.
package crash_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/tests/process"
)

const (
	kills   = 50
	senders = 6
	alice   = "alice@demo.test"
	bob     = "bob@demo.test"
)

// Every mail that got its 250 is in each mailbox that it was for exactly once, none is
// there twice or in part, and the store checks clean.
func TestKillAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	dir := t.TempDir()
	binary, err := process.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	s, err := process.Start(binary, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	password := s.Password
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	told := &accepted{mails: map[string]bool{}}
	for kill := range kills {
		after := time.NewTimer(time.Duration(rnd.IntN(400)) * time.Millisecond)
		var all sync.WaitGroup
		for n := range senders {
			all.Go(func() { told.load(s.Address["smtp"], fmt.Sprintf("%d-%d", kill, n), seed) })
		}
		<-after.C
		s.Kill()
		all.Wait()
		if kill%10 == 9 {
			if _, err := serve.Check(t.Context(), data); err != nil {
				t.Fatalf("after kill %d: %v", kill+1, err)
			}
		}
		if s, err = process.Start(binary, data, nil); err != nil {
			t.Fatalf("after kill %d: %v", kill+1, err)
		}
	}
	t.Cleanup(func() { s.Kill() })
	if len(told.mails) < kills {
		t.Fatalf("only %d mails were accepted: the load was none", len(told.mails))
	}
	idle(t, s)
	for _, who := range []string{alice, bob} {
		there := read(t, s, who, password[who])
		lost, doubled := 0, 0
		for id := range told.mails {
			if there[id] == 0 {
				lost++
			}
		}
		for _, n := range there {
			if n > 1 {
				doubled++
			}
		}
		if lost > 0 || doubled > 0 {
			t.Errorf("%s: of %d mails that were told 250 %d are lost, and %d are there twice", who, len(told.mails), lost, doubled)
		}
		t.Logf("%s: %d mails accepted, %d there", who, len(told.mails), len(there))
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	c, err := serve.Check(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the store is clean: %d accounts, %d messages", c.Accounts, c.Messages)
}

// accepted holds the names of mails that got their 250.
type accepted struct {
	mu    sync.Mutex
	mails map[string]bool
}

// load sends mails until the connection breaks.
func (a *accepted) load(addr, name string, seed uint64) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return
	}
	defer c.Close()
	rnd := rand.New(rand.NewPCG(seed, uint64(len(name))))
	text := textproto.NewConn(c)
	say := func(want int, format string, args ...any) bool {
		if format != "" && text.PrintfLine(format, args...) != nil {
			return false
		}
		_, _, err := text.ReadResponse(want)
		return err == nil
	}
	if !say(220, "") || !say(250, "EHLO client.test") {
		return
	}
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		// A few are large enough to go to disk on their way.
		size := 500 + rnd.IntN(5000)
		if rnd.IntN(20) == 0 {
			size = 300 << 10
		}
		body := strings.Repeat(id+" is a mail of which each line must be there\r\n", size/50+1)
		sum := sha256.Sum256([]byte(body))
		if !say(250, "MAIL FROM:<sender@elsewhere.test>") || !say(250, "RCPT TO:<%s>", alice) || !say(250, "RCPT TO:<%s>", bob) || !say(354, "DATA") {
			return
		}
		if _, err := fmt.Fprintf(c, "Subject: %s\r\nX-Sum: %s\r\n\r\n%s.\r\n", id, hex.EncodeToString(sum[:]), body); err != nil || !say(250, "") {
			return
		}
		a.mu.Lock()
		a.mails[id] = true
		a.mu.Unlock()
	}
}

// idle waits until all jobs are done: as many mails as before are there for a while, and
// no job is in the queue.
func idle(t *testing.T, s *process.Service) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting, err := s.Metric(t.Context(), "godwit_queue_jobs")
		if err != nil {
			t.Fatal(err)
		}
		if waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v jobs are left in the queue", waiting)
		}
		<-tick.C
	}
}

var (
	subject = regexp.MustCompile(`(?m)^Subject: (\S+)\r$`)
	header  = regexp.MustCompile(`(?m)^X-Sum: (\S+)\r$`)
)

// read gives how often each mail is in INBOX, and checks that it is whole.
func read(t *testing.T, s *process.Service, user, password string) map[string]int {
	t.Helper()
	c, err := imapclient.DialTLS(s.Address["imaps"], &imapclient.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		t.Fatal(err)
	}
	var set imap.SeqSet
	set.AddRange(1, 0)
	fetch := c.Fetch(set, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	there := map[string]int{}
	for m := fetch.Next(); m != nil; m = fetch.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			section, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok {
				continue
			}
			b, err := io.ReadAll(bufio.NewReader(section.Literal))
			if err != nil {
				t.Fatal(err)
			}
			head, body, _ := strings.Cut(string(b), "\r\n\r\n")
			id, want := subject.FindStringSubmatch(head+"\r\n"), header.FindStringSubmatch(head+"\r\n")
			sum := sha256.Sum256([]byte(body))
			if id == nil || want == nil || hex.EncodeToString(sum[:]) != want[1] {
				t.Fatalf("%s has a mail in part: %.300q", user, b)
			}
			there[id[1]]++
		}
	}
	if err := fetch.Close(); err != nil {
		t.Fatal(err)
	}
	return there
}
