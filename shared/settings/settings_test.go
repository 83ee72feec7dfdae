package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/settings"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEachSourceBeatsTheOneBeforeIt(t *testing.T) {
	path := file(t, "# ours\nhostname: from.file\ndrain: 1s\nsmtp:\n  address: :25\nlimits:\n  message-size: 10MiB\n")
	env := []string{"GODWIT_DRAIN=2s", "GODWIT_SMTP_ADDRESS=127.0.0.1:26", "PATH=/bin"}
	s, from, err := settings.Load(settings.Serve, path, env, map[string]string{"smtp-address": "", "demo": "false"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Hostname != "from.file" || s.Drain != 2*time.Second || s.SMTPAddress != "" || s.MessageSize != 10<<20 || s.Demo ||
		s.IMAPAddress != "127.0.0.1:2143" {
		t.Errorf("got %+v", s)
	}
	for key, want := range map[string]string{"hostname": path + ":2", "drain": "GODWIT_DRAIN", "smtp.address": "--smtp-address",
		"limits.message-size": path + ":7", "imap.address": settings.Default} {
		if from[key] != want {
			t.Errorf("%s comes from %q, want %q", key, from[key], want)
		}
	}
}

func TestMistakesNameTheirPlaceAndTheNearestName(t *testing.T) {
	for _, c := range []struct {
		name, file string
		env        []string
		flags      map[string]string
		want       []string
	}{
		{name: "unknown key", file: "hostname: a\nhostnam: b\n", want: []string{`godwit.yaml:2: there is no setting "hostnam"; the nearest is "hostname"`}},
		{name: "unknown group", file: "smpt:\n  address: :25\n", want: []string{`:1: there is no setting "smpt"; the nearest is "smtp"`}},
		{name: "unknown key in a group", file: "smtp:\n  adress: :25\n", want: []string{`:2: there is no setting "smtp.adress"; the nearest is "smtp.address"`}},
		{name: "twice", file: "drain: 1s\ndrain: 2s\n", want: []string{":2: drain stands in line 1 already"}},
		{name: "no value", file: "smtp: :25\n", want: []string{`:1: there must be settings (name: value) under "smtp"`}},
		{name: "a list", file: "drain: [1s]\n", want: []string{":1: drain must be one value"}},
		{name: "an alias", file: "hostname: &a b\ndata: *a\n", want: []string{":2: data must be one value"}},
		{name: "no YAML", file: "drain: 1s\ndata: b: c\n", want: []string{"godwit.yaml: line 2: "}},
		{name: "bad size", file: "limits:\n  message-size: 5 apples\n", want: []string{`:2: limits.message-size "5 apples" is no size`}},
		{name: "too small", env: []string{"GODWIT_LIMITS_MESSAGE_SIZE=1"}, want: []string{"GODWIT_LIMITS_MESSAGE_SIZE: limits.message-size 1 is not between 64KiB and 1GiB"}},
		{name: "bad address", flags: map[string]string{"smtp-address": "25"}, want: []string{`--smtp-address: smtp.address "25" is no address`}},
		{name: "bad port", flags: map[string]string{"smtp-address": ":99999"}, want: []string{`--smtp-address: smtp.address ":99999" has no port`}},
		{name: "variable misspelt", env: []string{"GODWIT_SMTP_ADRESS=:25"}, want: []string{"GODWIT_SMTP_ADRESS: there is no such variable; did you mean GODWIT_SMTP_ADDRESS?"}},
		{name: "half a certificate", flags: map[string]string{"tls-key": "k"}, want: []string{"--tls-key: tls.key needs tls.certificate beside it"}},
		{name: "same address", flags: map[string]string{"smtp-address": ":25", "imap-address": ":25"}, want: []string{"--imap-address: imap.address is the address of smtp.address as well (:25)"}},
		{name: "no room for a message", flags: map[string]string{"limits-temp-disk": "1MiB"}, want: []string{"limits.temp-disk (1MiB, --limits-temp-disk) is too small"}},
		{name: "all of them", file: "drain: x\n", env: []string{"GODWIT_DEMO=perhaps"}, flags: map[string]string{"log-level": "loud"},
			want: []string{`godwit.yaml:1: drain "x" is no time`, `GODWIT_DEMO: demo "perhaps" is neither yes nor no`, `--log-level: log.level "loud" is none of debug`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ""
			if c.file != "" {
				path = file(t, c.file)
			}
			_, _, err := settings.Load(settings.Serve, path, c.env, c.flags)
			if err == nil {
				t.Fatal("there was no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if n := strings.Count(err.Error(), "\n") + 1; n != len(c.want) {
				t.Errorf("%d errors, want %d: %v", n, len(c.want), err)
			}
		})
	}
}

func TestAMissingFileIsAnError(t *testing.T) {
	_, _, err := settings.Load(settings.Serve, filepath.Join(t.TempDir(), "none.yaml"), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "none.yaml: no such file") {
		t.Errorf("got %v", err)
	}
}

func TestOtherPeoplesVariablesAreLetBe(t *testing.T) {
	if _, _, err := settings.Load(settings.Serve, "", []string{"GODWIT_SERVICE_HOST=10.0.0.1", "GODWIT_PORT=tcp://10.0.0.1:25"}, nil); err != nil {
		t.Error(err)
	}
}

// What is shown is what may be written: the file made of the effective values gives them
// again.
func TestValuesCanBeReadBack(t *testing.T) {
	s, _, err := settings.Load(settings.Serve, "", nil, map[string]string{"limits-message-size": "3000KiB", "drain": "90s", "api-address": "[::1]:80",
		"proxy-from": "10.0.1.0/24, fd00::1"})
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]string{}
	for _, f := range s.Fields() {
		flags[f.Flag()] = f.String()
	}
	again, _, err := settings.Load(settings.Serve, "", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, s) {
		t.Errorf("got %+v, want %+v", again, s)
	}
}

func TestEveryFieldIsDocumentedOnce(t *testing.T) {
	for _, role := range []settings.Role{settings.Serve, settings.Gateway} {
		flags := map[string]bool{}
		for _, f := range settings.Table(role) {
			if f.Help == "" || flags[f.Flag()] {
				t.Errorf("%s: help %q, or a flag that is there twice", f.Key, f.Help)
			}
			flags[f.Flag()] = true
		}
	}
}

func TestAGatewayHasDefaultsOfItsOwn(t *testing.T) {
	s, _, err := settings.Load(settings.Gateway, "", []string{"GODWIT_AWS_BUCKET=mail", "GODWIT_PROXY_FROM=10.0.1.7/24,10.9.9.9", "GODWIT_API_ADDRESS=127.0.0.1:2081"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Drain != 110*time.Second || s.Data != "" || s.AWSName != "godwit" || fmt.Sprint(s.ProxyFrom) != "[10.0.1.0/24 10.9.9.9/32]" {
		t.Errorf("got %+v", s)
	}
	for _, env := range [][]string{{}, {"GODWIT_AWS_BUCKET=mail", "GODWIT_PROXY_FROM=10.0.1"}} {
		if _, _, err := settings.Load(settings.Gateway, "", env, nil); err == nil {
			t.Errorf("%v: there was no error", env)
		}
	}
}
