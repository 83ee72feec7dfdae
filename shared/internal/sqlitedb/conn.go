package sqlitedb

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"modernc.org/sqlite"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Conn is one connection with its prepared statements. It speaks to the driver below
// database/sql, whose pooling and conversions cost more than the small statements run
// here. A Conn is used by one goroutine at a time.
type Conn struct {
	raw   driver.Conn
	stmts map[string]driver.Stmt
	args  []driver.NamedValue
	row   []driver.Value
}

func openConn(path string, pragmas ...string) (*Conn, error) {
	raw, err := new(sqlite.Driver).Open(path)
	if err != nil {
		return nil, classify(err)
	}
	c := &Conn{raw: raw, stmts: map[string]driver.Stmt{}}
	for _, p := range pragmas {
		if err := c.once("PRAGMA " + p); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// once runs a statement that isn't worth keeping.
func (c *Conn) once(sql string) error {
	s, err := c.raw.Prepare(sql)
	if err != nil {
		return classify(err)
	}
	defer s.Close()
	_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return classify(err)
}

func (c *Conn) prepare(sql string) (driver.Stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	s, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, classify(err)
	}
	c.stmts[sql] = s
	return s, nil
}

// bind fills the argument buffer. Values are int64, string, []byte or nil.
func (c *Conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// Exec runs one statement, whose text must be one of few (it stays prepared), and tells
// how many rows it changed.
func (c *Conn) Exec(sql string, args ...any) (changed int64, err error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	res, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, classify(err)
	}
	changed, err = res.RowsAffected()
	return changed, classify(err)
}

// Query runs one statement and calls row for each of its rows. Column values are int64,
// string, []byte (nil when empty) or nil and may be kept; the slice may not. An error
// of row ends the query and is returned.
func (c *Conn) Query(row func(cols []driver.Value) error, sql string, args ...any) (err error) {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return classify(err)
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = classify(cerr)
		}
	}()
	n := len(rows.Columns())
	for cap(c.row) < n {
		c.row = append(c.row[:cap(c.row)], nil)
	}
	cols := c.row[:n]
	for {
		switch err := rows.Next(cols); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return classify(err)
		}
		if err := row(cols); err != nil {
			return err
		}
	}
}

func (c *Conn) close() error {
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
	return classify(c.raw.Close())
}

// SQLite's primary result codes that mean that the file itself is damaged.
const (
	codeCorrupt  = 11
	codeNotADB   = 26
	codeTooBig   = 18
	codeMisuse   = 21
	codeMismatch = 20
	codeError    = 1
)

// classify gives SQLite's error its kind: whatever the disk, a lock or memory did is
// Unavailable, damage is Corrupt, a statement that is wrong is a defect of ours.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return kinds.Wrap(kinds.Internal, err, "sqlite")
	}
	switch e.Code() & 0xff {
	case codeCorrupt, codeNotADB:
		return kinds.Wrap(kinds.Corrupt, err, "sqlite")
	case codeTooBig:
		return kinds.Wrap(kinds.Limit, err, "sqlite")
	case codeError, codeMisuse, codeMismatch:
		return kinds.Wrap(kinds.Internal, err, "sqlite")
	}
	return kinds.Wrap(kinds.Unavailable, err, "sqlite")
}
