package directory

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// scramIterations is far above the 4,096 that RFC 7677 asks for.
const scramIterations = 100_000

// makeScram gives the SCRAM-SHA-256 verifier of a prepared password, so that the
// mechanism can be offered without asking people for new passwords.
// RFC 5803, section 2: the form is "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>".
func makeScram(prepared string, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, prepared, salt, iterations, sha256.Size)
	if err != nil {
		return "", kinds.Wrap(kinds.Internal, err, "directory: SCRAM verifier")
	}
	// RFC 5802, section 3: ClientKey := HMAC(SaltedPassword, "Client Key"), StoredKey := H(ClientKey), ServerKey := HMAC(SaltedPassword, "Server Key")
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64.EncodeToString(salt),
		b64.EncodeToString(stored[:]), b64.EncodeToString(mac(salted, "Server Key"))), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
