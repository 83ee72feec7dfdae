package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheStreamMayComeInAnyPieces(t *testing.T) {
	text := strings.Join([]string{
		`{"type":"version","terraform":"1.11.4"}`,
		`{"type":"apply_start","hook":{"resource":{"addr":"a.b"},"action":"create"}}`,
		`{"type":"apply_start","hook":{"resource":{"addr":"data.a.b"},"action":"read"}}`,
		`{"type":"diagnostic","diagnostic":{"severity":"warning","summary":"Old","detail":"It is old.\n\nVery."}}`,
		strings.Repeat("x", maxLine+1),
		`{"type":"apply_progress","hook":{"resource":{"addr":"a.b"},"action":"create","elapsed_seconds":10}}`,
		`{"type":"apply_complete","hook":{"resource":{"addr":"a.b"},"action":"create","elapsed_seconds":12}}`, "",
	}, "\n")
	want := []string{"create a.b", "warning: Old: It is old. Very.", "create a.b: waiting after 10s", "create a.b: done after 12s"}
	for _, size := range []int{1, 7, 4096, len(text)} {
		var got []string
		s := &stream{tell: func(e Event) { got = append(got, e.String()) }}
		for piece := range slices.Chunk([]byte(text), size) {
			if n, err := s.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("wrote %d of %d, %v", n, len(piece), err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q", size, got)
		}
		if len(s.rest) > 0 || cap(s.rest) > 2*maxLine {
			t.Errorf("it keeps %d bytes of %d", len(s.rest), cap(s.rest))
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte(`{"type":"apply_complete","hook":{"resource":{"addr":"a.b"},"action":"create","elapsed_seconds":1e300}}`+"\n"), 3)
	f.Add([]byte("\n\n{}\n[]\nnull\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		read := func(size int) (got []string) {
			s := &stream{tell: func(e Event) { got = append(got, fmt.Sprint(e, e.Took > 0 && e.Took < time.Second)) }}
			for piece := range slices.Chunk(b, size) {
				_, _ = s.Write(piece)
			}
			return append(got, s.refused...)
		}
		if whole, pieces := read(max(1, len(b))), read(1+(size&0xff)); !slices.Equal(whole, pieces) {
			t.Errorf("%q as a whole, %q in pieces", whole, pieces)
		}
	})
}
