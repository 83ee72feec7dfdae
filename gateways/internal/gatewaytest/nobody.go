package gatewaytest

import (
	"context"

	"github.com/godwit-mail/godwit/shared/directory"
)

// Nobody is the part of a login.Directory that judges what is no password: nobody gets in.
type Nobody struct{}

// Scram has no keys.
func (Nobody) Scram(context.Context, string) (*directory.Scram, error) {
	return &directory.Scram{Salt: make([]byte, 16), Iterations: 4096}, nil
}

// Token knows no provider.
func (Nobody) Token(context.Context, string) (*directory.Token, error) {
	return new(directory.Token), nil
}
