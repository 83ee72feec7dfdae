package imap

import "github.com/emersion/go-imap/v2"

// The states in which a command may be given.
type state uint8

const (
	anyState  state = iota
	stranger        // before login
	member          // after it
	inMailbox       // with a mailbox selected
)

// handler is how a command is answered. Its error is what the client is told: a
// *imap.Error, or a wire.SyntaxError for BAD; any other ends the session.
type handler struct {
	state   state
	uid     bool   // may begin with UID
	numbers bool   // without UID it goes by sequence numbers, which must stay as they are
	streams bool   // takes its literals itself
	tooLong string // what is said of a literal beyond maxLiteral, if it isn't the usual
	run     func(*session, *command) error
}

func handlers() map[string]handler {
	return map[string]handler{
		"CAPABILITY":     {run: (*session).capability},
		"NOOP":           {run: (*session).noop},
		"ID":             {run: (*session).id},
		"LOGOUT":         {run: (*session).logout},
		"STARTTLS":       {state: stranger, run: (*session).startTLS},
		"LOGIN":          {state: stranger, run: (*session).login},
		"AUTHENTICATE":   {state: stranger, run: (*session).authenticate},
		"UNAUTHENTICATE": {state: member, run: (*session).unauthenticate},
		"ENABLE":         {state: member, run: (*session).enable},
		"SELECT":         {state: member, run: (*session).selectBox},
		"EXAMINE":        {state: member, run: (*session).selectBox},
		"CREATE":         {state: member, run: (*session).create},
		"DELETE":         {state: member, run: (*session).delete},
		"RENAME":         {state: member, run: (*session).rename},
		"SUBSCRIBE":      {state: member, run: (*session).subscribe},
		"UNSUBSCRIBE":    {state: member, run: (*session).subscribe},
		"LIST":           {state: member, run: (*session).list},
		"LSUB":           {state: member, run: (*session).list},
		"NAMESPACE":      {state: member, run: (*session).namespace},
		"STATUS":         {state: member, run: (*session).status},
		"GETACL":         {state: member, run: (*session).getACL},
		"SETACL":         {state: member, run: (*session).setACL},
		"DELETEACL":      {state: member, run: (*session).setACL},
		"LISTRIGHTS":     {state: member, run: (*session).listRights},
		"MYRIGHTS":       {state: member, run: (*session).myRights},
		"GETQUOTA":       {state: member, run: (*session).getQuota},
		"GETQUOTAROOT":   {state: member, run: (*session).getQuotaRoot},
		"SETQUOTA":       {state: member, run: (*session).setQuota},
		"GETMETADATA":    {state: member, run: (*session).getMetadata},
		"SETMETADATA":    {state: member, tooLong: tooLongNote, run: (*session).setMetadata},
		"APPEND":         {state: member, streams: true, run: (*session).append},
		"NOTIFY":         {state: member, run: (*session).notify},
		"IDLE":           {state: member, run: (*session).idling},
		"COMPRESS":       {state: member, run: (*session).compress},
		"CHECK":          {state: member, run: (*session).noop},
		"CLOSE":          {state: inMailbox, run: (*session).close},
		"UNSELECT":       {state: inMailbox, run: (*session).close},
		"EXPUNGE":        {state: inMailbox, uid: true, run: (*session).expunge},
		"SEARCH":         {state: inMailbox, uid: true, numbers: true, run: (*session).search},
		"ESEARCH":        {state: member, run: (*session).esearch},
		"CANCELUPDATE":   {state: member, run: (*session).cancelUpdate},
		"SORT":           {state: inMailbox, uid: true, numbers: true, run: (*session).sort},
		"THREAD":         {state: inMailbox, uid: true, numbers: true, run: (*session).thread},
		"FETCH":          {state: inMailbox, uid: true, numbers: true, run: (*session).fetch},
		"STORE":          {state: inMailbox, uid: true, numbers: true, run: (*session).store},
		"COPY":           {state: inMailbox, uid: true, run: (*session).copy},
		"MOVE":           {state: inMailbox, uid: true, run: (*session).move},
		"UIDBATCHES":     {state: inMailbox, run: (*session).uidBatches},
		"REPLACE":        {state: inMailbox, uid: true, streams: true, run: (*session).replace},
	}
}

// unfit says why a command can't be given now.
//
// RFC 9586, section 3: the client has given up sequence numbers when it has enabled UIDONLY.
func (s *session) unfit(cmd *command, h handler) error {
	switch want := h.state; {
	case want == stranger && s.account != nil:
		return bad("You are logged in already")
	case want >= member && s.account == nil:
		return bad("Log in first")
	case want == inMailbox && s.view == nil:
		return bad("No mailbox is selected")
	case s.uidOnly && h.uid && !cmd.uid && cmd.name != "EXPUNGE":
		return errUIDRequired()
	}
	return nil
}

func errUIDRequired() error {
	return &imap.Error{Type: imap.StatusResponseTypeBad, Code: "UIDREQUIRED", Text: "Sequence numbers were given up"}
}
