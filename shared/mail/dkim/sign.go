package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Signer signs for a domain.
type Signer struct {
	Domain   string
	Selector string
	Key      crypto.Signer // *rsa.PrivateKey or ed25519.PrivateKey
	// Expire is how long signatures are good for; 0 is for ever.
	Expire time.Duration
}

// signedNames are the fields that are signed when they are there.
//
// RFC 6376, section 5.4.1: fields that say what the message is and who wrote it.
var signedNames = []string{"From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "To", "Cc", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "Content-ID", "Content-Description", "Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc",
	"Resent-Message-ID", "In-Reply-To", "References", "List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe",
	"List-Post", "List-Owner", "List-Archive", "TLS-Required"}

// once are the fields of which there is one at most: they are named once more than they
// are there, so that none can be added.
var once = []string{"From", "Subject", "Date", "Message-ID", "To", "Cc", "Reply-To", "Content-Type", "MIME-Version"}

// Sign gives the DKIM-Signature field of a message, with its line end, to be put before
// it. bodyHash is that of the relaxed body. kinds.Invalid: the message has no From.
func (s *Signer) Sign(h *Header, bodyHash []byte, now time.Time) (string, error) {
	if len(h.All("From")) == 0 {
		return "", kinds.Errorf(kinds.Invalid, "dkim: no From to sign")
	}
	names := h.toSign()
	field := fmt.Sprintf("DKIM-Signature: v=1; a=%s; c=relaxed/relaxed; d=%s; s=%s;\r\n\tt=%d;", s.algorithm(), s.Domain, s.Selector, now.Unix())
	if s.Expire > 0 {
		field += fmt.Sprintf(" x=%d;", now.Add(s.Expire).Unix())
	}
	field += "\r\n\th=" + fold(strings.Join(names, ":"), ":") + ";\r\n\tbh=" + base64.StdEncoding.EncodeToString(bodyHash) + ";\r\n\tb="
	return s.seal(h, names, field)
}

// seal puts the value after a field that ends with "b=".
func (s *Signer) seal(h *Header, names []string, field string) (string, error) {
	sig := signature{names: names, header: Relaxed, raw: []byte(field + "\r\n")}
	value, err := s.sign(sig.signed(h))
	if err != nil {
		return "", err
	}
	return field + fold(base64.StdEncoding.EncodeToString(value), "") + "\r\n", nil
}

func (s *Signer) sign(text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	var hash crypto.Hash // Ed25519 signs the hash as it is
	if _, ok := s.Key.(*rsa.PrivateKey); ok {
		hash = crypto.SHA256
	}
	value, err := s.Key.Sign(rand.Reader, sum[:], hash)
	return value, kinds.Wrap(kinds.Internal, err, "dkim: sign")
}

func (s *Signer) algorithm() string {
	if _, ok := s.Key.(ed25519.PrivateKey); ok {
		return "ed25519-sha256"
	}
	return "rsa-sha256"
}

// Record gives the text that belongs at SELECTOR._domainkey.DOMAIN.
func (s *Signer) Record() (string, error) {
	switch pub := s.Key.Public().(type) {
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub), nil
	default:
		raw, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return "", kinds.Wrap(kinds.Invalid, err, "dkim: key")
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(raw), nil
	}
}

// toSign gives the names for h=.
func (h *Header) toSign() []string {
	var names []string
	for _, name := range signedNames {
		for range h.byName[strings.ToLower(name)] {
			names = append(names, name)
		}
		if contains(once, name) {
			names = append(names, name)
		}
	}
	return names
}

// fold breaks a long value into lines: anywhere, or after each sep that comes too late.
func fold(s, sep string) string {
	const width = 70
	var b bytes.Buffer
	for len(s) > width {
		at := width
		if sep != "" {
			if i := strings.LastIndex(s[:width], sep); i > 0 {
				at = i + 1
			}
		}
		b.WriteString(s[:at] + "\r\n\t")
		s = s[at:]
	}
	return b.String() + s
}
