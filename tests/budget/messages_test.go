//go:build localstack

package budget_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// noise gives n characters of base64 that nothing can make shorter, always the same.
func noise(seed string, n int) string {
	var b []byte
	for i := 0; len(b) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", seed, i))
		b = append(b, sum[:]...)
	}
	return base64.StdEncoding.EncodeToString(b)[:n]
}

// mail is a message as people send them: what a client of today writes, signed and handed
// over twice on its way, with a text, the same as HTML, and a picture that brings it to
// the wanted size.
func mail(n, size int) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("Received: from mail-yw1-f174.elsewhere.test (mail-yw1-f174.elsewhere.test [192.0.2.174])")
	line("        by mx-eu-3.elsewhere.test with ESMTPS id 4b8Xw93Kzlz9sSC for <reader@budget.test>;")
	line("        Wed, 25 Nov 2026 07:12:%02d +0000 (UTC)", n%60)
	line("Received: by mail-yw1-f174.elsewhere.test with SMTP id 00721157ae682-6ef7f8b3d2eso1234567b3.1")
	line("        for <reader@budget.test>; Wed, 25 Nov 2026 07:12:%02d -0800 (PST)", n%60)
	line("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=elsewhere.test; s=20230601; t=1764054737;")
	line("        x=1764659537; h=to:subject:message-id:date:from:mime-version:from:to:cc:subject:date:")
	line("        message-id:reply-to; bh=%s=;", noise("body", 43))
	signature := noise(fmt.Sprint("signature ", n), 344) // of 2048 bits
	line("        b=%s", signature[:70])
	for rest := signature[70:]; rest != ""; rest = rest[min(len(rest), 72):] {
		line("         %s", rest[:min(len(rest), 72)])
	}
	line("X-Received: by 2002:a05:690c:6d8c:b0:6ef:7f8b:3d2e with SMTP id 00721157ae682-6eeaa4bf9b5mr1.21.1764054737;")
	line("        Wed, 25 Nov 2026 07:12:%02d -0800 (PST)", n%60)
	line("MIME-Version: 1.0")
	line("References: <CAKf5G6K%s@mail.elsewhere.test>", noise("first", 43))
	line(" <20261124101112.4711-%05d@budget.test>", n)
	line("In-Reply-To: <20261124101112.4711-%05d@budget.test>", n)
	line("From: \"Wilhelmina Example\" <wilhelmina.example@elsewhere.test>")
	line("Date: Wed, 25 Nov 2026 08:12:%02d +0100", n%60)
	line("Message-ID: <CAKf5G6L%s@mail.elsewhere.test>", noise(fmt.Sprint("id ", n), 43))
	line("Subject: Re: The minutes of Tuesday's meeting, and a picture of the new office")
	line("To: First Reader <first.reader@budget.test>, Second Reader <second.reader@budget.test>")
	line("Content-Type: multipart/mixed; boundary=\"000000000000a1b2c3062%05d\"", n)
	line("")
	line("--000000000000a1b2c3062%05d", n)
	line("Content-Type: multipart/alternative; boundary=\"000000000000d4e5f6062%05d\"", n)
	line("")
	line("--000000000000d4e5f6062%05d", n)
	line("Content-Type: text/plain; charset=\"UTF-8\"")
	line("Content-Transfer-Encoding: quoted-printable")
	line("")
	line("Dear both,")
	line("")
	line("thank you for coming on Tuesday although the trains were late again. We have agreed =")
	line("on the larger of the two rooms; the old table stays, the cupboards go. Jo asks for a =")
	line("second key until the end of the month. The picture shows how it looks from the door.")
	line("")
	line("Until next week")
	line("Wilhelmina")
	line("")
	line("--000000000000d4e5f6062%05d", n)
	line("Content-Type: text/html; charset=\"UTF-8\"")
	line("Content-Transfer-Encoding: quoted-printable")
	line("")
	line("<div dir=3D\"ltr\">Dear both,<div><br></div><div>thank you for coming on Tuesday although =")
	line("the trains were late again.</div></div>")
	line("")
	line("--000000000000d4e5f6062%05d--", n)
	line("--000000000000a1b2c3062%05d", n)
	line("Content-Type: image/jpeg; name=\"office.jpg\"")
	line("Content-Disposition: attachment; filename=\"office.jpg\"")
	line("Content-Transfer-Encoding: base64")
	line("Content-ID: <f_mi8kq3t%05d>", n)
	line("X-Attachment-Id: f_mi8kq3t%05d", n)
	line("")
	end := fmt.Sprintf("--000000000000a1b2c3062%05d--\r\n", n)
	picture := noise("picture", size)
	for b.Len()+76+2+len(end) < size {
		line("%s", picture[:76])
		picture = picture[76:]
	}
	return b.String() + end
}
