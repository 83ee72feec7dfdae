package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/godwit-mail/godwit/shared/account"
)

// name names a message in the account.
type name [12]byte

// nameOf is the same whenever the same octets are to go into the same mailbox for the n-th
// time, wherever they are from.
func nameOf(mailbox string, digest [sha256.Size]byte, n uint32) name {
	h := sha256.New()
	_, _ = io.WriteString(h, "import\x00"+mailbox+"\x00")
	h.Write(digest[:])
	_ = binary.Write(h, binary.BigEndian, n)
	return name(h.Sum(nil)[:12])
}

func (n name) String() string { return base64.RawURLEncoding.EncodeToString(n[:]) }

// target gives where the messages of a mailbox go, and whether it must have another name.
func target(box, into string) (name string, other bool) {
	name = box
	if into != "" {
		name = strings.TrimSuffix(into, "/")
		if box != "INBOX" {
			name += "/" + box
		}
	}
	if kept, err := account.CheckName(name); err == nil {
		return kept, false
	}
	levels := strings.Split(strings.ToValidUTF8(name, "_"), "/")
	for at, level := range levels {
		if levels[at] = allowed(level); levels[at] == "" {
			levels[at] = "_"
		}
	}
	if over := len(levels) - account.MaxMailboxDepth; over > 0 {
		last := len(levels) - over - 1
		levels = append(levels[:last], strings.Join(levels[last:], "_"))
	}
	name = strings.Join(levels, "/")
	if len(name) > account.MaxMailboxName {
		sum := sha256.Sum256([]byte(box))
		name = strings.TrimRight(strings.ToValidUTF8(name[:account.MaxMailboxName-20], ""), "/") + fmt.Sprintf("_%x", sum[:8])
	}
	if kept, err := account.CheckName(name); err == nil {
		return kept, true
	}
	sum := sha256.Sum256([]byte(box))
	return fmt.Sprintf("Imported_%x", sum[:8]), true
}

// allowed replaces what no name of a mailbox has.
func allowed(level string) string {
	return strings.Map(func(r rune) rune {
		if _, err := account.CheckName("x" + string(r) + "x"); err != nil || r == '/' {
			return '_'
		}
		return r
	}, level)
}
