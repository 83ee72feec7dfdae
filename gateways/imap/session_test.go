package imap

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"
)

const multipart = "From: Ann <ann@example.net>\r\nTo: Bob <bob@demo.test>, team: carol@demo.test;\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Tue, 3 Mar 2026 10:00:00 +0100\r\nMessage-ID: <m1@example.net>\r\n" +
	"X-Odd: yes\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=FC=DFe\r\n" +
	"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\nAAEC\r\nAwQ=\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b--\r\n"

func fetchSections(t *testing.T, c *imapclient.Client, sections ...*imap.FetchItemBodySection) []string {
	t.Helper()
	list, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: sections}).Collect()
	if err != nil || len(list) != 1 {
		t.Fatalf("%d messages, %v", len(list), err)
	}
	var out []string
	for _, s := range sections {
		out = append(out, string(list[0].FindBodySection(s)))
	}
	return out
}

func TestSectionsAreTheExactBytes(t *testing.T) {
	w := newWorld(t)
	head := "Return-Path: <ann@example.net>\r\nReceived: from x\r\n"
	w.deliver(head, multipart)
	c := w.in("INBOX", nil)
	headerEnd := strings.Index(multipart, "\r\n\r\n") + 4
	for _, tt := range []struct {
		section *imap.FetchItemBodySection
		want    string
	}{
		{&imap.FetchItemBodySection{Peek: true}, head + multipart},
		{&imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader}, head + multipart[:headerEnd]},
		{&imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierText}, multipart[headerEnd:]},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{1}}, "Sch=F6ne Gr=FC=DFe"},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{2}}, "AAEC\r\nAwQ="},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{2}, Specifier: imap.PartSpecifierMIME},
			"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\n"},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{3}}, "Subject: inner\r\n\r\ninner text"},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{3}, Specifier: imap.PartSpecifierHeader}, "Subject: inner\r\n\r\n"},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{3}, Specifier: imap.PartSpecifierText}, "inner text"},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{3, 1}}, "inner text"},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{9}}, ""},
		{&imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Offset: 3, Size: 60}}, (head + multipart)[3:63]},
		{&imap.FetchItemBodySection{Peek: true, Part: []int{2}, Partial: &imap.SectionPartial{Offset: 4, Size: 1000}}, "\r\nAwQ="},
		{&imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Offset: 1 << 20, Size: 10}}, ""},
		{&imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Subject", "RETURN-PATH"}},
			"Return-Path: <ann@example.net>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n"},
		{&imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"x-odd", "received"}},
			"Received: from x\r\nX-Odd: yes\r\n\r\n"},
		{&imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFieldsNot: []string{"From", "To", "Received",
			"Content-Type", "MIME-Version", "Date", "Message-ID"}},
			"Return-Path: <ann@example.net>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Odd: yes\r\n\r\n"},
	} {
		if got := fetchSections(t, c, tt.section)[0]; got != tt.want {
			t.Errorf("%+v: %s", tt.section, cmp.Diff(tt.want, got))
		}
	}
}

func TestAHeadlessMessageBeginsWithItsHead(t *testing.T) {
	w := newWorld(t)
	w.deliver("Return-Path: <>\r\n", " no header\r\n\r\ntext\r\n")
	c := w.in("INBOX", nil)
	got := fetchSections(t, c, &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader},
		&imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierText})
	if diff := cmp.Diff([]string{"Return-Path: <>\r\n\r\n", " no header\r\n\r\ntext\r\n"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEnvelopeStructureAndSizeComeFromTheSummary(t *testing.T) {
	w := newWorld(t)
	w.deliver("", multipart)
	c := w.in("INBOX", nil)
	list, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Envelope: true, RFC822Size: true, InternalDate: true, Flags: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	m := list[0]
	if m.RFC822Size != int64(len(multipart)) || m.InternalDate.IsZero() || len(m.Flags) != 0 {
		t.Errorf("size %d, date %v, flags %v", m.RFC822Size, m.InternalDate, m.Flags)
	}
	e := m.Envelope
	if e.Subject != "Grüße" || e.MessageID != "m1@example.net" || e.From[0].Addr() != "ann@example.net" || e.Sender[0].Addr() != "ann@example.net" {
		t.Errorf("envelope %+v", e)
	}
	if len(e.To) != 4 || !e.To[1].IsGroupStart() || e.To[2].Addr() != "carol@demo.test" || !e.To[3].IsGroupEnd() {
		t.Errorf("to %+v", e.To)
	}
	var types []string
	m.BodyStructure.Walk(func(path []int, part imap.BodyStructure) bool {
		types = append(types, fmt.Sprintf("%v %s", path, part.MediaType()))
		if p, ok := part.(*imap.BodyStructureSinglePart); ok && p.Subtype == "octet-stream" && p.Filename() != "a.bin" {
			t.Errorf("file name %q", p.Filename())
		}
		return true
	})
	want := []string{"[] multipart/mixed", "[1] text/plain", "[2] application/octet-stream", "[3] message/rfc822"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Error(diff)
	}
}

func TestBinaryIsDecoded(t *testing.T) {
	w := newWorld(t)
	w.deliver("Return-Path: <>\r\n", multipart)
	c := w.in("INBOX", nil)
	bin := &imap.FetchItemBinarySection{Part: []int{2}, Peek: true}
	qp := &imap.FetchItemBinarySection{Part: []int{1}, Peek: true}
	list, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BinarySection: []*imap.FetchItemBinarySection{bin, qp},
		BinarySectionSize: []*imap.FetchItemBinarySectionSize{{Part: []int{2}}, {Part: []int{3}}}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(list[0].FindBinarySection(bin)); got != "\x00\x01\x02\x03\x04" {
		t.Errorf("base64: %q", got)
	}
	if got := string(list[0].FindBinarySection(qp)); got != "Sch\xf6ne Gr\xfc\xdfe" {
		t.Errorf("quoted-printable: %q", got)
	}
	sizes := list[0].BinarySectionSize
	if len(sizes) != 2 || sizes[0].Size != 5 || sizes[1].Size != 28 {
		t.Errorf("sizes %+v", sizes)
	}
}

func TestReadingSetsSeenOnceAndTellsIt(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.deliver("", "Subject: x\r\n\r\ntext\r\n")
	}
	c := w.in("INBOX", nil)
	before := w.open().State().Seq()
	list, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 3}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if diff := cmp.Diff([]imap.Flag{imap.FlagSeen}, m.Flags); diff != "" {
			t.Error(diff)
		}
	}
	if n := w.open().State().Seq() - before; n != 1 {
		t.Errorf("%d entries for three messages", n)
	}
	e := w.client(nil)
	if _, err := e.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		t.Fatal(err)
	}
	w.deliver("", "Subject: new\r\n\r\ntext\r\n")
	if err := e.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	list, err = e.Fetch(imap.SeqSetNum(4), &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
	if err != nil || len(list[0].Flags) != 0 {
		t.Errorf("EXAMINE has set %v, %v", list[0].Flags, err)
	}
}

func TestAppendKeepsTheBytesOfALargeMessage(t *testing.T) {
	w := newWorld(t)
	c := w.client(nil)
	text := "Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789abcdef", 4)+"\r\n", 20_000)
	data := appendTo(t, c, "Archive", text, imap.FlagSeen, "$Forwarded")
	if _, err := c.Select("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	section := &imap.FetchItemBodySection{}
	cmd := c.Fetch(imap.UIDSetNum(data.UID), &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{section}})
	defer cmd.Close()
	msg := cmd.Next()
	if msg == nil {
		t.Fatal("no message")
	}
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataBodySection:
			b, err := io.ReadAll(item.Literal)
			if err != nil || string(b) != text {
				t.Errorf("got %d of %d bytes, %v", len(b), len(text), err)
			}
		case imapclient.FetchItemDataFlags:
			if diff := cmp.Diff([]imap.Flag{imap.FlagSeen, imap.FlagForwarded}, item.Flags); diff != "" {
				t.Error(diff)
			}
		}
	}
	if used := w.budget.Used(); used != 0 {
		t.Errorf("%d bytes of temporary disk are left", used)
	}
}

func TestTheQuotaHoldsForAppendAndCopy(t *testing.T) {
	text := "Subject: x\r\n\r\n" + strings.Repeat("x", 1000) + "\r\n"
	for what, fill := range map[string]func(*world){
		"bytes":    func(w *world) { w.quota.Store(int64(len(text)) + 500) },
		"messages": func(w *world) { w.messages.Store(1) },
		"domain":   func(w *world) { w.full.Store(true) },
	} {
		t.Run(what, func(t *testing.T) { holdsForAppendAndCopy(t, text, fill) })
	}
}

func holdsForAppendAndCopy(t *testing.T, text string, fill func(*world)) {
	w := newWorld(t)
	c := w.client(nil)
	appendTo(t, c, "INBOX", text)
	fill(w)
	cmd := c.Append("INBOX", int64(len(text)), nil)
	_, _ = cmd.Write([]byte(text))
	_ = cmd.Close()
	if _, err := cmd.Wait(); code(err) != imap.ResponseCodeOverQuota {
		t.Errorf("APPEND: %v", err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Copy(imap.SeqSetNum(1), "Archive").Wait(); code(err) != imap.ResponseCodeOverQuota {
		t.Errorf("COPY: %v", err)
	}
	if _, err := c.Move(imap.SeqSetNum(1), "Archive").Wait(); err != nil {
		t.Errorf("MOVE: %v", err)
	}
}

func code(err error) imap.ResponseCode {
	if e, ok := err.(*imap.Error); ok {
		return e.Code
	}
	return ""
}
