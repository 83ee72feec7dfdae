package imap

// unauthenticate is UNAUTHENTICATE (RFC 8437): the session is as it was before login, so that
// one connection serves several accounts one after the other.
//
// RFC 8437, section 3: This command directs the server to reset all connection state except for the state of the TLS layer.
func (s *session) unauthenticate(cmd *command) error {
	if err := cmd.End(); err != nil {
		return err
	}
	if z := s.conn.z; z != nil && (len(s.conn.in.buf) > 0 || !z.even()) {
		// A client may pipeline here. But where what was compressed ends can't be told then.
		// RFC 8437, section 3: Servers MAY close the connection with an untagged BYE response if this preferably rare situation occurs.
		s.w().Raw("* BYE What follows cannot be told from what was compressed\r\n")
		_ = s.w().Flush()
		return errOver
	}
	s.leave()
	s.rev2, s.utf8, s.condstore, s.qresync, s.uidOnly = false, false, false, false, false
	s.w().UTF8 = false
	s.endCompress = s.conn.z != nil
	cmd.code, cmd.text = "CAPABILITY "+s.capabilities(), "Logged out"
	return nil
}
