package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultURL  = "http://127.0.0.1:2080"
	defaultData = "godwit-data"
	maxAnswer   = 16 << 20 // bytes
	timeout     = 60 * time.Second
)

// connection is where the API is and how its answers are shown.
type connection struct {
	url, key, data, output string
}

// flags adds the connection to a command and all below it.
func (c *connection) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&c.url, "url", "", "the API's address (or GODWIT_URL; default "+defaultURL+")")
	f.StringVar(&c.key, "key", "", "the API key (or GODWIT_KEY; default the one in DATA/admin.key)")
	f.StringVar(&c.data, "data", "", "the service's data folder, for its admin.key (or GODWIT_DATA; default ./"+defaultData+")")
	f.StringVarP(&c.output, "output", "o", "table", "table or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkPersistentFlagDirname("data")
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// secret is the key to send.
func (c *connection) secret() (string, error) {
	if k := first(c.key, os.Getenv("GODWIT_KEY")); k != "" {
		return strings.TrimSpace(k), nil
	}
	file := filepath.Join(first(c.data, os.Getenv("GODWIT_DATA"), defaultData), "admin.key")
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("no API key: give --key or GODWIT_KEY, or --data for the folder that has admin.key (%w)", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// object is what the API shows of one thing.
type object = map[string]any

// problem is an error that the API has explained.
type problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

func (p *problem) Error() string {
	text := first(p.Detail, p.Title, http.StatusText(p.Status))
	for _, e := range p.Errors {
		text += fmt.Sprintf("; %s: %s", strings.TrimPrefix(e.Location, "body."), e.Message)
	}
	return text
}

const absentType = "urn:godwit:problem:not-found"

// absent says what isn't there, or isn't for the key's eyes: the API doesn't tell which.
func absent(method, path string) string {
	collection, rest, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	name, _, _ := strings.Cut(rest, "/")
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	what := map[string]string{"tenants": "tenant", "domains": "domain", "accounts": "account", "aliases": "alias", "groups": "group",
		"keys": "key", "queue": "parked job"}[collection]
	if name == "" || what == "" {
		if method == http.MethodPost {
			return "the tenant or domain that it is to belong to is not there, or not this key's"
		}
		return "the tenant or domain is not there, or not this key's"
	}
	if _, below, ok := strings.Cut(rest, "/app-passwords/"); ok {
		return fmt.Sprintf("there is no account %q with an app password %q, or it is not this key's", name, below)
	}
	return fmt.Sprintf("there is no %s %q, or it is not this key's", what, name)
}

// call sends one request and gives the answer and its ETag. Nothing is sent again by
// itself: who isn't sure that a creation was done looks.
func (c *connection) call(ctx context.Context, method, path string, query url.Values, match string, body any) (object, string, error) {
	r := request{method: method, path: path, query: query, header: http.Header{}}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, "", err
		}
		r.body = [][]byte{b}
		r.header.Set("Content-Type", "application/json")
	}
	if match != "" {
		r.header.Set("If-Match", match)
	}
	return c.ask(ctx, r)
}

// ask sends a request whose answer is one object, and gives that and its ETag.
func (c *connection) ask(ctx context.Context, r request) (object, string, error) {
	b, header, err := c.do(ctx, r)
	if err != nil {
		return nil, "", err
	}
	if len(b) == 0 {
		return object{}, header.Get("ETag"), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var o object
	if err := decoder.Decode(&o); err != nil {
		return nil, "", fmt.Errorf("the service's answer can't be read: %w", err)
	}
	return o, header.Get("ETag"), nil
}

// request is what is asked of the API.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         [][]byte // one after the other
}

// do sends a request, and gives the body and the header of an answer that is a success. Other
// answers are a *problem.
func (c *connection) do(ctx context.Context, ask request) ([]byte, http.Header, error) {
	base, err := url.Parse(first(c.url, os.Getenv("GODWIT_URL"), defaultURL))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, nil, fmt.Errorf("--url: %q is no http or https address", first(c.url, os.Getenv("GODWIT_URL")))
	}
	key, err := c.secret()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	target := strings.TrimSuffix(base.String(), "/") + ask.path
	if len(ask.query) > 0 {
		target += "?" + ask.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, ask.method, target, nil)
	if err != nil {
		return nil, nil, err
	}
	if len(ask.body) > 0 {
		for _, b := range ask.body {
			r.ContentLength += int64(len(b))
		}
		r.GetBody = func() (io.ReadCloser, error) {
			parts := net.Buffers(slices.Clone(ask.body))
			return io.NopCloser(&parts), nil
		}
		r.Body, _ = r.GetBody()
	}
	if ask.header != nil {
		r.Header = ask.header
	}
	r.Header.Set("Authorization", "Bearer "+key)
	// A key that is sent over must not follow a redirect to elsewhere.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return nil, nil, &unreached{err}
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, nil, &unreached{err}
	}
	if answer.StatusCode/100 != 2 {
		p := &problem{}
		if json.Unmarshal(b, p) != nil {
			p = &problem{}
		}
		p.Status = answer.StatusCode
		if p.Type == absentType {
			p.Detail = absent(ask.method, ask.path)
		}
		return nil, nil, p
	}
	return b, answer.Header, nil
}

// unreached is the error of a request to which there was no answer.
type unreached struct{ error }

func (u *unreached) Error() string {
	return "can't reach the service, is it running? " + u.error.Error()
}

func (u *unreached) Unwrap() error { return u.error }

// all reads a whole list, page by page.
func (c *connection) all(ctx context.Context, path string, query url.Values) ([]any, error) {
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", "500")
	items := []any{}
	for {
		page, _, err := c.call(ctx, http.MethodGet, path, query, "", nil)
		if err != nil {
			return nil, err
		}
		more, _ := page["items"].([]any)
		items = append(items, more...)
		next, _ := page["next"].(string)
		if next == "" {
			return items, nil
		}
		query.Set("cursor", next)
	}
}

// at makes the path of one thing.
func at(parts ...string) string {
	path := "/v1"
	for _, p := range parts {
		path += "/" + url.PathEscape(p)
	}
	return path
}
