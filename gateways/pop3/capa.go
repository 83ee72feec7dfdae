package pop3

import (
	"io"
	"strings"

	"github.com/godwit-mail/godwit/gateways/internal/login"
)

// capa lists what the server can do here and now.
//
// RFC 2449, section 5: The CAPA command is available in both states.
func (s *session) capa(command) error {
	s.ok("Capabilities follow")
	io.WriteString(s.out, "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"+
		"LANG\r\nUTF8 USER\r\nIMPLEMENTATION Godwit\r\n")
	switch {
	case s.secure:
		io.WriteString(s.out, "USER\r\nSASL "+strings.Join(login.Mechanisms(login.PeerOf(s.conn)), " ")+"\r\n")
	case s.tls != nil:
		io.WriteString(s.out, "STLS\r\n")
	}
	io.WriteString(s.out, ".\r\n")
	return nil
}
