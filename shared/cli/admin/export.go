package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func exporting(c *connection) *cobra.Command {
	cmd := verb("export ADDRESS PATH", "Write the mail of an account to an archive", cobra.ExactArgs(2), c.names("/v1/accounts", "address"), nil)
	cmd.Long = "Writes the messages of an account, with their folders, flags and dates, to a new Maildir, mbox\n" +
		"files (mboxrd), a folder of .eml files or a zip of them, while the service runs. PATH must not\n" +
		"exist, or be an empty folder; it is there only when all of it is. What can't be read is\n" +
		"reported and left out, and the exit code is then 1. 'godwit import' reads it.\n\n" +
		"It needs a key that may read mail: the one in the service's data folder may, others are made\n" +
		"with 'godwit key create --mail'."
	cmd.Example = "  godwit export ann@example.org ann.zip --format zip\n" +
		"  godwit export ann@example.org ~/Maildir --format maildir\n" +
		"  godwit export ann@example.org projects --format mbox --mailbox Projects"
	f := cmd.Flags()
	f.SortFlags = false
	e := &exporter{}
	format := f.String("format", "", "maildir, mbox, eml or zip; left out, it is zip for a PATH that ends in .zip")
	f.StringArrayVar((*[]string)(&e.chosen), "mailbox", nil, "only this mailbox and those below it; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	completePath(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *format == "" && strings.HasSuffix(args[1], ".zip") {
			*format = string(archive.Zip)
		}
		if *format == "" {
			return errors.New("--format: which one of " + strings.Join(formats, ", ") + "?")
		}
		e.mail = c.mail(args[0])
		e.progress = newProgress(cmd.ErrOrStderr(), 0)
		err := e.run(cmd.Context(), archive.Format(*format), args[1])
		e.progress.clear()
		if err != nil {
			return explained(err)
		}
		if err := e.report.print(c, cmd, "exported"); err != nil {
			return err
		}
		return e.report.end()
	}
	return cmd
}

// exporter writes an account's messages to an archive.
type exporter struct {
	*mail
	chosen   chosen
	progress *progress
	report   report
	archive  archive.Writer
}

// run writes the archive beside where it is to be, and puts it there when it is whole.
func (e *exporter) run(ctx context.Context, format archive.Format, path string) error {
	path = filepath.Clean(path)
	all, err := e.mailboxes(ctx)
	if err != nil {
		return err
	}
	var boxes []mailbox
	for _, m := range all {
		if e.chosen.has(m.Name) {
			boxes = append(boxes, m)
			e.progress.total += m.Bytes
		}
	}
	if len(boxes) == 0 {
		return fmt.Errorf("--mailbox: the account has no mailbox %s", strings.Join(e.chosen, ", "))
	}
	if there, err := os.ReadDir(path); err == nil && len(there) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already: give a PATH that is not, or an empty folder", path)
	}
	partial := path + ".partial"
	if err := os.RemoveAll(partial); err != nil { // of an export that was ended half-way
		return err
	}
	defer os.RemoveAll(partial)
	at := partial
	if format == archive.Zip { // which does so itself
		at = path
	}
	if e.archive, err = archive.Create(format, at, archive.WriteOptions{}); err != nil {
		return err
	}
	for _, m := range boxes {
		if err := e.mailbox(ctx, m); err != nil {
			return err
		}
	}
	if err := e.archive.Close(); err != nil || at == path {
		return err
	}
	return os.Rename(at, path)
}

// message is a message of the account.
type message struct {
	UID   uint32    `json:"uid"`
	Flags []string  `json:"flags"`
	Date  time.Time `json:"date"`
	Size  int64     `json:"size"`
}

const (
	atOnce   = 8         // messages that are fetched at a time
	maxRange = 3_500_000 // octets that are fetched at once: what fits into an answer of a Lambda
)

// fetched is a message whose octets are coming.
type fetched struct {
	message
	body []byte // of a small one
	err  error
	done chan struct{}
}

func (e *exporter) mailbox(ctx context.Context, m mailbox) error {
	if err := e.archive.Mailbox(m.Name); err != nil {
		e.report.leave(e.progress, m.Name, "an archive can't have this mailbox")
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	defer cancel()
	path := e.at("mailboxes", m.ID, "messages")
	return pages(ctx, e.mail, path, url.Values{"limit": {"200"}}, func(page []message) error {
		list := make([]*fetched, len(page))
		slots := make(chan struct{}, atOnce)
		for i := range page {
			list[i] = &fetched{message: page[i], done: make(chan struct{})}
		}
		fetching.Go(func() {
			for _, f := range list {
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				fetching.Go(func() {
					defer close(f.done)
					if f.Size <= maxRange {
						f.body, f.err = e.octets(ctx, path, f.message, 0, f.Size)
					}
				})
			}
		})
		for _, f := range list {
			<-f.done
			err := e.write(ctx, m, path, f)
			f.body = nil
			<-slots
			if err != nil {
				return err
			}
		}
		return nil
	})
}

var errShort = errors.New("a message's octets end early")

// octets fetches a range of a message.
func (e *exporter) octets(ctx context.Context, path string, m message, from, n int64) ([]byte, error) {
	r := request{method: http.MethodGet, path: path + "/" + strconv.FormatUint(uint64(m.UID), 10), header: http.Header{"Accept": {"message/rfc822"}}}
	if m.Size > 0 {
		r.header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+n-1))
	}
	for try := 1; ; try++ {
		b, _, _, err := e.ask(ctx, r)
		if err == nil && int64(len(b)) != n {
			if err = errShort; try < maxTries {
				continue
			}
		}
		return b, err
	}
}

// write adds a message to the archive. One that can't be read is left out.
func (e *exporter) write(ctx context.Context, m mailbox, path string, f *fetched) error {
	where := m.Name + ", UID " + strconv.FormatUint(uint64(f.UID), 10)
	err := f.err
	if err == nil {
		err = e.put(ctx, m.Name, path, f, f.Flags)
		if kinds.Is(err, kinds.Limit) || kinds.Is(err, kinds.Invalid) {
			e.progress.line(where + ": its keywords are left out: the archive can't have them")
			var system []string
			for _, flag := range f.Flags {
				if strings.HasPrefix(flag, `\`) {
					system = append(system, flag)
				}
			}
			err = e.put(ctx, m.Name, path, f, system)
		}
	}
	p := (*problem)(nil)
	switch {
	case err == nil:
		e.report.Done, e.report.Bytes = e.report.Done+1, e.report.Bytes+f.Size
	case errors.As(err, &p) && p.Status == http.StatusNotFound:
		e.report.Gone++
	case errors.As(err, &p) && p.Status == http.StatusInternalServerError, errors.Is(err, errShort):
		e.report.leave(e.progress, where, "the service can't read it")
	default:
		return err
	}
	e.progress.add(1, f.Size)
	return nil
}

func (e *exporter) put(ctx context.Context, box, path string, f *fetched, flags []string) error {
	var body io.Reader = bytes.NewReader(f.body)
	if f.Size > maxRange {
		body = &ranges{ctx: ctx, e: e, path: path, m: f.message}
	}
	return e.archive.Write(archive.Message{Mailbox: box, Flags: flags, Date: f.Date, Body: body})
}

// ranges reads a large message, one range after the other.
type ranges struct {
	ctx  context.Context
	e    *exporter
	path string
	m    message
	off  int64
	held []byte
}

func (r *ranges) Read(p []byte) (int, error) {
	if len(r.held) == 0 {
		n := min(maxRange, r.m.Size-r.off)
		if n <= 0 {
			return 0, io.EOF
		}
		var err error
		if r.held, err = r.e.octets(r.ctx, r.path, r.m, r.off, n); err != nil {
			return 0, err
		}
		r.off += n
	}
	n := copy(p, r.held)
	r.held = r.held[n:]
	return n, nil
}
