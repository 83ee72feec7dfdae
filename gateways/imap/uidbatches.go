package imap

import "github.com/godwit-mail/godwit/shared/account"

const (
	minBatch   = 500     // messages
	maxBatched = 100_000 // in the batches that are asked for by their numbers
)

// uidBatches is UIDBATCHES (RFC 10022): ranges of UIDs that hold so many messages each, from
// the highest down. They are looked up, not counted, so that asking again costs nothing that
// would have to be refused.
func (s *session) uidBatches(cmd *command) error {
	cmd.SP()
	size := int64(cmd.Number())
	from, to, some := int64(1), int64(1)<<32, cmd.Try(' ')
	if some {
		from = int64(cmd.Number())
		cmd.Expect(':')
		to = int64(cmd.Number())
	}
	if err := cmd.End(); err != nil {
		return err
	}
	switch {
	case from < 1 || from > to:
		return bad("Invalid batch range")
	case size < minBatch:
		return no("TOOFEW", "Minimum batch size is 500")
	case some && (to-from+1)*size > maxBatched:
		return no("TOOMANY", "Too many messages")
	}
	w := s.w().Raw("* UIDBATCHES (TAG ").String(cmd.tag).Raw(")")
	for i, r := range batches(s.view.len(), s.view.uid, size, from, to) {
		sep := ","
		if i == 0 {
			sep = " "
		}
		w.Raw(sep).Uint(uint64(r.Last)).Raw(":").Uint(uint64(r.First))
	}
	w.CRLF()
	return nil
}

// batches gives the from-th to the to-th batch of messages, of which uid gives the UIDs. The
// last one of all goes down to 1, so that it is known to be the last.
func batches(messages int, uid func(int) uint32, size, from, to int64) (out []account.Range) {
	n := int64(messages)
	for b := from - 1; b < to && b*size < n; b++ {
		first := uint32(1)
		if low := n - (b+1)*size; low > 0 {
			first = uid(int(low))
		}
		out = append(out, account.Range{First: first, Last: uid(int(n - b*size - 1))})
	}
	return out
}
