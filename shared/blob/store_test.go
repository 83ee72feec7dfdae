package blob_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func store(t *testing.T) blob.Store {
	t.Helper()
	d, err := files.New(filepath.Join(t.TempDir(), "blobs"), files.OS{})
	porttest.OK(t, err)
	return blob.Store{Driver: d}
}

func TestContentIsReadBackWithoutItsHeader(t *testing.T) {
	s, now := store(t), time.Date(2030, time.March, 4, 5, 6, 7, 0, time.UTC)
	for _, content := range []string{"", "x", strings.Repeat("a line of mail\r\n", 20_000)} {
		h := blob.Header{KeyID: "key", Owners: []string{"one", "two"}}
		name := blob.NewName("tenant", now)
		porttest.OK(t, blob.CheckName(name))
		ref, err := s.Put(t.Context(), name, h, strings.NewReader(content), int64(len(content)))
		porttest.OK(t, err)
		if ref.Name != name || ref.Size != int64(len(content)) || !strings.HasPrefix(name, "m/tenant/2030030405/") {
			t.Errorf("put as %+v", ref)
		}
		for _, r := range []struct{ off, n int64 }{{0, -1}, {0, 4}, {2, 3}, {15_999, 3}, {int64(len(content)), -1}} {
			body, err := s.Open(t.Context(), ref, r.off, r.n)
			porttest.OK(t, err)
			got, err := io.ReadAll(body)
			porttest.OK(t, err)
			porttest.OK(t, body.Close())
			from := min(r.off, int64(len(content)))
			to := int64(len(content))
			if r.n >= 0 {
				to = min(to, from+r.n)
			}
			if string(got) != content[from:to] {
				t.Errorf("%d bytes from %d: %q", r.n, r.off, got)
			}
		}
		got, err := s.ReadHeader(t.Context(), name)
		porttest.OK(t, err)
		if got.KeyID != h.KeyID || !slices.Equal(got.Owners, h.Owners) {
			t.Errorf("the header is %+v", got)
		}
		_, err = s.Open(t.Context(), ref, -1, 1)
		porttest.Kind(t, err, kinds.Invalid)
	}
}

func TestNamesOfBlobsDifferWithinOneMoment(t *testing.T) {
	now := time.Now()
	if a, b := blob.NewName("t", now), blob.NewName("t", now); a == b {
		t.Errorf("the name %s twice", a)
	}
}

func TestAHeaderThatIsTooLongIsRefused(t *testing.T) {
	h := blob.Header{Owners: slices.Repeat([]string{strings.Repeat("o", 1000)}, 1100)}
	_, err := store(t).Put(t.Context(), "a", h, strings.NewReader("x"), 1)
	porttest.Kind(t, err, kinds.Limit)
}

func TestWhatIsNoBlobIsTold(t *testing.T) {
	s := store(t)
	for i, test := range []struct {
		stored string
		want   kinds.Kind
	}{
		{"", kinds.Corrupt},
		{"GW", kinds.Corrupt},
		{"not a blob at all", kinds.Corrupt},
		{"GWB\x01\x00\x00\x00\x02\xa0", kinds.Corrupt},
		{"GWB\x01\x00\x00\x00\x02\xff\xff", kinds.Corrupt},
		{"GWB\x01\xff\xff\xff\xff\xa0", kinds.Corrupt},
		{"GWB\x03\x00\x00\x00\x01\xa0", kinds.TooNew},
	} {
		name := fmt.Sprint(i)
		porttest.OK(t, s.Driver.Put(t.Context(), name, strings.NewReader(test.stored), int64(len(test.stored))))
		_, err := s.ReadHeader(t.Context(), name)
		porttest.Kind(t, err, test.want)
	}
	_, err := s.ReadHeader(t.Context(), "absent")
	porttest.Kind(t, err, kinds.NotFound)
}

// one is a driver that holds one object.
type one struct {
	blob.Driver
	stored []byte
}

func (o *one) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(o.stored)), nil
}

func (o *one) Put(ctx context.Context, name string, body io.ReaderAt, size int64) (err error) {
	o.stored, err = io.ReadAll(io.NewSectionReader(body, 0, size))
	return err
}

// FuzzReadHeader: any bytes give a header or an error of the two kinds, and a header
// that is put again is read again.
func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("GWB\x01\x00\x00\x00\x01\xa0content"))
	f.Add([]byte("GWB\x01\x00\x00\x00\x06\xa1\x02\x82aaab"))
	f.Add([]byte("GWB\x02"))
	f.Add([]byte("GWB\x03"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		s := blob.Store{Driver: &one{stored: stored}}
		h, err := s.ReadHeader(t.Context(), "a")
		if err != nil {
			if k := kinds.Of(err); k != kinds.Corrupt && k != kinds.TooNew {
				t.Fatalf("%v has kind %v", err, k)
			}
			return
		}
		_, err = s.Put(t.Context(), "a", h, strings.NewReader(""), 0)
		porttest.OK(t, err)
		again, err := s.ReadHeader(t.Context(), "a")
		porttest.OK(t, err)
		if again.KeyID != h.KeyID || !slices.Equal(again.Owners, h.Owners) {
			t.Fatalf("%+v came back as %+v", h, again)
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"a", "m/tenant/2030030405/x", "a/../b", "/a", "a//b", "A", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if blob.CheckName(name) != nil {
			return
		}
		// A name that passes stays below the folder it is joined to, as it is.
		if len(name) > blob.MaxName || filepath.Join("/root", name) != "/root/"+name || filepath.Join("/", files.Path(name)) != "/"+files.Path(name) {
			t.Fatalf("%q passes", name)
		}
	})
}
