package imap

import (
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/gateways/internal/login"
)

// capabilities are what the client may make use of now.
//
// LITERAL- (RFC 7888) has clients ask before they send much; one that doesn't is served all
// the same. CHILDREN is RFC 3348, ESEARCH RFC 4731, APPENDLIMIT RFC 7889, STATUS=SIZE
// RFC 8438, SAVEDATE RFC 8514.
func (s *session) capabilities() string {
	// QUIRK: Python's imaplib asks before login and never again: what it looks for stands there.
	list := []string{"IMAP4rev2", "IMAP4rev1", "LITERAL-", "SASL-IR", "ID", "ENABLE", "IDLE"}
	switch {
	case s.account != nil:
		if s.conn.z == nil {
			list = append(list, "COMPRESS=DEFLATE")
		}
		list = append(list, "ACL", "RIGHTS=kxte", "LIST-MYRIGHTS")
		list = append(list, "REPLACE", "CATENATE", "METADATA", "LIST-METADATA", "NOTIFY", "UIDBATCHES")
		list = append(list, "SORT", "SORT=DISPLAY", "ESORT", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT", "CONTEXT=SEARCH", "CONTEXT=SORT", "MULTISEARCH",
			"I18NLEVEL=1", "INPROGRESS", "UNAUTHENTICATE")
		list = append(list, "UNSELECT", "CONDSTORE", "QRESYNC", "OBJECTID", "SAVEDATE", "PREVIEW",
			"MULTIAPPEND", "PARTIAL", "WITHIN", "UIDONLY", "UTF8=ACCEPT", "QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE",
			"NAMESPACE", "UIDPLUS", "ESEARCH", "SEARCHRES", "LIST-EXTENDED", "LIST-STATUS", "MOVE", "STATUS=SIZE", "BINARY", "CHILDREN",
			"SPECIAL-USE", "CREATE-SPECIAL-USE", "APPENDLIMIT="+strconv.Itoa(MaxAppend))
	case s.secure:
		for _, m := range login.Mechanisms(login.PeerOf(s.conn.Conn)) {
			list = append(list, "AUTH="+m)
		}
	case s.gateway.cfg.TLS != nil:
		list = append(list, "STARTTLS", "LOGINDISABLED")
	default:
		list = append(list, "LOGINDISABLED")
	}
	return strings.Join(list, " ")
}

// capability is CAPABILITY.
func (s *session) capability(cmd *command) error {
	if err := cmd.End(); err != nil {
		return err
	}
	s.w().Raw("* CAPABILITY ").Raw(s.capabilities()).CRLF()
	return nil
}

// noop is NOOP, and CHECK: what has happened is told after every command.
func (s *session) noop(cmd *command) error { return cmd.End() }

// logout is LOGOUT.
func (s *session) logout(cmd *command) error {
	if err := cmd.End(); err != nil {
		return err
	}
	s.w().Raw("* BYE Logging out\r\n")
	s.turn(nil)
	return nil
}

// maxID bounds what a client says of itself.
//
// RFC 2971, section 3.3: Implementations MUST NOT send more than 30 field-value pairs.
const maxID = 30

// id is ID (RFC 2971). What the client says of itself is for people who read the log.
func (s *session) id(cmd *command) error {
	cmd.SP()
	var fields []any
	if !cmd.TryWord("NIL") {
		n := 0
		cmd.List(func() {
			name := cmd.Text()
			cmd.SP()
			value, _ := cmd.NString()
			if n++; n > maxID {
				cmd.Fail(bad("Too many fields"))
			}
			if name = strings.ToLower(name); name == "name" || name == "version" {
				fields = append(fields, "client_"+name, value[:min(len(value), 100)])
			}
		})
	}
	if err := cmd.End(); err != nil {
		return err
	}
	if len(fields) > 0 {
		s.log.Debug("client", fields...)
	}
	s.w().Raw(`* ID ("name" "Godwit")`).CRLF()
	return nil
}

// enable is ENABLE (RFC 5161). What isn't known is passed over.
func (s *session) enable(cmd *command) error {
	var done []string
	first := true
	for first || !cmd.AtEnd() {
		first = false
		cmd.SP()
		name := cmd.Keyword()
		if cmd.Err() != nil {
			return cmd.Err()
		}
		switch name {
		case "IMAP4REV2":
			s.rev2, s.utf8, name = true, true, "IMAP4rev2"
		case "UTF8=ACCEPT": // RFC 9755
			s.utf8 = true
		case "CONDSTORE":
			s.condstore = true
		case "QRESYNC":
			s.condstore, s.qresync = true, true
		case "UIDONLY":
			s.uidOnly = true
		case "METADATA", "METADATA-SERVER": // RFC 5464, section 4.4
			if s.notices == nil {
				s.told(&notices{})
			}
			s.notices.metadata = true
		default:
			continue
		}
		done = append(done, " "+name)
	}
	s.w().UTF8 = s.utf8
	s.w().Raw("* ENABLED").Raw(strings.Join(done, "")).CRLF()
	return nil
}

// namespace is NAMESPACE (RFC 2342).
func (s *session) namespace(cmd *command) error {
	if err := cmd.End(); err != nil {
		return err
	}
	s.w().Raw(`* NAMESPACE (("" "/")) (("` + otherUsers + `/" "/")) (("` + publicOnes + `/" "/"))`).CRLF()
	return nil
}
