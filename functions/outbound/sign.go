package outbound

import (
	"context"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/spool"
)

// sign gives the fields by which the domain of the reverse-path, or SignAs, signs the message;
// what is another's is sealed, or left as it is. An error is why it can't be signed now.
func (s *Step) sign(ctx context.Context, m *spool.Mail) (string, error) {
	if s.Signer == nil || m.BodyHash == nil || m.HeaderLen == 0 {
		return "", nil
	}
	if m.ARC != "" {
		return s.seal(ctx, m)
	}
	domain := m.SignAs
	if at := strings.LastIndexByte(m.From, '@'); at >= 0 && domain == "" {
		domain = strings.ToLower(m.From[at+1:])
	}
	if domain == "" {
		return "", nil
	}
	section, err := s.section(ctx, m, m.HeaderLen)
	if err != nil {
		return "", err
	}
	fields, err := s.Signer.Sign(ctx, domain, dkim.ParseHeader(section), m.BodyHash)
	if kinds.Is(err, kinds.Invalid) {
		return "", nil // it has no author
	}
	return fields, err
}

// seal gives the ARC set by which the domain that forwards a message says what it was when it
// came (RFC 8617).
func (s *Step) seal(ctx context.Context, m *spool.Mail) (string, error) {
	alias := m.To[0].Alias // all have the same domain
	results := ""
	for f := range header.All(m.Head) {
		if f.Is("Authentication-Results") {
			results = strings.TrimSpace(string(f.Value))
			break
		}
	}
	if results == "" {
		return "", nil
	}
	section, err := s.section(ctx, m, m.HeaderLen)
	if err != nil {
		return "", err
	}
	return s.Signer.Seal(ctx, alias[strings.LastIndexByte(alias, '@')+1:], dkim.ParseHeader(section), m.BodyHash, dkim.Chain{Result: dkim.Result(m.ARC)}, results)
}
