package forgets

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pieceSize is how many bytes are looked for at a time: what nobody meets by chance.
const pieceSize = 16

// search looks for pieces of random bytes in files.
type search struct {
	maybe  [1 << 18]uint64 // a bit for some of the first eight bytes of each spelling
	begin  map[uint64][]spelling
	pieces int
}

type spelling struct {
	text []byte
	what string
}

// add looks for the bytes too, piece by piece from their end; a rest that is shorter
// is not looked for.
func (s *search) add(what string, b []byte) {
	for ; len(b) >= pieceSize; b = b[:len(b)-pieceSize] {
		s.pieces++
		for _, text := range spellings(b[len(b)-pieceSize:]) {
			key := binary.LittleEndian.Uint64(text)
			at := slot(key)
			s.maybe[at/64] |= 1 << (at % 64)
			if s.begin == nil {
				s.begin = map[uint64][]spelling{}
			}
			s.begin[key] = append(s.begin[key], spelling{text, what})
		}
	}
}

func slot(key uint64) uint64 { return key * 0x9e3779b97f4a7c15 >> 40 }

// spellings are the ways in which bytes may be written, of base64 what does not depend
// on the bytes before and after.
func spellings(p []byte) [][]byte {
	low := hex.AppendEncode(nil, p)
	all := [][]byte{p, low, bytes.ToUpper(low)}
	for before := range 3 {
		padded := append(make([]byte, before), p...)
		from, to := (8*before+5)/6, 8*len(padded)/6
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			all = append(all, e.AppendEncode(nil, padded)[from:to])
		}
	}
	return all
}

// in searches files, and folders with all that is in them, and returns what was found
// where: "what in file", each once.
func (s *search) in(t *testing.T, paths ...string) (found []string) {
	t.Helper()
	for _, path := range paths {
		read := 0
		err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			read += len(content)
			for _, what := range s.inBytes(content) {
				found = append(found, what+" in "+filepath.Base(path))
			}
			return err
		})
		require.NoError(t, err)
		require.NotZero(t, read, "nothing to search in %s", path)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (s *search) inBytes(b []byte) (found []string) {
	for ; len(b) >= 8; b = b[1:] {
		key := binary.LittleEndian.Uint64(b)
		if at := slot(key); key == 0 || s.maybe[at/64]&(1<<(at%64)) == 0 {
			continue
		}
		for _, f := range s.begin[key] {
			if bytes.HasPrefix(b, f.text) {
				found = append(found, f.what)
			}
		}
	}
	return found
}

// kinds are what was found, wherever it was.
func kinds(found []string) (what []string) {
	for _, f := range found {
		kind, _, _ := strings.Cut(f, " in ")
		what = append(what, kind)
	}
	slices.Sort(what)
	return slices.Compact(what)
}

// has demands that what begins so was found.
func has(t *testing.T, found []string, what string) {
	t.Helper()
	require.True(t, slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, what) }),
		"%s was not found, so the search finds nothing", what)
}

// The search finds what is there in every spelling and at every place.
func TestSearch(t *testing.T) {
	secret := []byte("\x00\xff\x10 no secret of anyone's\xfb\xff")
	var s search
	s.add("it", secret)
	require.Equal(t, 1, s.pieces)
	dir := t.TempDir()
	for i, text := range []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(append([]byte("a"), secret...)),
		base64.StdEncoding.EncodeToString(append([]byte("ab"), append(secret, 'c')...)),
	} {
		for _, before := range []int{0, 1, 7, 4095} {
			path := filepath.Join(dir, fmt.Sprintf("%d-%d", i, before))
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", before)+text+"x"), 0o600))
			require.Equal(t, []string{"it in " + filepath.Base(path)}, s.in(t, path))
		}
	}
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte(strings.Repeat("no secret of any ", 99)), 0o600))
	require.Empty(t, s.in(t, other))
	require.Len(t, s.in(t, dir), 24)
}
