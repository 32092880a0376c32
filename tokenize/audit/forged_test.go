package audit

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/chain"
	"github.com/cardseal/cardseal/keys"
)

// forge writes lines as one who has the key could.
func forge(t *testing.T, head chain.Head, lines ...line) []byte {
	t.Helper()
	k, err := chainKey(t.Context(), oneKey{}, keys.KeyID{7}, chain.ID{1})
	require.NoError(t, err)
	w := batch{file: &File{chain: chain.ID{1}, keyID: keys.KeyID{7}, key: k}, head: head}
	for _, l := range lines {
		w.add(l)
	}
	return w.buf
}

// Lines with the right MAC that no File writes.
func TestForgedLines(t *testing.T) {
	var zero [chain.MACSize]byte
	empty := sha256.Sum256(nil)
	event := line{event: &Event{}}
	for name, c := range map[string]struct {
		log  []byte
		kind error
	}{
		"no begin":        {forge(t, chain.Head{}, event), ErrOrder},
		"after nothing":   {forge(t, chain.Head{}, line{begin: true, after: &zero}), ErrOrder},
		"begin at 9":      {forge(t, chain.Head{Sequence: 8}, line{begin: true}), ErrOrder},
		"begin at 0":      {forge(t, chain.Head{Sequence: 1<<64 - 1}, line{begin: true, after: &zero}), ErrOrder},
		"gap of nothing":  {forge(t, chain.Head{}, line{begin: true, gap: &gap{sha256: empty}}), ErrGap},
		"gap of no bytes": {forge(t, chain.Head{}, line{begin: true, gap: &gap{bytes: 2, sha256: empty}}), ErrGap},
		"gap too long":    {append([]byte("x\n"), forge(t, chain.Head{}, line{begin: true, gap: &gap{bytes: 3, sha256: sha256.Sum256([]byte("x\n"))}})...), ErrGap},
	} {
		_, err := Verify(t.Context(), bytes.NewReader(c.log), oneKey{}, nil)
		require.ErrorIs(t, err, c.kind, name)
	}
	_, err := Verify(t.Context(), bytes.NewReader(forge(t, chain.Head{}, line{begin: true}, event)), oneKey{}, nil)
	require.NoError(t, err)
}

// What is too long is no line, nor is the end of it, to none of those who look.
func TestLongLines(t *testing.T) {
	good := forge(t, chain.Head{}, line{begin: true})
	long := forge(t, chain.Head{}, line{event: &Event{Reason: strings.Repeat("x", MaxLine)}})
	_, err := parseLine(bytes.TrimSpace(long))
	require.ErrorIs(t, err, errNotALine)
	for name, log := range map[string][]byte{
		"long":              long,
		"end of a piece":    append(bytes.Repeat([]byte("x"), MaxLine+1), good...),
		"end of the window": append([]byte("x"), append(good, bytes.Repeat([]byte("\n"), tailWindow-len(good))...)...),
		"far from the end":  append(append(bytes.Repeat([]byte("x"), MaxLine+1), good...), bytes.Repeat([]byte("\n"), tailWindow)...),
	} {
		_, err := ReadHead(bytes.NewReader(log), int64(len(log)))
		require.ErrorIs(t, err, ErrEmpty, name)
		_, err = Verify(t.Context(), bytes.NewReader(log), oneKey{}, nil)
		require.ErrorIs(t, err, ErrForeign, name)
	}
}
