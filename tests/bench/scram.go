package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// scramKeys are what a client keeps of each user, so that it need not derive it for each of
// many connections.
type scramKeys struct{ salted sync.Map }

// enter logs in by SCRAM-SHA-256 (RFC 7677), which costs the server no password hash.
func (k *scramKeys) enter(addr, user string) (*client, error) {
	c, err := connect(addr)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding
	bare := "n=" + user + ",r=" + rand.Text()
	tag := c.send("AUTHENTICATE SCRAM-SHA-256 %s", b64.EncodeToString([]byte("n,,"+bare)))
	challenge, err := c.challenge()
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	for a := range strings.SplitSeq(challenge, ",") {
		name, value, _ := strings.Cut(a, "=")
		attributes[name] = value
	}
	salted, err := k.of(attributes["s"], attributes["i"])
	if err != nil {
		return nil, err
	}
	final := "c=biws,r=" + attributes["r"]
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	for i, x := range mac(stored[:], bare+","+challenge+","+final) {
		key[i] ^= x
	}
	fmt.Fprintf(c.out, "%s\r\n", b64.EncodeToString([]byte(final+",p="+b64.EncodeToString(key))))
	if _, err := c.challenge(); err != nil {
		return nil, err
	}
	_, _ = c.out.WriteString("\r\n")
	return c, c.finish(tag)
}

// of gives the salted password.
func (k *scramKeys) of(salt, iterations string) ([]byte, error) {
	if got, ok := k.salted.Load(salt + iterations); ok {
		return got.([]byte), nil
	}
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(iterations)
	if err != nil {
		return nil, err
	}
	salted, err := pbkdf2.Key(sha256.New, password, raw, n, sha256.Size)
	k.salted.Store(salt+iterations, salted)
	return salted, err
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// challenge reads what the server asks for.
func (c *client) challenge() (string, error) {
	if err := c.out.Flush(); err != nil {
		return "", err
	}
	line, err := c.line()
	if err != nil {
		return "", err
	}
	text, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("+ "))
	if !ok {
		return "", fmt.Errorf("the server says %q", line)
	}
	b, err := base64.StdEncoding.DecodeString(string(text))
	return string(b), err
}
