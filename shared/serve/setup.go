package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// The demo: a tenant with a domain and two accounts.
const (
	demoTenant = "demo"
	demoDomain = "demo.test"
	demoReader = "alice@demo.test"
	demoWriter = "bob@demo.test"
)

// setupName marks a folder whose first start has not come to its end, so that the next
// one completes it.
const setupName = "SETUP"

// Demo is what was made for a newcomer. Its passwords are kept nowhere.
type Demo struct {
	Accounts []DemoAccount // the first is who gets mail in what is printed
}

// DemoAccount is one account of the demo.
type DemoAccount struct{ Address, Password string }

// begin tells whether this is the folder's first start, and marks it so.
func (f *folder) begin() (first bool, err error) {
	for name, then := range map[string]bool{databaseName: false, setupName: true} {
		_, err := os.Stat(f.in(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			first = first || name == databaseName
		case err != nil:
			return false, unusable(f.path, err)
		default:
			first = first || then
		}
	}
	if !first {
		return false, nil
	}
	if err := writeSecret(f.in(setupName), []byte("the first start is not complete\n")); err != nil {
		return false, unusable(f.path, err)
	}
	return true, nil
}

// complete takes the mark away.
func (f *folder) complete() error {
	if err := os.Remove(f.in(setupName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unusable(f.path, err)
	}
	return nil
}

// ensureKey writes the service's first API key where the command line finds it.
func (s *Service) ensureKey(ctx context.Context) error {
	name := s.folder.in(keyName)
	b, err := os.ReadFile(name)
	if err == nil {
		if _, err := s.directory.Login(ctx, strings.TrimSpace(string(b))); kinds.Is(err, kinds.Unauthenticated) {
			s.log.Warn("the key in this file is not, or no longer, a key of this service; remove the file and start again for a new one", "file", name)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return unusable(s.folder.path, err)
	}
	scope := directory.ServiceScope("system")
	key, secret, err := s.directory.CreateMailKey(ctx, scope, "", "", "admin.key of this machine")
	if err != nil {
		return err
	}
	if err := writeSecret(name, []byte(secret+"\n")); err != nil {
		return errors.Join(unusable(s.folder.path, err), s.directory.DeleteKey(ctx, scope, key.ID, ""))
	}
	s.log.Info("made a key of the service", "file", name, "key", key.ID)
	return nil
}

// makeDemo makes the demo's tenant, domain and accounts, or completes what an earlier
// attempt has made of them. A password that was made before was never told to anybody,
// so it is replaced.
func (s *Service) makeDemo(ctx context.Context) error {
	scope := directory.ServiceScope("system")
	if _, err := s.directory.CreateTenant(ctx, scope, demoTenant); err != nil && !kinds.Is(err, kinds.Exists) {
		return err
	}
	if _, err := s.directory.CreateDomain(ctx, scope, demoTenant, demoDomain); err != nil && !kinds.Is(err, kinds.Exists) {
		return err
	}
	demo := &Demo{}
	for _, address := range []string{demoReader, demoWriter} {
		password := s.options.DemoPassword
		if password == "" {
			password = strings.ToLower(rand.Text()[:16])
		}
		_, err := s.directory.CreateAccount(ctx, scope, directory.NewAccount{Address: address, Password: password})
		if kinds.Is(err, kinds.Exists) {
			_, err = s.directory.SetPassword(ctx, scope, address, "", password)
		}
		if err != nil {
			return err
		}
		demo.Accounts = append(demo.Accounts, DemoAccount{address, password})
	}
	s.demo = demo
	return nil
}
