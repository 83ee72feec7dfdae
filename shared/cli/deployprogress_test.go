package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/deploy"
)

// told is what a plan of two things and its execution look like.
func told(terminal bool) string {
	var b bytes.Buffer
	p := newProgress(&b, terminal)
	p.say("looking")
	plan := &deploy.Plan{Changes: []deploy.Event{
		{What: deploy.Planned, Resource: "aws_sqs_queue.deliver", Action: "create"}, {What: deploy.Planned, Resource: "aws_kms_key.k", Action: "update"}}}
	p.event(plan.Changes[0])
	p.begin(plan)
	p.event(deploy.Event{What: deploy.Started, Resource: "aws_sqs_queue.deliver", Action: "create"})
	p.event(deploy.Event{What: deploy.Started, Resource: "aws_kms_key.k", Action: "update"})
	p.event(deploy.Event{What: deploy.Waiting, Resource: "aws_sqs_queue.deliver", Action: "create", Took: 10 * time.Second})
	p.event(deploy.Event{What: deploy.Failed, Resource: "aws_kms_key.k", Action: "update", Took: time.Second})
	p.event(deploy.Event{What: deploy.Warning, Text: "old\x1b[2J"})
	p.event(deploy.Event{What: deploy.Done, Resource: "aws_sqs_queue.deliver", Action: "create", Took: 12 * time.Second})
	p.end()
	return b.String()
}

func TestProgressIsAPlainLineForEachThingWhereThereIsNoTerminal(t *testing.T) {
	want := `looking
1 to create, 1 to change, 0 to remove
0 of 2  change aws_kms_key.k: failed after 1s
warning: old?[2J
1 of 2  create aws_sqs_queue.deliver: done after 12s
`
	if got := told(false); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestProgressOnATerminalShowsWhatIsGoingOn(t *testing.T) {
	got := told(true)
	for _, want := range []string{"waiting for aws_sqs_queue.deliver (10s) and 1 more", "\r\x1b[K1 of 2  create aws_sqs_queue.deliver: done after 12s\n"} {
		if !strings.Contains(strings.ReplaceAll(got, "\r\x1b[K\r\x1b[K", "\r\x1b[K"), want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if !strings.HasSuffix(got, "\n") && !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("the cursor is left within a line: %q", got)
	}
	if strings.Contains(got, "\x1b[2J") {
		t.Errorf("a text has moved the cursor: %q", got)
	}
}

func TestOnlyAYesIsOne(t *testing.T) {
	for answer, want := range map[string]bool{"yes\n": true, " yes \n": true, "yes": true, "y\n": false, "YES\n": false, "\n": false, "": false, "yes, no\n": false} {
		var b bytes.Buffer
		if got := ask(strings.NewReader(answer), &b, "Do this?"); got != want || !strings.HasPrefix(b.String(), "Do this?") {
			t.Errorf("%q: %v, %q", answer, got, b.String())
		}
	}
}

func TestSettingsAreQuotedForAShell(t *testing.T) {
	var b bytes.Buffer
	printEnvironment(&b, deploy.Outputs{"name": "it's $HOME"})
	if b.String() != `export GODWIT_AWS_NAME='it'\''s $HOME'`+"\n" {
		t.Errorf("%q", b.String())
	}
}
