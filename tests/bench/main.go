// Command bench measures the real 'godwit serve' with fsync on and, where Debian's Dovecot is
// installed, Dovecot beside it: the same client, the same mail, in the same run. The parts:
//
//   - mail: how fast mail goes in, by SMTP (Dovecot: LMTP);
//   - mailbox: a mailbox of 100,000 messages, in a process that knows it and in a new one;
//     with -million, an account of ten of these;
//   - mix: twenty clients that do what clients do;
//   - body: how fast a large message streams out;
//   - compaction: what it takes of the processor while mail is delivered;
//   - outbound: how fast queued mail goes to other hosts, beside Postfix, and how much dead
//     hosts hold up the others;
//   - idle: connections that wait, in memory and processor, and how soon they are told.
//
// A goal that is missed is marked, and is no failure: a busy machine is none of the program's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
)

// bench is one run.
type bench struct {
	ctx     context.Context
	dir     string
	binary  string // of godwit
	profile string // folder for profiles of the service, "": none
	format  string // of Dovecot's mailboxes
	log     *os.File
	table   table

	load     load
	messages int
	distinct int
	million  bool
	rounds   int
	clients  int
	mixTime  time.Duration
	megs     int
	queued   int
	many     int
	idlers   int
	accounts int // that the idlers log in to
}

func main() {
	b := &bench{}
	flag.IntVar(&b.load.mails, "mails", 20_000, "mail: mails to send")
	flag.IntVar(&b.load.size, "size", 25<<10, "mail: bytes of each")
	flag.IntVar(&b.load.conns, "conns", 20, "mail: connections at once")
	flag.IntVar(&b.load.accounts, "accounts", 1000, "mail: accounts that get them")
	flag.IntVar(&b.messages, "messages", 100_000, "mailbox: messages in it")
	flag.IntVar(&b.distinct, "distinct", 5000, "mailbox: different ones of these; the others are copies")
	flag.BoolVar(&b.million, "million", false, "mailbox: also an account with ten such mailboxes")
	flag.IntVar(&b.rounds, "rounds", 5, "mailbox, body: how often each thing is done; the median counts")
	flag.IntVar(&b.clients, "clients", 20, "mix: clients at once, two to an account")
	flag.DurationVar(&b.mixTime, "mix-time", 8*time.Second, "mix: time of each of the two rounds")
	flag.IntVar(&b.megs, "megabytes", 50, "body: size of the message")
	flag.IntVar(&b.queued, "queued", 20_000, "outbound: mails to one domain")
	flag.IntVar(&b.many, "many", 100_000, "outbound: mails to a thousand domains")
	flag.IntVar(&b.idlers, "idlers", 1000, "idle: connections (10000 is what the goal is about)")
	flag.IntVar(&b.accounts, "idle-accounts", 20, "idle: accounts that they are of")
	flag.StringVar(&b.format, "format", "sdbox", "Dovecot's mailbox format in all parts but mail")
	flag.StringVar(&b.profile, "profile", "", "folder for profiles of the service's processor time and memory")
	dir := flag.String("dir", "", "folder on the disk to measure; empty is the system's temporary one")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			exit(asService(os.Args[2:]))
		case "watch":
			exit(asWatchers(os.Args[2:]))
		}
	}
	flag.Parse()
	exit(b.run(*dir, flag.Args()))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (b *bench) run(dir string, wanted []string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b.ctx = ctx
	if b.dir, err = os.MkdirTemp(dir, "godwit-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.binary, err = process.Build(b.dir); err != nil {
		return err
	}
	if b.log, err = os.Create(filepath.Join(b.dir, "godwit.log")); err != nil {
		return err
	}
	defer b.log.Close()
	if b.profile != "" { // the service is then this program, which can make one
		if b.binary, err = os.Executable(); err != nil {
			return err
		}
		if b.profile, err = filepath.Abs(b.profile); err != nil {
			return err
		}
	}
	parts := []struct {
		name string
		run  func() error
	}{{"mail", b.mail}, {"mailbox", b.mailbox}, {"mix", b.mix}, {"body", b.body}, {"compaction", b.compaction}, {"outbound", b.outbound}, {"idle", b.idle}}
	for _, name := range wanted {
		if !slices.ContainsFunc(parts, func(p struct {
			name string
			run  func() error
		}) bool {
			return p.name == name
		}) {
			return fmt.Errorf("there is no part %q", name)
		}
	}
	for _, p := range parts {
		if len(wanted) > 0 && !slices.Contains(wanted, p.name) {
			continue
		}
		began := time.Now()
		if err := p.run(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Printf("%-10s took %.0f s\n\n", p.name, time.Since(began).Seconds())
	}
	return b.table.print(os.Stdout)
}

// wait lets time pass, for memory to settle.
func wait(d time.Duration) { <-time.After(d) }
