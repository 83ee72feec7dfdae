package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"time"
)

// What ends the reading of a line.
var (
	errTooLong = errors.New("pop3: line too long") // the line was read to its end
	errFlood   = errors.New("pop3: line without end")
)

// lineBuffered tells whether a whole line has come in already.
func lineBuffered(r *bufio.Reader) bool {
	b, _ := r.Peek(r.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
}

// readLine reads a line and takes its end off. No more than limit octets are kept
// (errTooLong), no more than maxFlood are read (errFlood).
// QUIRK: a line may end with LF alone, as people type it through netcat.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	total := 0
	for {
		part, err := r.ReadSlice('\n')
		total += len(part)
		if total <= limit {
			line = append(line, part...)
		}
		switch {
		case err == nil && total > limit:
			return nil, errTooLong
		case err == nil:
			return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'}), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case total > maxFlood:
			return nil, errFlood
		}
	}
}

// patientWriter writes to a connection, and gives up when the peer has taken nothing of
// a write for the time of patience.
type patientWriter struct {
	conn     net.Conn
	patience time.Duration
}

func (w patientWriter) Write(p []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
		return 0, err
	}
	return w.conn.Write(p)
}
