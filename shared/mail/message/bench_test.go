package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// ordinary is a mail as most are: some hops, a signature, text in two forms and an
// attachment that makes it size octets.
func ordinary(size int) []byte {
	var b bytes.Buffer
	for i := range 4 {
		fmt.Fprintf(&b, "Received: from mx%d.shore.test (mx%[1]d.shore.test [192.0.2.%[1]d])\r\n\tby mx.marsh.test with ESMTPS id 4XyZ%[1]d\r\n\tfor <knot@marsh.test>; Tue, 03 Mar 2026 08:15:0%[1]d +0100\r\n", i)
	}
	b.WriteString("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shore.test; s=2026;\r\n\th=from:to:subject:date:message-id; bh=" + strings.Repeat("A", 43) + "=;\r\n\tb=" + strings.Repeat("q7Rz", 86) + "\r\n")
	b.WriteString(crlf(`From: "Ruff of the Shore" <ruff@shore.test>
To: Knot <knot@marsh.test>, "Dunlin, Little" <dunlin@marsh.test>
Subject: =?utf-8?Q?Z=C3=A4hlung_am_Dienstag?=
Date: Tue, 03 Mar 2026 08:15:00 +0100
Message-ID: <20260303081500.4711.abcdef@mx.shore.test>
In-Reply-To: <20260302081500.4711.abcdef@mx.marsh.test>
References: <20260301081500.4711.abcdef@mx.shore.test>
 <20260302081500.4711.abcdef@mx.marsh.test>
MIME-Version: 1.0
User-Agent: bench
Content-Type: multipart/mixed; boundary="----=_Part_mixed_1"

------=_Part_mixed_1
Content-Type: multipart/alternative; boundary="----=_Part_alt_2"

------=_Part_alt_2
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

`))
	b.WriteString(strings.Repeat("Die Pfuhlschnepfen sind zur=C3=BCck, die Knutts noch nicht. Wir z=C3=A4hlen=\r\n am Dienstag bei Hochwasser.\r\n", 15))
	b.WriteString("------=_Part_alt_2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>")
	b.WriteString(strings.Repeat("<p style=\"margin:0\">Die Pfuhlschnepfen sind wieder da.</p>\r\n", 25))
	b.WriteString("</body></html>\r\n------=_Part_alt_2--\r\n------=_Part_mixed_1\r\nContent-Type: application/pdf; name=\"count.pdf\"\r\nContent-Disposition: attachment; filename=\"count.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("waders!"), 9)[:57]) + "\r\n"
	b.WriteString(strings.Repeat(line, max(1, (size-b.Len())/len(line))))
	b.WriteString("------=_Part_mixed_1--\r\n")
	return b.Bytes()
}

func benchScan(b *testing.B, blob []byte, chunk int) {
	b.SetBytes(int64(len(blob)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner()
		for rest := blob; len(rest) > 0; {
			n := min(chunk, len(rest))
			s.Write(rest[:n])
			rest = rest[n:]
		}
		s.Finish()
	}
}

func BenchmarkScan25KB(b *testing.B)  { benchScan(b, ordinary(25_000), 4096) }
func BenchmarkScan100MB(b *testing.B) { benchScan(b, ordinary(100_000_000), 32<<10) }

func BenchmarkScanNestedBoundaries(b *testing.B) {
	var m bytes.Buffer
	for i := range 90 {
		fmt.Fprintf(&m, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%[1]d\r\n", i)
	}
	m.WriteString("\r\n" + strings.Repeat("--\r\n", 1_000_000))
	benchScan(b, m.Bytes(), 32<<10)
}

func BenchmarkEncode(b *testing.B) {
	s := scan(ordinary(25_000))
	b.ReportAllocs()
	var n int
	for b.Loop() {
		n = len(s.Encode())
	}
	b.ReportMetric(float64(n), "octets")
}

func BenchmarkDecode(b *testing.B) {
	s := scan(ordinary(25_000))
	enc := s.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(enc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeHeader(b *testing.B) {
	s := scan(ordinary(25_000))
	enc := s.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeHeader(enc); err != nil {
			b.Fatal(err)
		}
	}
}
