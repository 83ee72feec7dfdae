package imap

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// FuzzResponses has a client read what is said of any message.
func FuzzResponses(f *testing.F) {
	f.Add([]byte(multipart))
	f.Add([]byte("From: \"a\\\"b\" <x@y>, g: , h: <>;\r\nSubject: \xff\xfe=?\r\nDate: \"\r\nContent-Type: text/x; a=\"\r\n\"; a=b\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sc := message.NewScanner()
		_, _ = sc.Write(text)
		sum := sc.Finish()
		var out bytes.Buffer
		w := &wire.Writer{Out: &out, Buffers: &wire.Buffers{}}
		w.Raw("* 1 FETCH (UID 1 ENVELOPE ")
		writeEnvelope(w, &sum.Envelope)
		w.Raw(" BODYSTRUCTURE ")
		writeStructure(w, &sum.Body, true)
		w.Raw(" BODY[] ")
		if err := w.Literal("", int64(len(text)), text, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Raw(")\r\n").Flush(); err != nil {
			t.Fatal(err)
		}
		here, there := net.Pipe()
		defer here.Close()
		_ = here.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			defer there.Close()
			_, _ = io.WriteString(there, "* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n")
			line, err := bufio.NewReader(there).ReadString('\n')
			if err != nil {
				return
			}
			tag, _, _ := strings.Cut(line, " ")
			_, _ = there.Write(out.Bytes())
			_, _ = io.WriteString(there, tag+" OK done\r\n")
		}()
		c := imapclient.New(here, nil)
		defer c.Close()
		body := &imap.FetchItemBodySection{}
		list, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{UID: true, Envelope: true, BodySection: []*imap.FetchItemBodySection{body},
			BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}).Collect()
		if err != nil || len(list) != 1 {
			t.Fatalf("%v of %.2000q", err, out.String())
		}
		if got := list[0].FindBodySection(body); !bytes.Equal(got, text) {
			t.Errorf("%q came back as %q", text, got)
		}
		if got, want := len(list[0].Envelope.To), len(sum.Envelope.To); got != want {
			t.Errorf("%d addresses came back as %d: %.2000q", want, got, out.String())
		}
	})
}
