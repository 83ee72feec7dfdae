package imap

import (
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

func errReadOnly() error { return no(codeReadOnly, "The mailbox is open for reading only") }

// change is what a STORE asks for.
type change struct {
	mode   account.FlagMode
	silent bool
	flags  account.Flags
	words  []string
	since  uint64 // leave alone what was changed after it
}

// parseChange reads what stands behind the set.
//
// RFC 9051, section 9: store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
func (s *session) parseChange(cmd *command) (c change, err error) {
	c.since = account.Unconditional
	cmd.SP()
	if cmd.Peek() == '(' {
		cmd.List(func() {
			if cmd.Keyword() != "UNCHANGEDSINCE" {
				cmd.Fail(wire.SyntaxError("Unknown STORE modifier"))
			}
			cmd.SP()
			c.since = cmd.ModSeq()
		})
		cmd.SP()
	}
	c.mode = account.ReplaceFlags
	switch {
	case cmd.Try('+'):
		c.mode = account.AddFlags
	case cmd.Try('-'):
		c.mode = account.RemoveFlags
	}
	name := cmd.Keyword()
	name, c.silent = strings.CutSuffix(name, ".SILENT")
	if name != "FLAGS" {
		cmd.Fail(wire.SyntaxError("STORE changes FLAGS and nothing else"))
	}
	cmd.SP()
	var flags []string
	if cmd.Peek() == '(' {
		flags = cmd.Flags()
	} else {
		flags = append(flags, cmd.Flag())
		for cmd.Try(' ') {
			flags = append(flags, cmd.Flag())
		}
	}
	if err := cmd.End(); err != nil {
		return c, err
	}
	c.flags, c.words, err = parseFlags(flags)
	return c, err
}

// store is STORE and UID STORE: one entry for all messages. Those that are gone are passed
// over; the client learns of them by EXPUNGE.
func (s *session) store(cmd *command) error {
	cmd.SP()
	set := cmd.Set()
	c, err := s.parseChange(cmd)
	if err != nil {
		return err
	}
	v := s.view
	list, err := v.resolve(set, cmd.uid)
	if err != nil {
		return err
	}
	if v.readOnly {
		return errReadOnly()
	}
	conditional := c.since != account.Unconditional
	s.condstore = s.condstore || conditional
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := s.context()
	defer cancel()
	before := v.account.State()
	modified, err := v.account.StoreFlags(ctx, s.by(v.owner), v.id, v.ranges(list), c.mode, c.flags, c.words, c.since)
	if err != nil {
		return s.fail(err)
	}
	failed := v.within(modified)
	// What the client has no right to has not changed: then it is told of the outcome.
	s.tellStored(list, failed, before, c.silent && v.rights&(account.MayKeepSeen|account.MayTrash|account.MayWrite) == account.MayKeepSeen|account.MayTrash|account.MayWrite)
	if len(failed) > 0 {
		cmd.code, cmd.text = "MODIFIED "+s.setOf(failed, cmd.uid), "Some were changed meanwhile"
	}
	return nil
}

// tellStored tells of the outcome what the client doesn't know. With .SILENT it knows it
// only where nobody else has changed something.
func (s *session) tellStored(list, failed []span, before *account.State, silent bool) {
	v := s.view
	after := v.account.State()
	m, was := v.now(after), v.now(before)
	if m == nil {
		return
	}
	s.tellKeywords(m)
	alone := after.Seq() <= before.Seq()+1
	for _, r := range list {
		for i := r.from; i < r.to; i++ {
			uid := v.uid(i)
			k, ok := m.Find(uid)
			if !ok || holds(failed, i) {
				continue
			}
			msg := m.At(k)
			switch {
			case !silent:
				s.tellFlags(uint32(i)+1, &msg)
			case !s.knewAll(was, uid, alone):
				continue
			case s.condstore:
				// RFC 7162, section 3.1.3 has the new mod-sequence told even with .SILENT.
				s.w().Raw("* ").Uint(uint64(i) + 1).Raw(" FETCH (UID ").Uint(uint64(uid)).Raw(" MODSEQ (").Uint(msg.ModSeq).Raw("))\r\n")
			}
			v.knows(uid, msg.ModSeq)
		}
	}
}

// knewAll tells whether the client knew a message's flags before its own change.
func (s *session) knewAll(was *account.Mailbox, uid uint32, alone bool) bool {
	if !alone || was == nil {
		return false
	}
	k, ok := was.Find(uid)
	return ok && was.At(k).ModSeq <= max(s.view.told, s.view.known[uid])
}

// setOf writes messages as a set of UIDs or of sequence numbers.
func (s *session) setOf(list []span, uid bool) string {
	var b []byte
	for _, r := range s.view.numbers(list, uid) {
		if b != nil {
			b = append(b, ',')
		}
		b = wire.AppendRange(b, r.First, r.Last)
	}
	return string(b)
}

// numbers gives messages as ranges of UIDs without gaps, or of sequence numbers.
func (v *view) numbers(list []span, uid bool) (out []account.Range) {
	for _, r := range list {
		if !uid {
			out = append(out, account.Range{First: uint32(r.from) + 1, Last: uint32(r.to)})
			continue
		}
		for i := r.from; i < r.to; i++ {
			out = addUID(out, v.uid(i))
		}
	}
	return slices.Clip(out)
}

// addUID appends a UID that is larger than those in the list.
func addUID(list []account.Range, uid uint32) []account.Range {
	if n := len(list); n > 0 && list[n-1].Last+1 == uid {
		list[n-1].Last = uid
		return list
	}
	return append(list, account.Range{First: uid, Last: uid})
}
