package account

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestPackedEntriesOfOldJournalsAreRead(t *testing.T) {
	file := filepath.Join("testdata", "packed-1.hex")
	b, err := os.ReadFile(file)
	if *update && os.IsNotExist(err) {
		plain, err := Encode(fullEntry())
		porttest.OK(t, err)
		porttest.OK(t, os.WriteFile(file, []byte(hex.EncodeToString(plain)+"\n"+hex.EncodeToString(pack(plain))+"\n"), 0o644))
		return
	}
	porttest.OK(t, err)
	var lines [][]byte
	for line := range strings.Lines(string(b)) {
		raw, err := hex.DecodeString(strings.TrimSpace(line))
		porttest.OK(t, err)
		lines = append(lines, raw)
	}
	if len(lines) != 2 || lines[1][0] != formPacked {
		t.Fatalf("%d lines, the second of which is not packed", len(lines))
	}
	if got, err := unpack(lines[1]); err != nil || !bytes.Equal(got, lines[0]) {
		t.Errorf("%x, %v", got, err)
	}
}

func TestEntriesArePackedWhereThatIsSmaller(t *testing.T) {
	plain, err := Encode(fullEntry())
	porttest.OK(t, err)
	stored := pack(plain)
	if len(stored) >= len(plain) {
		t.Errorf("an entry of %d bytes takes %d", len(plain), len(stored))
	}
	got, err := Decode(stored)
	porttest.OK(t, err)
	if again, err := Encode(got); err != nil || !bytes.Equal(again, plain) {
		t.Errorf("it comes back otherwise (%v)", err)
	}
	noise := make([]byte, 1000)
	rand.Read(noise)
	noise[0] = 0xa9
	if stored := pack(noise); !bytes.Equal(stored, noise) {
		t.Errorf("noise of %d bytes takes %d", len(noise), len(stored))
	}
}

func TestWhatIsPackedBadlyIsRefused(t *testing.T) {
	frame := func(plain []byte, with ...zstd.EOption) []byte {
		enc, err := zstd.NewWriter(nil, with...)
		porttest.OK(t, err)
		return append([]byte{formPacked}, enc.EncodeAll(plain, nil)...)
	}
	good := pack(bytes.Repeat([]byte{0xa1}, 100))
	for name, test := range map[string]struct {
		stored []byte
		want   kinds.Kind
	}{
		"cut":                     {good[:len(good)-1], kinds.Corrupt},
		"longer":                  {append(bytes.Clone(good), 'x'), kinds.Corrupt},
		"no frame":                {[]byte{formPacked}, kinds.Corrupt},
		"an empty one":            {frame(nil), kinds.Corrupt},
		"packed twice":            {frame(good), kinds.Corrupt},
		"more than an entry has":  {frame(make([]byte, MaxEntry+1)), kinds.Corrupt},
		"much more":               {frame(make([]byte, 1<<28)), kinds.Corrupt},
		"with another dictionary": {frame(make([]byte, 100), zstd.WithEncoderDictRaw(dictionaryID+1, []byte("another one"))), kinds.TooNew},
	} {
		if _, err := Decode(test.stored); !kinds.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	plain, err := Encode(fullEntry())
	porttest.OK(b, err)
	b.ReportAllocs()
	for b.Loop() {
		stored := pack(plain)
		if _, err := unpack(stored); err != nil {
			b.Fatal(err)
		}
	}
}
