package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

const (
	keepBelow = 1 << 20  // octets of a message that an Item holds; a larger one is read again
	headLimit = 64 << 10 // octets of a message in which its header is looked for
)

// scratch is what reading one message after the other uses again.
type scratch struct {
	lines lines
	buf   [32 << 10]byte
}

func newScratch() *scratch {
	return &scratch{lines: lines{br: bufio.NewReaderSize(nil, 64<<10)}}
}

// load reads a message whole: its size, digest and, if it is small, the message itself.
// rough is how large it may be expected to be. The header, cut at headLimit, is returned.
// kinds.Limit if it is larger than limit; kinds.Corrupt if it can't be read.
func (s *scratch) load(i *Item, r io.Reader, q quoting, rough, limit int64) (head []byte, err error) {
	if rough > limit { // adding CRs only makes it larger
		return nil, tooLarge(i.Where, limit)
	}
	s.lines.reset(r, q)
	body := make([]byte, 0, min(max(rough, 0)+max(rough, 0)/16+64, keepBelow+1))
	for len(body) <= keepBelow {
		if len(body) == cap(body) {
			body = slices.Grow(body, min(len(body)+512, keepBelow+1-len(body)))
		}
		n, err := s.lines.Read(body[len(body):min(cap(body), keepBelow+1)])
		body = body[:len(body)+n]
		if err == io.EOF {
			if int64(len(body)) > limit {
				return nil, tooLarge(i.Where, limit)
			}
			i.body, i.again = body, nil
			i.Size, i.Digest = int64(len(body)), sha256.Sum256(body)
			return headOf(body), nil
		}
		if err != nil {
			return nil, kinds.Wrap(kinds.Corrupt, err, "archive: "+i.Where)
		}
	}
	head = bytes.Clone(headOf(body))
	h := sha256.New()
	h.Write(body)
	i.Size = int64(len(body))
	for i.Size <= limit {
		n, err := s.lines.Read(s.buf[:])
		h.Write(s.buf[:n])
		i.Size += int64(n)
		if err == io.EOF && i.Size <= limit {
			h.Sum(i.Digest[:0])
			return head, nil
		}
		if err != nil && err != io.EOF {
			return nil, kinds.Wrap(kinds.Corrupt, err, "archive: "+i.Where)
		}
	}
	return nil, tooLarge(i.Where, limit)
}

func tooLarge(where string, limit int64) error {
	return kinds.Errorf(kinds.Limit, "archive: %s: a message of more than %d bytes", where, limit)
}

// headOf gives the header section of a message as far as it is looked at.
func headOf(b []byte) []byte {
	b = b[:min(len(b), headLimit)]
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return nil
	}
	if end := bytes.Index(b, []byte("\r\n\r\n")); end >= 0 {
		b = b[:end+2]
	}
	return b
}

// dateOf takes the date from the header: the internal date is when the message arrived,
// which the server that took it last wrote on top. Without such a field it never
// travelled (a draft, a sent mail), so its own date is the best there is.
func dateOf(head []byte) (time.Time, DateSource) {
	var sent time.Time
	for f := range header.All(head) {
		switch {
		case f.Is("Received"):
			text := f.Text()
			// RFC 5321, section 4.4: Time-stamp-line = "Received:" FWS Stamp <CRLF>; Stamp = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
			if at := message.ParseDate(text[strings.LastIndexByte(text, ';')+1:]); plausible(at) {
				return whole(at), FromReceived
			}
		case f.Is("Date") && sent.IsZero():
			if at := message.ParseDate(f.Text()); plausible(at) {
				sent = whole(at)
			}
		}
	}
	return sent, FromDate
}

// plausible tells whether mail may have such a date at all.
func plausible(at time.Time) bool { return at.Year() >= 1970 && at.Year() < 10000 }

func whole(at time.Time) time.Time { return at.UTC().Truncate(time.Second) }

// sized fails where a message ends early or late.
type sized struct {
	io.ReadCloser
	left  int64
	where string
}

func (s *sized) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.left -= int64(n)
	if s.left < 0 || err == io.EOF && s.left != 0 {
		return max(0, n+int(min(s.left, 0))), kinds.Errorf(kinds.Corrupt, "archive: %s was changed while it was read", s.where)
	}
	if err != nil && err != io.EOF {
		err = kinds.Wrap(kinds.Corrupt, err, "archive: "+s.where)
	}
	return n, err
}

// reread makes what reads a large message again.
func reread(q quoting, open func() (io.Reader, io.Closer, error)) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		r, c, err := open()
		if err != nil {
			return nil, err
		}
		l := &lines{br: bufio.NewReaderSize(nil, 64<<10)}
		l.reset(r, q)
		return struct {
			io.Reader
			io.Closer
		}{l, c}, nil
	}
}
