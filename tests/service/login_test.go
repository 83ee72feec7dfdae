package service_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/godwit-mail/godwit/tests/provider"
	"github.com/godwit-mail/godwit/tests/world"
)

// sasl is how each protocol carries an exchange: how a connection begins, the command, what
// a challenge begins with, and what an answer does that is good.
type sasl struct{ listener, hello, ready, command, challenge, good string }

func protocols() map[string]sasl {
	return map[string]sasl{
		"imap":       {"imaps", "a CAPABILITY", "a OK", "b AUTHENTICATE", "+ ", "b OK"},
		"pop3":       {"pop3s", "CAPA", ".", "AUTH", "+ ", "+OK"},
		"submission": {"submissions", "EHLO client.test", "250 HELP", "AUTH", "334 ", "235 "},
	}
}

// connect connects and lets the client see what the server can do.
func (p sasl) connect(t *testing.T, w *world.World) *session {
	t.Helper()
	c, err := w.Dial(t.Context(), p.listener)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s := &session{Conn: tls.Client(c, w.TLS())}
	s.in = bufio.NewReader(s)
	if _, err := s.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if can := strings.Join(s.say(t, p.hello, p.ready), ""); !strings.Contains(can, "SCRAM-SHA-256-PLUS") {
		t.Fatalf("the server can do %s", can)
	}
	return s
}

// speak runs an exchange whose responses answer gives, and returns the answer to it.
func (p sasl) speak(t *testing.T, s *session, mechanism string, answer func(challenge string) string) string {
	t.Helper()
	say := p.command + " " + mechanism
	for {
		if _, err := fmt.Fprintf(s, "%s\r\n", say); err != nil {
			t.Fatal(err)
		}
		line, err := s.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimRight(line, "\r\n")
		challenge, more := strings.CutPrefix(line, p.challenge)
		if !more {
			return line
		}
		b, err := base64.StdEncoding.DecodeString(challenge)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		say = base64.StdEncoding.EncodeToString([]byte(answer(string(b))))
	}
}

func TestScramOverEachProtocol(t *testing.T) {
	w := world.New(t)
	for name, p := range protocols() {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				what, mechanism, user, password string
				good                            bool
			}{
				{"the password", "SCRAM-SHA-256", world.Alice, world.Password, true},
				{"the password, bound to the connection", "SCRAM-SHA-256-PLUS", world.Alice, world.Password, true},
				{"another password", "SCRAM-SHA-256", world.Alice, "another horse", false},
				{"nobody", "SCRAM-SHA-256-PLUS", "nobody@demo.test", world.Password, false},
				{"a downgrade", "", world.Alice, world.Password, false},
			} {
				s := p.connect(t, w)
				client, err := scram.SHA256.NewClient(c.user, c.password, "")
				if err != nil {
					t.Fatal(err)
				}
				talk := client.NewConversation()
				switch c.mechanism {
				case "SCRAM-SHA-256-PLUS":
					state := s.Conn.(*tls.Conn).ConnectionState()
					binding, err := scram.NewTLSExporterBinding(&state)
					if err != nil {
						t.Fatal(err)
					}
					talk = client.NewConversationWithChannelBinding(binding)
				case "": // somebody between the two has taken -PLUS out of what is announced
					c.mechanism, talk = "SCRAM-SHA-256", client.NewConversationAdvertisingChannelBinding()
				}
				got := p.speak(t, s, c.mechanism, func(challenge string) string {
					response, err := talk.Step(challenge)
					if err != nil {
						t.Fatalf("%s: %q: %v", c.what, challenge, err)
					}
					return response
				})
				if strings.HasPrefix(got, p.good) != c.good || talk.Valid() != c.good {
					t.Errorf("%s: %s, and the client trusts the server: %v", c.what, got, talk.Valid())
				}
			}
		})
	}
}

func TestTokensOverEachProtocol(t *testing.T) {
	p := provider.New(t)
	token := func(more map[string]any) string { return p.Token("rsa", p.Claims(world.Alice, time.Now(), more)) }
	const bearer, old = "OAUTHBEARER", "XOAUTH2"
	for name, protocol := range protocols() {
		t.Run(name, func(t *testing.T) {
			w := world.Start(t, world.Config{Settings: map[string]string{"openid-private": "true"}})
			w.Admin("PUT", "/v1/tenants/demo/settings", fmt.Sprintf(`{"openid":{"issuer":%q,"audience":%q}}`, p.URL, provider.Audience))
			for _, c := range []struct {
				what, mechanism, user, token string
				good                         bool
			}{
				{"a good one", bearer, world.Alice, token(nil), true},
				{"a good one", old, world.Alice, token(nil), true},
				{"a large one", bearer, world.Alice, token(map[string]any{"groups": strings.Repeat("group ", 900)}), true},
				{"one that has expired", bearer, world.Alice, token(map[string]any{"exp": 1}), false},
				{"another's", old, world.Bob, token(nil), false},
				{"nobody's", bearer, "nobody@demo.test", token(nil), false},
			} {
				message := "n,a=" + c.user + ",\x01host=localhost\x01auth=Bearer " + c.token + "\x01\x01"
				if c.mechanism == old {
					message = "user=" + c.user + "\x01auth=Bearer " + c.token + "\x01\x01"
				}
				story := ""
				got := protocol.speak(t, protocol.connect(t, w), c.mechanism, func(challenge string) string {
					if challenge == "" {
						return message
					}
					story = challenge
					return "\x01"
				})
				if strings.HasPrefix(got, protocol.good) != c.good {
					t.Errorf("%s by %s: %s", c.what, c.mechanism, got)
				}
				if told := strings.Contains(story, p.URL+"/.well-known/openid-configuration"); told == c.good {
					t.Errorf("%s by %s: the client is told %q", c.what, c.mechanism, story)
				}
			}
		})
	}
}
