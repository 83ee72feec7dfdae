// Package reports tells the owners of domains what we have seen of them: who sent mail in
// their name (DMARC, RFC 9990), and how TLS with their hosts went (RFC 8460). What is seen is
// counted in the process, added to records now and then, and sent once a day.
package reports

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	space   = "reports" // what was seen; by DAY/KIND/DOMAIN
	version = 1
	// flushEvery is how often what was counted is kept. Who dies loses as much.
	flushEvery = 5 * time.Minute
	// maxHeld is how much is counted in one process until then, in bytes of rows.
	maxHeld = 16 << 20
	// maxRows is how many rows one report has; what is beyond is not reported.
	maxRows = 5000
	// keepFor is how long what could not be sent is kept.
	keepFor = 2 * 24 * time.Hour
	retries = 8 // of a write that met another's
)

// The kinds of reports, as they stand in keys.
const (
	ofDMARC = "dmarc"
	ofTLS   = "tls"
)

const dayForm = "2006-01-02"

// seen is what was seen of a domain on one day.
type seen struct {
	Version  uint8                     `cbor:"1,keyasint"`
	About    []byte                    `cbor:"2,keyasint,omitempty"` // what the rows have in common, as it was seen last
	Rows     map[cbor.ByteString]int64 `cbor:"3,keyasint"`           // row, encoded, to how often
	Dropped  int64                     `cbor:"4,keyasint,omitempty"` // of rows for which there is no room
	LeasedMS int64                     `cbor:"5,keyasint,omitempty"` // until when somebody sends it
	Holder   string                    `cbor:"6,keyasint,omitempty"` // tells leases apart
}

// add counts n more of a row. It gives by how many bytes more is held.
func (s *seen) add(row cbor.ByteString, n int64) (grown int) {
	if _, ok := s.Rows[row]; !ok {
		if len(s.Rows) >= maxRows {
			s.Dropped += n
			return 0
		}
		grown = len(row) + 64
	}
	s.Rows[row] += n
	return grown
}

// Tally counts what is seen. Safe for concurrent use.
type Tally struct {
	Records records.Driver
	Now     func() time.Time
	Log     *slog.Logger
	// Wanted tells whether a domain wants reports about TLS; of DMARC it is known before. It is
	// asked when what was counted is kept.
	Wanted func(ctx context.Context, domain string) bool

	mu   sync.Mutex
	held map[string]*seen // by the record's id
	size int
}

func (t *Tally) add(kind, domain string, about, row any) {
	encoded, err := cbor.Marshal(row)
	if err != nil {
		return
	}
	id := t.Now().UTC().Format(dayForm) + "/" + kind + "/" + domain
	if !isName(domain) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = map[string]*seen{}
	}
	s := t.held[id]
	if t.size > maxHeld {
		return // nobody is harmed by a report that says less
	}
	if s == nil {
		s = &seen{Rows: map[cbor.ByteString]int64{}}
		t.held[id], t.size = s, t.size+len(id)+200
	}
	if about != nil {
		s.About, _ = cbor.Marshal(about)
	}
	t.size += s.add(cbor.ByteString(encoded), 1)
}

// isName tells whether a domain is one of the DNS: it stands in keys, header fields and files.
func isName(domain string) bool {
	for i := range len(domain) {
		c := domain[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return domain != "" && len(domain) <= 253
}

// Run keeps what is counted, now and then and in the end, until ctx ends.
func (t *Tally) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(flushEvery):
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		t.Flush(limited)
		cancel()
	}
}

// Flush adds what was counted to the records.
func (t *Tally) Flush(ctx context.Context) {
	t.mu.Lock()
	held := t.held
	t.held, t.size = nil, 0
	t.mu.Unlock()
	for id, s := range held {
		_, rest, _ := strings.Cut(id, "/")
		if kind, domain, _ := strings.Cut(rest, "/"); kind == ofTLS && t.Wanted != nil && !t.Wanted(ctx, domain) {
			continue
		}
		if err := t.merge(ctx, id, s); err != nil {
			t.Log.Warn("what was seen of a domain is not reported", "report", id, "error", err)
		}
	}
}

// merge adds to a record.
func (t *Tally) merge(ctx context.Context, id string, more *seen) error {
	var err error
	for range retries {
		var s *seen
		var at uint64
		if s, at, err = read(ctx, t.Records, id); err != nil {
			return err
		}
		if more.About != nil {
			s.About = more.About
		}
		for row, n := range more.Rows {
			s.add(row, n)
		}
		s.Dropped += more.Dropped
		if _, err = write(ctx, t.Records, id, s, at, t.Now()); !kinds.Is(err, kinds.Conflict) {
			return err
		}
	}
	return err
}

// read gives a record, an empty one if there is none.
func read(ctx context.Context, r records.Driver, id string) (*seen, uint64, error) {
	found, err := r.Get(ctx, records.Key{Space: space, ID: id})
	if err != nil {
		return nil, 0, err
	}
	if len(found) == 0 {
		return &seen{Rows: map[cbor.ByteString]int64{}}, 0, nil
	}
	s, err := decode(found[0].Value)
	return s, found[0].Version, err
}

func decode(value []byte) (*seen, error) {
	s := new(seen)
	z, err := gzip.NewReader(bytes.NewReader(value))
	if err == nil {
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(z, 64<<20)); err == nil {
			err = cbor.Unmarshal(text, s)
		}
	}
	if err != nil || s.Version != version {
		return nil, kinds.Errorf(kinds.Corrupt, "reports: a record of version %d can't be read: %v", s.Version, err)
	}
	return s, nil
}

// write keeps a record; rows for which there is no room are dropped.
func write(ctx context.Context, r records.Driver, id string, s *seen, at uint64, now time.Time) (uint64, error) {
	s.Version = version
	for {
		text, err := cbor.Marshal(s)
		if err != nil {
			return 0, kinds.Wrap(kinds.Internal, err, "reports: encode")
		}
		var value bytes.Buffer
		z := gzip.NewWriter(&value)
		_, _ = z.Write(text)
		_ = z.Close()
		if value.Len() > records.MaxValue {
			n := 0
			for row, count := range s.Rows { // by chance, a fifth
				if n++; n%5 == 0 {
					s.Dropped += count
					delete(s.Rows, row)
				}
			}
			continue
		}
		day, _ := time.Parse(dayForm, id[:min(len(id), len(dayForm))])
		return r.Put(ctx, records.Record{Key: records.Key{Space: space, ID: id}, Value: value.Bytes(), Expires: day.Add(keepFor + 24*time.Hour)}, at)
	}
}
