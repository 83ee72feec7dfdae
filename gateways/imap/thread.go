package imap

import (
	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/mail/thread"
)

// thread is THREAD and UID THREAD (RFC 5256): a search of which the result is put into
// threads.
func (s *session) thread(cmd *command) error {
	cmd.SP()
	threads := thread.References
	switch cmd.Keyword() {
	case "REFERENCES":
	case "ORDEREDSUBJECT":
		threads = thread.OrderedSubject
	default:
		cmd.Fail(wire.SyntaxError("Unknown threading algorithm"))
	}
	cmd.SP()
	charset := parseCharset(cmd)
	cmd.SP()
	q, err := s.parseQuery(cmd, s.view, charset)
	if err != nil {
		return err
	}
	if err := s.find(cmd, q); err != nil {
		return err
	}
	rows, cols, err := s.rows(s.progress(cmd, 0), q.hits)
	if err != nil {
		return s.fail(err)
	}
	list := make([]thread.Message, len(rows))
	for i := range rows {
		t := &rows[i]
		list[i] = thread.Message{Sent: t.sent, Subject: cols.texts[t.texts[textSubject]], Reply: t.reply, ID: t.id, Refs: cols.refsOf(t)}
	}
	w := &threadWriter{Writer: s.w(), hits: q.hits, uid: cmd.uid}
	w.Raw("* THREAD")
	if len(list) > 0 {
		w.Raw(" ")
		threads(list).Visit(w)
	}
	w.CRLF()
	return nil
}

// threadWriter writes threads.
type threadWriter struct {
	*wire.Writer
	hits []hit
	uid  bool
}

func (w *threadWriter) Open()  { w.Raw("(") }
func (w *threadWriter) Close() { w.Raw(")") }
func (w *threadWriter) Split() { w.Raw(" ") }

func (w *threadWriter) Message(i int, child bool) {
	if child {
		w.Raw(" ")
	}
	n := uint64(w.hits[i].index) + 1
	if w.uid {
		n = uint64(w.hits[i].uid)
	}
	w.Uint(n)
}
