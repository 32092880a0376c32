package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

func newCodes(t *testing.T, o *memory.CodesOptions) *memory.Codes {
	t.Helper()
	c, err := memory.NewCodes(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestCodes(t *testing.T) {
	storetest.RunCodes(t, func(t *testing.T) store.Codes { return newCodes(t, nil) })
}

func TestCodesKeys(t *testing.T) {
	keystest.RunStore(t, func(t *testing.T) keys.Store { return newCodes(t, nil).Keys() })
}

func TestCodesClosed(t *testing.T) {
	c := newCodes(t, nil)
	require.NoError(t, c.CheckEphemeral(t.Context()))
	for range 2 {
		require.NoError(t, c.Close())
	}
	storetest.RunCodesClosed(t, c)
	keystest.RunStoreClosed(t, c.Keys())
}

// A full store takes what replaces a code and, when one is gone, another one.
func TestCodesMax(t *testing.T) {
	_, err := memory.NewCodes(&memory.CodesOptions{Max: -1})
	_, ok := err.(*store.InvalidError)
	require.True(t, ok, "%v", err)

	c := newCodes(t, &memory.CodesOptions{Max: 2})
	key := envelope.NewKeyID()
	require.NoError(t, c.OpenFence(t.Context(), key))
	code := func(owner string) store.Code {
		record := append([]byte{envelope.Version, envelope.SuiteXAES}, key[:]...)
		return store.Code{
			ID: store.CodeID{Owner: owner}, RecordID: envelope.NewRecordID(), Token: "t",
			Record: append(record, make([]byte, envelope.Overhead)...),
		}
	}
	require.NoError(t, c.PutCodes(t.Context(), []store.Code{code("a"), code("a"), code("b")}))
	require.ErrorIs(t, c.PutCodes(t.Context(), []store.Code{code("c")}), store.ErrFull)
	require.ErrorIs(t, c.PutCodes(t.Context(), []store.Code{code("a"), code("c")}), store.ErrFull)
	require.NoError(t, c.PutCodes(t.Context(), []store.Code{code("a"), code("b")}))
	require.NoError(t, c.EraseCode(t.Context(), code("a").ID))
	require.NoError(t, c.PutCodes(t.Context(), []store.Code{code("c")}))
}
