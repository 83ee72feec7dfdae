package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/archive"
)

// importer brings the messages of an archive into an account. One goroutine reads them
// and makes requests of them while the other one sends the request before.
type importer struct {
	*mail
	archive  archive.Reader
	into     string
	chosen   chosen
	dry      bool
	progress *progress
	report   report
	limits   limits
	targets  map[string]string // the archive's mailboxes and where their messages go
	times    map[name]uint32   // how often a message came, by its name as the first

	mu    sync.Mutex
	known map[name]bool // what is there already
}

// limits are the service's.
type limits struct {
	Seen        uint64 `json:"seen"`
	MaxRequest  int64  `json:"max_request"`
	MaxMessages int    `json:"max_messages"`
	MaxMessage  int64  `json:"max_message"`
	Quota       int64  `json:"quota"`
	Messages    int64  `json:"message_quota"`
	Usage       struct {
		Messages int64 `json:"messages"`
		Bytes    int64 `json:"bytes"`
	} `json:"usage"`
}

// piece is a message on its way: what stands before its octets, and these.
type piece struct {
	name  name
	where string
	size  int64
	head  []byte
	body  []byte
}

// news is what the reader has for the sender.
type news struct {
	batch   []piece
	skipped *skipped
	present int64 // bytes of a message that is there already
	err     error // the archive can't be read any further
}

func (i *importer) run(ctx context.Context) error {
	if err := i.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	feed := make(chan news, 1)
	var reader sync.WaitGroup
	reader.Go(func() { i.read(ctx, feed) })
	defer reader.Wait()
	defer cancel()
	for n := range feed {
		switch {
		case n.err != nil:
			return n.err
		case n.skipped != nil:
			i.report.leave(i.progress, n.skipped.Where, n.skipped.Reason)
			i.progress.add(1, 0)
		case len(n.batch) == 0:
			i.report.Present++
			i.progress.add(1, n.present)
		default:
			if err := i.send(ctx, n.batch); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// begin learns what is there, and makes the mailboxes that are not.
func (i *importer) begin(ctx context.Context) error {
	i.known, i.times, i.targets = map[name]bool{}, map[name]uint32{}, map[string]string{}
	i.report.DryRun = i.dry
	if err := i.get(ctx, http.MethodPost, i.at("imports"), nil, &i.limits); err != nil {
		return err
	}
	err := pages(ctx, i.mail, i.at("imports"), nil, func(page []string) error {
		for _, text := range page {
			i.learn(text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	there, err := i.mailboxes(ctx)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, m := range there {
		has[m.Name] = true
	}
	boxes, err := i.archive.Mailboxes()
	if err != nil {
		return err
	}
	for _, box := range boxes {
		if !i.chosen.has(box) {
			continue
		}
		if err := i.mailboxFor(ctx, box, has); err != nil {
			return err
		}
	}
	if len(i.targets) == 0 && len(i.chosen) > 0 {
		return fmt.Errorf("--mailbox: the archive has no mailbox %s", strings.Join(i.chosen, ", "))
	}
	return nil
}

// mailboxFor says where the messages of one of the archive's mailboxes go, and makes it if it
// is not there.
func (i *importer) mailboxFor(ctx context.Context, box string, has map[string]bool) error {
	target, as := target(box, i.into)
	if as {
		i.progress.line("mailbox " + box + " becomes " + target)
	}
	i.targets[box] = target
	if has[target] || i.dry {
		return nil
	}
	_, _, err := i.call(ctx, http.MethodPost, i.at("mailboxes"), nil, "", object{"name": target})
	if p := (*problem)(nil); err != nil && !(errors.As(err, &p) && p.Status == http.StatusConflict) {
		return fmt.Errorf("mailbox %s: %w", clean(target), err)
	}
	has[target] = true
	return nil
}

func (i *importer) learn(text string) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != len(name{}) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known[name(b)] = true
}

func (i *importer) has(n name) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.known[n]
}

// read goes through the archive.
func (i *importer) read(ctx context.Context, feed chan<- news) {
	defer close(feed)
	give := func(n news) bool {
		select {
		case feed <- n:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var batch []piece
	var held int64
	for item, err := range i.archive.Items() {
		switch {
		case item == nil:
			if len(batch) > 0 && !give(news{batch: batch}) {
				return
			}
			give(news{err: fmt.Errorf("the archive can't be read any further: %w", err)})
			return
		case !i.chosen.has(item.Mailbox):
			continue
		}
		p, n, err := i.prepare(ctx, item, err)
		if err != nil {
			give(news{err: err})
			return
		}
		if p == nil {
			if !give(n) {
				return
			}
			continue
		}
		cost := int64(len(p.head) + len(p.body))
		if len(batch) > 0 && (held+cost > i.limits.MaxRequest || len(batch) >= i.limits.MaxMessages) {
			if !give(news{batch: batch}) {
				return
			}
			batch, held = nil, 0
		}
		batch, held = append(batch, *p), held+cost
	}
	if len(batch) > 0 {
		give(news{batch: batch})
	}
}

// prepare makes of an item what is sent, or says why it isn't.
func (i *importer) prepare(ctx context.Context, item *archive.Item, broken error) (*piece, news, error) {
	left := func(reason string) (*piece, news, error) {
		return nil, news{skipped: &skipped{item.Where, reason}}, nil
	}
	if broken != nil {
		return left(reasonOf(broken, item.Where))
	}
	target, ok := i.targets[item.Mailbox]
	if !ok {
		return left("its mailbox was not there before")
	}
	once := nameOf(target, item.Digest, 0)
	p := &piece{name: nameOf(target, item.Digest, i.times[once]), where: item.Where, size: item.Size}
	i.times[once]++
	if i.has(p.name) {
		return nil, news{present: item.Size}, nil
	}
	if item.Size > i.limits.MaxMessage {
		return left(fmt.Sprintf("a message of %s, of %s at most", octets(item.Size), octets(i.limits.MaxMessage)))
	}
	if i.dry {
		return p, news{}, nil
	}
	line := struct {
		Name    string    `json:"name"`
		Mailbox string    `json:"mailbox"`
		Flags   []string  `json:"flags"`
		Date    time.Time `json:"date"`
		Size    int64     `json:"size,omitempty"`
		Parts   []string  `json:"parts,omitempty"`
	}{p.name.String(), target, item.Flags, item.Date, item.Size, nil}
	if item.Date.Year() < 1970 || item.Date.Year() > 6000 {
		line.Date = time.Now().UTC().Truncate(time.Second)
	}
	r, err := item.Open()
	if err != nil {
		return left(reasonOf(err, item.Where))
	}
	defer r.Close()
	if item.Size > i.limits.MaxRequest*3/4 {
		line.Size = 0
		if line.Parts, err = i.parts(ctx, r); err != nil {
			if b := (*brokenItem)(nil); errors.As(err, &b) {
				return left(reasonOf(b.error, item.Where))
			}
			return nil, news{}, err
		}
	} else {
		p.body = make([]byte, item.Size)
		if _, err := io.ReadFull(r, p.body); err != nil {
			return left(reasonOf(err, item.Where))
		}
	}
	if p.head, err = json.Marshal(line); err != nil {
		return nil, news{}, err
	}
	p.head = append(p.head, '\n')
	return p, news{}, nil
}

// brokenItem is the error of reading a message, not of sending it.
type brokenItem struct{ error }

// parts sends a message that is too large for one request.
func (i *importer) parts(ctx context.Context, r io.Reader) (list []string, err error) {
	buf := make([]byte, i.limits.MaxRequest)
	for {
		n, err := io.ReadFull(r, buf)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, &brokenItem{err}
		}
		if n == 0 {
			return list, nil
		}
		b, _, _, err := i.ask(ctx, request{method: http.MethodPost, path: i.at("parts"), header: batchHeader(), body: [][]byte{buf[:n]}})
		var part struct {
			Part string `json:"part"`
		}
		if err == nil {
			err = json.Unmarshal(b, &part)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, part.Part)
	}
}

func batchHeader() http.Header {
	return http.Header{"Content-Type": {"application/vnd.godwit.messages"}}
}

// errFull ends an import.
var errFull = errors.New("there is no room for more: the account, its domain or its tenant is full; run the command again when there is")

// send sends messages, but for those that somebody else has added meanwhile.
func (i *importer) send(ctx context.Context, batch []piece) error {
	if i.dry {
		for _, p := range batch {
			i.report.Done, i.report.Bytes = i.report.Done+1, i.report.Bytes+p.size
			i.progress.add(1, p.size)
		}
		return nil
	}
	var sent []piece
	var body [][]byte
	for _, p := range batch {
		if i.has(p.name) {
			i.report.Present++
			i.progress.add(1, p.size)
			continue
		}
		sent, body = append(sent, p), append(body, p.head, p.body)
	}
	if len(sent) == 0 {
		return nil
	}
	b, _, again, err := i.ask(ctx, request{method: http.MethodPost, path: i.at("messages"), query: url.Values{"seen": {strconv.FormatUint(i.limits.Seen, 10)}},
		header: batchHeader(), body: body})
	if err != nil {
		return err
	}
	var answer struct {
		Seen     uint64   `json:"seen"`
		Others   []string `json:"others"`
		Full     bool     `json:"full"`
		Messages []struct {
			State  string `json:"state"`
			Reason string `json:"reason"`
		} `json:"messages"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || len(answer.Messages) != len(sent) {
		return fmt.Errorf("the service's answer can't be read: %w", errors.Join(err))
	}
	i.limits.Seen = answer.Seen
	for _, text := range answer.Others {
		i.learn(text)
	}
	for at, m := range answer.Messages {
		p := &sent[at]
		switch {
		case m.State == "imported" || m.State == "present" && again: // the request before it had done it
			i.report.Done, i.report.Bytes = i.report.Done+1, i.report.Bytes+p.size
		case m.State == "present":
			i.report.Present++
		case answer.Full && strings.HasSuffix(m.Reason, "full"):
			continue
		default:
			i.report.leave(i.progress, p.where, m.Reason)
		}
		i.progress.add(1, p.size)
	}
	if answer.Full {
		return errFull
	}
	return nil
}
