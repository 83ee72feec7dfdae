//go:build localstack

package chaos_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/ports"
)

// A part of the cloud is away for a while: all failures are told as such that pass, and
// then all goes on.
func TestAnOutageIsToldAsOne(t *testing.T) {
	t.Parallel()
	w, all := newTown(t, cloudtest.Options{Redrive: 100}, alice, bob), &ledger{}
	var mu sync.Mutex
	away, calls := "", 0
	set := func(part string) {
		mu.Lock()
		defer mu.Unlock()
		away, calls = part, 0
	}
	faults := cloudtest.Faults()
	g := w.gateway(cloudtest.Impatient(cloudtest.Failing(t, func(c cloudtest.Call) cloudtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		part, _, found := strings.Cut(c.Operation, ".")
		if !found {
			part = "S3"
		}
		if away == "" || !strings.HasPrefix(part, away) {
			return cloudtest.None
		}
		calls++
		return faults[calls%len(faults)]
	}), 2), ports.Decorators{})
	w.functions(1, nil)
	d := &deeds{g: g, answers: map[string]int{}}
	for _, part := range []string{"DynamoDB", "S3", "AmazonSQS"} {
		m := d.append("before-" + part)
		uid := d.c.uid
		set(part)
		for i := range 4 {
			all.send(g, fmt.Sprintf("%s-%d", part, i), alice, bob)
		}
		d.append("during-" + part)
		m.triedFlag, m.flagged = true, d.do(`UID STORE %d +FLAGS (\Flagged)`, uid) == "OK"
		if m.triedCopies = 1; d.do("UID COPY %d Archive", uid) == "OK" {
			m.copies = 1
		}
		m.triedMove, m.moved = true, d.do("UID MOVE %d Sent", uid) == "OK"
		d.do("SELECT INBOX")
		d.do("NOOP")
		for range 4 {
			d.logins(part == "DynamoDB")
		}
		set("")
		d.do("SELECT Drafts")
		all.deliver(g, part+"-after", alice, bob)
	}
	w.drained(time.Minute)
	told := all.check(w, alice, bob)
	t.Logf("%d of %d mails were told 250, replies: %v; IMAP: %v", told, len(all.mails), all.codes, d.answers)
	for _, command := range []string{"APPEND", "STORE", "COPY", "MOVE"} {
		if d.answers[command+" NO"] == 0 {
			t.Errorf("%s met no outage: %v", command, d.answers)
		}
	}
	checkDeeds(w, []*deeds{d})
	w.nothingParked()
}

// logins logs in for submission and to POP3, which fails when the directory is away, and then
// never for good.
func (d *deeds) logins(away bool) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + alice + "\x00" + password))
	for _, l := range []struct {
		listener, well, passes string
		say                    []string
	}{
		{"submissions", "235 ", "454 4.7.0 Temporary", []string{"AUTH PLAIN " + plain}},
		{"pop3s", "+OK", "-ERR [SYS/TEMP] Try again later", []string{"USER " + alice, "PASS " + password}},
	} {
		said, err := d.g.converse(l.listener, l.say)
		want := l.well
		if away {
			want = l.passes
		}
		if err != nil || !strings.HasPrefix(said, want) {
			d.g.t.Errorf("%s: the answer to the login is %q, %v; want %q", l.listener, said, err, want)
		}
	}
}

// converse says lines after the greeting, each after the answer to the last, and gives the
// last answer.
func (g *gateway) converse(listener string, say []string) (said string, err error) {
	conn, err := tls.Dial("tcp", g.Address(listener), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if said, err = in.ReadString('\n'); err != nil {
		return said, err
	}
	if listener == "submissions" {
		say = append([]string{"EHLO client.test"}, say...)
	}
	for _, line := range say {
		if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
			return "", err
		}
		for {
			if said, err = in.ReadString('\n'); err != nil || len(said) < 4 || said[3] != '-' {
				break
			}
		}
		if err != nil {
			return said, err
		}
	}
	return strings.TrimSpace(said), nil
}
