package audit_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

const goldenReceipts = "testdata/receipts-1.log"

// destruction is the event of a key's destruction, and its receipt.
func destruction(key byte) (audit.Event, keys.Receipt) {
	at := time.Unix(1_900_000_000, 0).UTC()
	r := keys.Receipt{
		Key: keys.KeyID{key}, Ring: keys.RingID{Environment: "production", Purpose: keys.PAN, Scope: "shop"},
		Destroyed: at, LastUse: at.Add(time.Hour), Promise: keys.KEKGone, KEKs: []string{"kek"}, Shredded: true, Records: 3,
	}
	return audit.Event{Time: at, Action: audit.DestroyKey, Outcome: audit.Done, Receipt: r.AppendTo(nil)}, r
}

// receipts verifies a log and returns the receipts in it by the number of the line.
func receipts(ctx context.Context, log []byte, k audit.Keys) (map[uint64]keys.Receipt, error) {
	found := map[uint64]keys.Receipt{}
	_, err := audit.Verify(ctx, bytes.NewReader(log), k, &audit.VerifyOptions{Each: func(n uint64, e *audit.Event) {
		if r, err := keys.ParseReceipt(e.Receipt); err == nil {
			found[n] = r
		}
	}})
	return found, err
}

// What this version wrote of receipts and of verification, every later one reads.
func TestReadsReceipts(t *testing.T) {
	first, one := destruction(1)
	second, two := destruction(2)
	if *update {
		require.NoError(t, os.RemoveAll(goldenReceipts))
		f, err := audit.OpenFile(goldenReceipts, fixed(1), nil)
		require.NoError(t, err)
		require.NoError(t, f.Record(t.Context(), []audit.Event{full, first, {Action: audit.DestroyKey, Outcome: audit.Begun}, second}))
		require.NoError(t, f.Close())
	}
	log, err := os.ReadFile(goldenReceipts)
	require.NoError(t, err)
	found, err := receipts(t.Context(), log, fixed(1))
	require.NoError(t, err)
	require.Equal(t, map[uint64]keys.Receipt{3: one, 5: two}, found)
}

// Each is told of what was verified and of nothing else, and may keep it.
func TestEach(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	e, _ := destruction(1)
	all := []audit.Event{full, e, {Time: full.Time, Action: audit.Save}}
	w.record(f, all...)
	log := w.read("log")
	told := func(log []byte) (seen []audit.Event, err error) {
		_, err = w.verify(log, &audit.VerifyOptions{Each: func(n uint64, e *audit.Event) {
			seen = append(seen, *e)
			require.Equal(t, uint64(len(seen)+1), n)
		}})
		return seen, err
	}
	seen, err := told(log)
	require.NoError(t, err)
	require.Equal(t, all, seen)
	at := bytes.Index(log, []byte(`"receipt":"AQ`)) + len(`"receipt":"A`)
	log[at] ^= 1
	seen, err = told(log)
	require.ErrorIs(t, err, audit.ErrMAC)
	require.Equal(t, all[:1], seen)
}
