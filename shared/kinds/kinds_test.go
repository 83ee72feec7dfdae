package kinds_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
)

type taken struct{}

func (taken) Error() string    { return "taken" }
func (taken) Kind() kinds.Kind { return kinds.Conflict }

func TestTheOutermostKindOfAnErrorCounts(t *testing.T) {
	inner := kinds.Errorf(kinds.NotFound, "no blob")
	for _, test := range []struct {
		err  error
		want kinds.Kind
	}{
		{errors.New("unknown"), kinds.Internal},
		{inner, kinds.NotFound},
		{fmt.Errorf("while reading: %w", inner), kinds.NotFound},
		{kinds.Wrap(kinds.Corrupt, inner, "while reading"), kinds.Corrupt},
		{kinds.Errorf(kinds.Limit, "too long: %w", inner), kinds.Limit},
		{taken{}, kinds.Conflict},
		{fmt.Errorf("while writing: %w", taken{}), kinds.Conflict},
		{kinds.Wrap(kinds.Unavailable, taken{}, "while writing"), kinds.Unavailable},
		{context.DeadlineExceeded, kinds.Unavailable},
		{fmt.Errorf("while waiting: %w", context.Canceled), kinds.Unavailable},
	} {
		if got := kinds.Of(test.err); got != test.want {
			t.Errorf("%v is %v, want %v", test.err, got, test.want)
		}
		if !kinds.Is(test.err, test.want) || kinds.Is(test.err, kinds.Suspended) {
			t.Errorf("Is disagrees about %v", test.err)
		}
	}
	if kinds.Is(nil, kinds.Internal) {
		t.Error("no error has a kind")
	}
}

func TestAWrappedErrorKeepsItsCauseAndSaysWhatWasDone(t *testing.T) {
	err := kinds.Wrap(kinds.Unavailable, io.ErrUnexpectedEOF, "read the blob")
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "read the blob: unexpected EOF" {
		t.Errorf("wrapped: %v", err)
	}
	if err := kinds.Errorf(kinds.Invalid, "line %d: %w", 3, io.EOF); !errors.Is(err, io.EOF) || err.Error() != "line 3: EOF" {
		t.Errorf("formatted: %v", err)
	}
	if err := kinds.Wrap(kinds.Unavailable, nil, "nothing"); err != nil {
		t.Errorf("wrapping nothing gives %v", err)
	}
	if err := (&kinds.Error{Kind: kinds.Quota, Text: "full"}); err.Error() != "full" || err.Unwrap() != nil {
		t.Errorf("without a cause: %v", err)
	}
}

func TestEveryKindHasAWordOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for k := kinds.Internal; k <= kinds.TooNew; k++ {
		if seen[k.String()] {
			t.Errorf("the word %q is used twice", k)
		}
		seen[k.String()] = true
	}
	if got := (kinds.TooNew + 1).String(); got != "internal" {
		t.Errorf("a kind that isn't one is called %q", got)
	}
}

func TestOnlyWhatMayPassByItselfIsTemporary(t *testing.T) {
	temporary := map[kinds.Kind]bool{kinds.Conflict: true, kinds.Unavailable: true, kinds.Throttled: true, kinds.Internal: true}
	for k := kinds.Internal; k <= kinds.TooNew; k++ {
		if k.Temporary() != temporary[k] {
			t.Errorf("%v: temporary is %v", k, k.Temporary())
		}
	}
}
