package pop3

import (
	"bufio"
	"errors"
	"io"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// bodyBuffer is how much of a message is in memory while it is sent.
const bodyBuffer = 32 << 10

// retr sends a message.
func (s *session) retr(c command) error {
	n, err := s.message(c.args(), 1)
	if err != nil {
		return err
	}
	if err := s.send(n, wholeMessage); err != nil {
		return err
	}
	size := s.drop.item(n).size
	s.done.retrieved++
	s.done.octets += size
	s.metrics.sent(size)
	return nil
}

// send sends the header of message n and as many lines of its body as are wanted. What
// fails before the first octet is out is told; what fails later can only be shown by
// closing the connection, so that no client takes a part for the whole.
func (s *session) send(n int, lines int64) error {
	it := s.drop.item(n)
	body, err := s.drop.view.Read(s.ctx, it.content)
	if err != nil {
		return s.failKind(err, "opening a message")
	}
	defer body.Close()
	r, _ := s.bodies.Get().(*bufio.Reader)
	if r == nil {
		r = bufio.NewReaderSize(nil, bodyBuffer)
	}
	r.Reset(body)
	defer func() {
		r.Reset(nil)
		s.bodies.Put(r)
	}()
	if _, err := r.Peek(int(min(it.size, bodyBuffer))); err != nil {
		if errors.Is(err, io.EOF) {
			err = kinds.Errorf(kinds.Corrupt, "pop3: a message of %d octets ends early", it.size)
		}
		return s.failKind(err, "reading a message")
	}
	if lines == wholeMessage {
		s.ok("%d octets", it.size)
	} else {
		s.ok("The top of the message follows")
	}
	t := transmit{out: s.out, body: lines}
	var to io.Writer = &t
	finish := func() error { return nil }
	if !s.utf8 {
		g := &surrogate{to: &t}
		to, finish = g, g.flush
	}
	sent, err := pump(to, r)
	if err == nil {
		if err = finish(); err == nil && sent != it.size {
			err = kinds.Errorf(kinds.Corrupt, "pop3: a message of %d octets has %d", it.size, sent)
		}
	}
	if _, gone := s.out.Write(nil); gone != nil {
		return gone // the client hung up, or takes nothing any more
	}
	if err != nil && !errors.Is(err, errEnough) {
		s.log.Warn("pop3: a message was not sent to its end", "kind", kinds.Of(err).String(), "error", err)
		return errBroken
	}
	t.close()
	return nil
}

// pump writes what r gives, as it is in r's buffer.
func pump(to io.Writer, r *bufio.Reader) (n int64, err error) {
	for {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		chunk, _ := r.Peek(r.Buffered())
		if _, err := to.Write(chunk); err != nil {
			return n, err
		}
		m, _ := r.Discard(len(chunk))
		n += int64(m)
	}
}
