package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// mail is one account's mail, by way of the API.
type mail struct {
	*connection
	address string
	pause   time.Duration // before a request is sent again, doubled with each
}

func (c *connection) mail(address string) *mail {
	return &mail{connection: c, address: address, pause: 500 * time.Millisecond}
}

func (m *mail) at(parts ...string) string {
	return at(append([]string{"accounts", m.address}, parts...)...)
}

// maxTries is how often a request is sent that the service could not do at the time.
const maxTries = 6

// ask sends a request, again where that may help, and tells whether it did so. It is for what may be done twice.
func (m *mail) ask(ctx context.Context, r request) (body []byte, header http.Header, again bool, err error) {
	for try := 1; ; try++ {
		body, header, err = m.do(ctx, r)
		if err == nil || !temporary(err) || try == maxTries || ctx.Err() != nil {
			return body, header, try > 1, err
		}
		select {
		case <-time.After(m.pause << (try - 1)):
		case <-ctx.Done():
			return nil, nil, true, ctx.Err()
		}
	}
}

// temporary tells whether sending a request again may help.
func temporary(err error) bool {
	p, u := (*problem)(nil), (*unreached)(nil)
	return errors.As(err, &u) || errors.As(err, &p) && (p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests ||
		p.Status == http.StatusBadGateway || p.Status == http.StatusGatewayTimeout || p.Status == http.StatusConflict && strings.HasSuffix(p.Type, ":conflict"))
}

// get reads an answer in JSON.
func (m *mail) get(ctx context.Context, method, path string, query url.Values, into any) error {
	b, _, _, err := m.ask(ctx, request{method: method, path: path, query: query})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("the service's answer can't be read: %w", err)
	}
	return nil
}

// pages reads a list, page by page.
func pages[T any](ctx context.Context, m *mail, path string, query url.Values, each func([]T) error) error {
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := m.get(ctx, http.MethodGet, path, query, &page); err != nil {
			return err
		}
		if err := each(page.Items); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		next := url.Values{"cursor": {page.Next}}
		if limit := query.Get("limit"); limit != "" {
			next.Set("limit", limit)
		}
		query = next
	}
}

// mailbox is a mailbox of the account.
type mailbox struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

func (m *mail) mailboxes(ctx context.Context) (all []mailbox, err error) {
	err = pages(ctx, m, m.at("mailboxes"), url.Values{"limit": {"500"}}, func(page []mailbox) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// chosen are the mailboxes that a command is about: all, if none is named.
type chosen []string

func (c chosen) has(name string) bool {
	for _, want := range c {
		if name == want || strings.HasPrefix(name, want+"/") || strings.EqualFold(want, "INBOX") && strings.EqualFold(name, want) {
			return true
		}
	}
	return len(c) == 0
}

// skipped is a message that was left out.
type skipped struct {
	Where  string `json:"where"`
	Reason string `json:"reason"`
}

// maxTold is how many messages that are left out are told of by name.
const maxTold = 1000

// report is what a transfer did.
type report struct {
	Done    int64     `json:"messages"`
	Bytes   int64     `json:"bytes"`
	Present int64     `json:"already_there"`
	Left    int64     `json:"skipped"`
	Skipped []skipped `json:"skipped_messages"`
	Gone    int64     `json:"gone,omitempty"` // while they were exported
	DryRun  bool      `json:"dry_run,omitempty"`
}

// leave notes a message that is left out.
func (r *report) leave(p *progress, where, reason string) {
	r.Left++
	if len(r.Skipped) < maxTold {
		r.Skipped = append(r.Skipped, skipped{where, reason})
		p.line("skipped: " + where + ": " + reason)
	}
}

// print shows what was done.
func (r *report) print(c *connection, cmd *cobra.Command, did string) error {
	if c.output == "json" {
		if r.Skipped == nil {
			r.Skipped = []skipped{}
		}
		return printJSON(cmd.OutOrStdout(), r)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s: %s (%s)\n", did, plural(r.Done, "message"), octets(r.Bytes))
	if r.Present > 0 {
		fmt.Fprintf(out, "already there: %s\n", plural(r.Present, "message"))
	}
	if r.Gone > 0 {
		fmt.Fprintf(out, "deleted meanwhile: %s\n", plural(r.Gone, "message"))
	}
	if r.Left > 0 {
		fmt.Fprintf(out, "skipped: %s\n", plural(r.Left, "message"))
	}
	return nil
}

// end gives the error of a transfer that left messages out.
func (r *report) end() error {
	if r.Left == 0 {
		return nil
	}
	return fmt.Errorf("%s could not be taken", plural(r.Left, "message"))
}
