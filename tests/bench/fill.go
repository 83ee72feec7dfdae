package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
)

var words = []string{"the", "proposal", "for", "next", "release", "schedule", "and", "what", "I", "would", "like", "to", "see", "is", "a",
	"longer", "time", "tests", "so", "that", "those", "who", "package", "it", "have", "chance", "find", "breaks", "meeting", "Monday", "thanks"}

// message is mail from a list, of 1.5 to 4 KB, the same for the same number.
func message(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	text := func(count int) string {
		var b bytes.Buffer
		for i := range count {
			if i > 0 {
				b.WriteString(map[bool]string{true: "\r\n", false: " "}[i%12 == 0])
			}
			b.WriteString(words[r.IntN(len(words))])
		}
		return b.String()
	}
	subject := bytes.ReplaceAll([]byte(text(6)), []byte("\r\n"), []byte(" "))
	body := text(60 + r.IntN(160))
	return fmt.Appendf(nil, "Received: from mail%d.lists.example.org by mx.bench.test; Wed, 1 Jul 2026 10:00:00 +0000\r\n"+
		"From: \"Writer %d via Developers\" <developers@lists.example.org>\r\nReply-To: Writer %d <writer.%d@mail.example.com>\r\n"+
		"To: \"Developers of the example project\" <developers@lists.example.org>\r\nCc: Joe Q. Public <john.q.public@example.com>\r\n"+
		"Subject: Re: [developers] %s\r\nDate: Wed, 1 Jul 2026 10:%02d:%02d +0000\r\nMessage-ID: <%x.%d@mail.example.com>\r\n"+
		"In-Reply-To: <%d@mail.example.com>\r\nReferences: <%d@mail.example.com>\r\nList-Id: <developers.lists.example.org>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"0000000000b%08d\"\r\n\r\n"+
		"--0000000000b%08d\r\nContent-Type: text/plain; charset=\"UTF-8\"\r\n\r\n%s\r\n"+
		"--0000000000b%08d\r\nContent-Type: text/html; charset=\"UTF-8\"\r\n\r\n<p>%s</p>\r\n--0000000000b%08d--\r\n",
		n%7, n%50, n%50, n%50, subject, n/60%60, n%60, r.Uint64(), n, n-1, n-1, n, n, body, n, body, n)
}

// large is a message with an attachment of so many bytes.
func large(size int) []byte {
	random := make([]byte, 57)
	r := rand.NewChaCha8([32]byte{1})
	var b bytes.Buffer
	b.WriteString("From: ann@example.net\r\nTo: bob@bench.test\r\nSubject: a film\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for b.Len() < size {
		_, _ = r.Read(random)
		b.WriteString(base64.StdEncoding.EncodeToString(random) + "\r\n")
	}
	return b.Bytes()
}

// appendAll appends messages numbered from first, on some connections at once.
func appendAll(s server, user, box string, first, n int) error {
	const atOnce, each = 4, 20
	// QUIRK: Dovecot 2.3.19 may crash where several clients make a mailbox's index at once.
	c, err := enter(s.imaps(), user)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.do("SELECT %s", box), c.append(box, message(first))); err != nil {
		return err
	}
	first, n = first+1, n-1
	errs := make([]error, atOnce)
	var all sync.WaitGroup
	for w := range atOnce {
		all.Go(func() {
			c, err := enter(s.imaps(), user)
			if err != nil {
				errs[w] = err
				return
			}
			defer c.Close()
			for at := w * each; at < n && errs[w] == nil; at += atOnce * each {
				var list [][]byte
				for i := at; i < min(at+each, n); i++ {
					list = append(list, message(first+i))
				}
				errs[w] = c.append(box, list...)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fill makes the INBOX of a user hold so many messages, the same for all servers but for their
// order: some are appended, and copied until there are enough. Then some are flagged, in as
// many commands as a client uses.
func fill(s server, user string, distinct, total int) error {
	if err := appendAll(s, user, "INBOX", 0, min(distinct, total)); err != nil {
		return err
	}
	c, err := enter(s.imaps(), user)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.do("SELECT INBOX"); err != nil {
		return err
	}
	for c.exists < total {
		if err := c.do("COPY 1:%d INBOX", min(c.exists, total-c.exists, 10_000)); err != nil {
			return err
		}
	}
	if err := c.do("STORE 1:%d +FLAGS.SILENT (\\Seen)", total*8/10); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 80 {
		flag := []string{"\\Seen", "\\Seen", "\\Flagged", "\\Answered", "$Forwarded"}[r.IntN(5)]
		at := 1 + r.IntN(max(1, total-100))
		if err := c.do("STORE %d:%d +FLAGS.SILENT (%s)", at, min(at+r.IntN(50), total), flag); err != nil {
			return err
		}
	}
	return nil
}
