package memory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// What is erased, in whatever way, is overwritten where it lay.
func TestCodesWiped(t *testing.T) {
	ctx := t.Context()
	key := envelope.NewKeyID()
	record := append([]byte{envelope.Version, envelope.SuiteXAES}, key[:]...)
	record = append(record, make([]byte, envelope.Overhead)...)
	code := store.Code{
		ID: store.CodeID{Owner: "a"}, RecordID: envelope.NewRecordID(), Token: "t", Record: record, Expires: 10, Reads: 1,
	}
	for name, erase := range map[string]func(c *Codes) error{
		"EraseCode":  func(c *Codes) error { return c.EraseCode(ctx, code.ID) },
		"EraseToken": func(c *Codes) error { return c.EraseToken(ctx, code.ID.Scope, "t") },
		"SweepCodes": func(c *Codes) error { _, err := c.SweepCodes(ctx, 10, 1); return err },
		"ReadCode":   func(c *Codes) error { _, err := c.ReadCode(ctx, code.ID, 9); return err },
		"PutCodes":   func(c *Codes) error { return c.PutCodes(ctx, []store.Code{code}) },
		"ReplaceRecord": func(c *Codes) error {
			return c.ReplaceRecord(ctx, code, append(record[:len(record):len(record)], 1))
		},
		"Close": (*Codes).Close,
	} {
		c, err := NewCodes(nil)
		require.NoError(t, err)
		require.NoError(t, c.OpenFence(ctx, key))
		require.NoError(t, c.PutCodes(ctx, []store.Code{code}))
		kept := c.codes[code.ID].Record
		require.Equal(t, record, kept)
		require.NoError(t, erase(c), name)
		require.Equal(t, make([]byte, len(record)), kept, name)
	}
}

// So are the wrapped forms of a key that is destroyed, or given up on Close.
func TestKeysWiped(t *testing.T) {
	ring := keys.RingID{Environment: "e", Purpose: keys.CVC}
	r := keys.Record{
		ID: envelope.NewKeyID(), Ring: ring, State: keys.Active, Created: time.Unix(1, 0), Changed: time.Unix(1, 0),
		Wrapped: []keys.Wrapping{{KEK: "k", Bytes: []byte("wrapped")}},
	}
	destroyed := r
	destroyed.State, destroyed.Wrapped = keys.Destroyed, nil
	for name, end := range map[string]func(c *Codes) error{
		"destroyed": func(c *Codes) error {
			return c.Keys().CompareAndSwap(t.Context(), ring, 1, []keys.Record{destroyed})
		},
		"Close": (*Codes).Close,
	} {
		c, err := NewCodes(nil)
		require.NoError(t, err)
		require.NoError(t, c.Keys().CompareAndSwap(t.Context(), ring, 0, []keys.Record{r}))
		kept := c.keyStore.records[r.ID].Wrapped[0].Bytes
		require.Equal(t, "wrapped", string(kept))
		require.NoError(t, end(c), name)
		require.Equal(t, make([]byte, len("wrapped")), kept, name)
	}
}
