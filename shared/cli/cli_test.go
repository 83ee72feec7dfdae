package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/cli"
)

// run runs the command.
func run(t *testing.T, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Main(cli.Process{Args: args, Env: env, In: strings.NewReader(""), Out: &o, Err: &e,
		Stop: func() (context.Context, context.CancelFunc) {
			return context.WithCancel(context.Background())
		}})
	return code, o.String(), e.String()
}

func TestMistakesAreOneLineThatSaysWhatWasMeant(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	file := filepath.Join(dir, "godwit.yaml")
	if err := os.WriteFile(file, []byte("drain: 5s\nhostnme: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		env  string
		code int
		want string
	}{
		{args: "serv", code: 2, want: `there is no "serv" in 'godwit'; did you mean serve?`},
		{args: "frobnicate", code: 2, want: `there is no "frobnicate" in 'godwit'; see 'godwit --help'`},
		{args: "config shwo", code: 2, want: `there is no "shwo" in 'godwit config'; did you mean show?`},
		{args: "serve now", code: 2, want: `'godwit serve' takes no argument, and was given ["now"]`},
		{args: "key create laptop", code: 2, want: `'godwit key create' takes no argument, and was given ["laptop"]`},
		{args: "tenant show", code: 2, want: `'godwit tenant show' takes NAME, and was given nothing`},
		{args: "domain create a b", code: 2, want: `'godwit domain create' takes NAME, and was given ["a" "b"]`},
		{args: "serve --smpt-address=:25", code: 2, want: "there is no flag --smpt-address; did you mean --smtp-address?"},
		{args: "serve --address=:25", code: 2, want: "--smtp-address"},
		{args: "serve --smtp-address", code: 2, want: "flag needs an argument"},
		{args: "serve --drain=soon", code: 2, want: `--drain: drain "soon" is no time`},
		{args: "serve", env: "GODWIT_LOG_LEVEL=loud", code: 2, want: "GODWIT_LOG_LEVEL: log.level"},
		{args: "config check --config " + file, code: 2, want: file + `:2: there is no setting "hostnme"; the nearest is "hostname"`},
		{args: "config check", env: "GODWIT_CONFIG=" + file, code: 2, want: file + ":2: "},
		{args: "config show -o xml", code: 2, want: `"xml" is none of table, json, yaml`},
		{args: "serve --data " + filepath.Join(dir, "a", "b"), code: 1, want: "choose another one with --data"},
		{args: "serve --data " + filepath.Join(dir, "data") + " --smtp-address 127.0.0.1:" + port, code: 1,
			want: "port " + port + " (smtp, 127.0.0.1:" + port + ") is taken by another program; choose another address with --smtp-address"},
	} {
		t.Run(c.args+c.env, func(t *testing.T) {
			code, _, errs := run(t, []string{c.env}, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "godwit: ") {
				t.Errorf("code %d, %q; want code %d, %q", code, errs, c.code, c.want)
			}
		})
	}
}

func TestNothingToDoPrintsHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"config"}, {"account"}} {
		if code, out, errs := run(t, nil, args...); code != 0 || !strings.Contains(out, "Usage:") || errs != "" {
			t.Errorf("%v: code %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestTheHelpOfServeHasEverySettingWithItsDefault(t *testing.T) {
	_, out, _ := run(t, nil, "serve", "--help")
	for _, want := range []string{"--smtp-address", "127.0.0.1:2525", "GODWIT_SMTP_ADDRESS", "--data", "./godwit-data", "--config"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help lacks %q:\n%s", want, out)
		}
	}
}

func TestConfigShowTellsWhereValuesComeFrom(t *testing.T) {
	code, out, _ := run(t, []string{"GODWIT_DRAIN=3s"}, "config", "show", "--hostname=mail.example.org")
	if code != 0 {
		t.Fatal(code)
	}
	for _, want := range []string{"drain 3s GODWIT_DRAIN", "hostname mail.example.org --hostname", "demo true default"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	code, out, _ = run(t, nil, "config", "show", "-o", "json")
	var all []map[string]string
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 || len(all) < 20 || all[0]["key"] != "data" {
		t.Errorf("code %d, %v: %s", code, err, out)
	}
}

// What 'config show -o yaml' prints is a configuration file with the same values.
func TestConfigShowAsYAMLIsAConfigurationFile(t *testing.T) {
	_, first, _ := run(t, []string{"GODWIT_DRAIN=3s", "GODWIT_IMAP_ADDRESS="}, "config", "show", "-o", "yaml")
	file := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(file, []byte(first), 0o600); err != nil {
		t.Fatal(err)
	}
	code, second, errs := run(t, nil, "config", "show", "-o", "table", "--config", file)
	if code != 0 {
		t.Fatal(errs)
	}
	words := strings.Join(strings.Fields(second), " ")
	if !strings.Contains(words, "drain 3s "+file) || !strings.Contains(words, "imap.address - "+file) || strings.Contains(words, " default") {
		t.Errorf("got:\n%s", second)
	}
}

// stopWhen is an output that asks for the end when it has been told something.
type stopWhen struct {
	bytes.Buffer
	told string
	stop context.CancelFunc
}

func (w *stopWhen) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.told) {
		w.stop()
	}
	return n, err
}

func TestServeEndsInOrderWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopWhen{told: "Godwit is up.", stop: cancel}
	var errs bytes.Buffer
	args := []string{"serve", "--data", filepath.Join(t.TempDir(), "data"), "--demo=false"}
	for _, l := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "api"} {
		args = append(args, "--"+l+"-address=127.0.0.1:0")
	}
	code := cli.Main(cli.Process{Args: args, Out: out, Err: &errs, Stop: func() (context.Context, context.CancelFunc) { return ctx, cancel }})
	if code != 0 || !strings.Contains(out.String(), "Godwit is up.") || !strings.Contains(errs.String(), "drained") {
		t.Errorf("code %d, %q, %q", code, out.String(), errs.String())
	}
}
