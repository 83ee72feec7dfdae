// Package tests holds what is true of the repository as a whole; its folders hold tests
// of the whole service.
package tests

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/godwit-mail/godwit"

// A rule says what packages may import. Patterns are folders of the module, or other
// import paths; "x/..." is x and all below it, "x/*" is what lies directly below it.
type rule struct {
	why    string
	who    []string // to whom it applies
	except []string // but not to these
	only   []string // of this module they import nothing else
	never  []string // they import none of these
}

var (
	ports = []string{"shared/journal", "shared/blob", "shared/queue", "shared/records", "shared/notify"}
	twins = []string{"shared/journal/sqlite", "shared/blob/files", "shared/queue/sqlite", "shared/records/sqlite", "shared/notify/inprocess",
		"shared/journal/dynamodb", "shared/blob/s3", "shared/queue/sqs", "shared/records/dynamodb", "shared/notify/sqs"}
	suites   = []string{"shared/journal/journaltest", "shared/blob/blobtest", "shared/queue/queuetest", "shared/records/recordstest", "shared/notify/notifytest"}
	helpers  = []string{"shared/internal/certtest", "shared/internal/porttest", "shared/blob/files/filestest", "shared/faults", "shared/directory/directorytest", "gateways/internal/gatewaytest", "shared/internal/awsclient/awstest/...", "shared/cloud/cloudtest", "shared/ports/portstest", "shared/resolver/resolvertest"}
	wiring   = []string{".", "gateways", "functions", "shared/serve/...", "shared/cli/...", "shared/cloud", "functions/*/bootstrap"}
	gateways = []string{"gateways/smtp/...", "gateways/pop3/...", "gateways/imap/..."}
	steps    = []string{"functions/deliver/...", "functions/api/...", "functions/compact/...", "functions/sweep/...", "functions/outbound/..."}
)

var rules = []rule{
	{
		why: "mail's nouns are pure: what parses hostile input must be testable and fuzzable alone, and can't leak or block",
		who: []string{"shared/mail/..."}, only: []string{"shared/mail/...", "shared/kinds"},
		never: []string{"os", "os/...", "net", "net/http", "net/http/...", "net/smtp", "database/...", "syscall", "log", "log/slog", "time/tzdata"},
	},
	{
		why: "a port is in mail's own words and knows nobody who uses it or stands behind it",
		who: ports, only: append([]string{"shared/mail/...", "shared/kinds"}, "shared/journal"),
	},
	{
		why: "a twin knows its port and nothing above it, or the other twin could not take its place",
		who: twins, only: slices.Concat(ports, []string{"shared/mail/...", "shared/kinds", "shared/internal/..."}),
	},
	{
		why: "a contract suite runs against any twin, so it names none",
		who: suites, only: slices.Concat(ports, []string{"shared/mail/...", "shared/kinds", "shared/internal/porttest", "shared/faults"}),
	},
	{
		why: "only wiring chooses a twin: everything above the ports is written once",
		who: []string{"./..."}, except: slices.Concat(wiring, twins, helpers, []string{"tests/..."}), never: twins,
	},
	{
		why: "gateways know no other gateway, no function and no wiring: each must be able to run alone",
		who: gateways, never: []string{"functions/...", "shared/serve/...", "shared/cli/...", "gateways"},
	},
	{
		why: "the SMTP gateway is deployed alone",
		who: []string{"gateways/smtp/..."}, never: []string{"gateways/imap/...", "gateways/pop3/..."},
	},
	{
		why: "the IMAP gateway is deployed alone",
		who: []string{"gateways/imap/..."}, never: []string{"gateways/smtp/...", "gateways/pop3/..."},
	},
	{
		why: "IMAP's engine is our own: of the library it takes types, and its client in tests",
		who: []string{"gateways/imap/..."}, never: []string{"github.com/emersion/go-imap/v2/imapserver", "github.com/emersion/go-imap/v2/internal/..."},
	},
	{
		why: "IMAP's syntax is apart from its meaning",
		who: []string{"gateways/imap/wire"}, only: []string{"gateways/imap/wire"},
	},
	{
		why: "the POP3 gateway is deployed alone",
		who: []string{"gateways/pop3/..."}, never: []string{"gateways/smtp/...", "gateways/imap/..."},
	},
	{
		why: "a function's step runs in Lambda, where there is no gateway and no other function",
		who: steps, never: []string{"gateways/...", "shared/serve/...", "shared/cli/...", "functions"},
	},
	{
		why: "a step moves mail without serving anybody",
		who: []string{"functions/deliver/..."}, never: []string{"functions/api/...", "net/http"},
	},
	{
		why: "the API's handler runs without any other function",
		who: []string{"functions/api/..."}, never: []string{"functions/deliver/..."},
	},
	{
		why: "a compaction is between an account's journal and its snapshots",
		who: []string{"functions/compact/...", "functions/sweep/..."}, never: []string{"functions/deliver/...", "functions/api/...", "net/http"},
	},
	{
		why: "what is shared knows none of those who share it",
		who: []string{"shared/..."}, except: []string{"shared/serve/...", "shared/cli/..."},
		never: []string{"gateways/...", "functions/...", "shared/serve/...", "shared/cli/..."},
	},
	{
		why: "the account is written by its store alone, over ports",
		who: []string{"shared/account"}, only: []string{"shared/mail/...", "shared/kinds", "shared/journal", "shared/blob", "shared/notify"},
	},
	{
		why: "one place speaks SQL's driver: group commit and error kinds are its business",
		who: []string{"./..."}, except: []string{"shared/internal/sqlitedb"}, never: []string{"modernc.org/sqlite", "database/sql"},
	},
	{
		why: "another engine is to take the place of this IMAP library, so nothing but its gateway leans on it",
		who: []string{"./..."}, except: []string{"gateways/imap/...", "tests/..."}, never: []string{"github.com/emersion/go-imap/..."},
	},
	{
		why: "HTTP's framework stays in the API, the command line's in the command line",
		who: []string{"./..."}, except: []string{"functions/api/...", "shared/cli/..."},
		never: []string{"github.com/danielgtaylor/huma/...", "github.com/spf13/..."},
	},
	{
		why: "the cloud is named by twins for it, by what gives a process these, and by mains only",
		who: []string{"./..."}, except: []string{"shared/*/dynamodb", "shared/*/s3", "shared/*/sqs", "shared/internal/awsclient/...", "shared/ses", "shared/cloud/...", "functions/internal/lambdaio", "functions/*/bootstrap"},
		never: []string{"github.com/aws/..."},
	},
	{
		why: "one place drives Terraform: plug-ins, state and variables are its business",
		who: []string{"./..."}, except: []string{"shared/deploy/..."}, never: []string{"github.com/hashicorp/..."},
	},
	{
		why: "what tests need is no part of the product",
		who: []string{"./..."}, except: slices.Concat(suites, helpers, []string{"tests/..."}),
		never: []string{"testing", "testing/...", "tests/...", "shared/faults", "pgregory.net/...", "github.com/google/go-cmp/..."},
	},
	{
		why: "main.go only calls the command",
		who: []string{"."}, only: []string{"shared/cli"},
	},
}

func TestEachPackageImportsOnlyWhatItMay(t *testing.T) {
	packages := imports(t)
	for _, r := range rules {
		applied := false
		for dir, imported := range packages {
			if !matches(dir, r.who) || matches(dir, r.except) {
				continue
			}
			applied = true
			for path, file := range imported {
				inner, ours := strings.CutPrefix(path, module+"/")
				if ours && r.only != nil && inner != dir && !matches(inner, r.only) || matches(inner, r.never) {
					t.Errorf("%s imports %s: %s", file, path, r.why)
				}
			}
		}
		if !applied {
			t.Errorf("this rule applies to no package any more: %s (%v)", r.why, r.who)
		}
		for _, who := range slices.Concat(r.who, r.except) {
			if !strings.Contains(who, "*") && !strings.HasSuffix(who, "/...") && !slices.Contains(wiring, who) && packages[who] == nil {
				t.Errorf("there is no package %s any more: %s", who, r.why)
			}
		}
	}
}

// The rules are only as good as the matching.
func TestRulesMatchWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		path, pattern string
		want          bool
	}{
		{"shared/mail", "shared/mail/...", true}, {"shared/mail/address", "shared/mail/...", true}, {"shared/mailer", "shared/mail/...", false},
		{"shared/journal/aws", "shared/*/aws", true}, {"shared/journal/aws/x", "shared/*/aws", false}, {"shared/journal", "shared/journal", true},
		{"shared/journal/sqlite", "shared/journal", false}, {"anything", "./...", true}, {".", "./...", true},
	} {
		if got := matches(c.path, []string{c.pattern}); got != c.want {
			t.Errorf("%s matches %s: %v", c.path, c.pattern, got)
		}
	}
}

func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "./..." {
			return true
		}
		if above, ok := strings.CutSuffix(p, "/..."); ok {
			return path == above || strings.HasPrefix(path, above+"/")
		}
		ok, _ := filepath.Match(p, path)
		return ok
	})
}

// imports reads the import clauses of all files but tests: folder to path to a file that
// has it.
func imports(t *testing.T) map[string]map[string]string {
	t.Helper()
	packages := map[string]map[string]string{}
	eachFile(t, func(name string) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if packages[dir] == nil {
			packages[dir] = map[string]string{}
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			packages[dir][path] = name
		}
	})
	if len(packages) < 20 {
		t.Fatalf("only %d packages were found", len(packages))
	}
	return packages
}

// eachFile names every file of the repository, from its root.
func eachFile(t *testing.T, do func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "godwit-data") {
			return fs.SkipDir
		}
		if !d.IsDir() {
			do(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
