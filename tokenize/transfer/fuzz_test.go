package transfer_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// A cursor is refused, or means the same when it is written again.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"records":0,"refused":0}`,
		`{"v":1,"after":"MQ==","last":"NQ==","count":4,"records":1,"refused":1,"unsaved":[{"at":0,"c":1,"f":"sealed","k":1,"x":"does not open"},{"at":3,"c":2}]}`,
		`{"v":1,"last":"NQ==","count":1,"records":0,"refused":0,"unsaved":[{"at":1,"c":1}]}`,
		`{"v":2,"records":0,"refused":0}`,
		`{"v":1,"records":1,"refused":2}`,
		`{"v":1,"count":1,"records":0,"refused":0}`,
		`{"v":1,"more":1}`, `{} {}`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := transfer.DecodeCursor(b)
		if err != nil {
			e, ok := errors.AsType[*tokenize.Error](err)
			require.True(t, ok)
			require.Equal(t, "JOB_UNREADABLE", e.SupportCode)
			return
		}
		again, err := transfer.DecodeCursor(text)
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
	})
}

// No position that passes has a card number among its bytes.
func FuzzPosition(f *testing.F) {
	for _, s := range []string{"", "1", "old/" + visa, visa + visa, "a" + master + "z", "4111111111111112"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		err := transfer.CheckPosition(nil, p)
		require.True(t, err == nil || errors.Is(err, transfer.ErrPosition))
		if err != nil || len(p) == 0 {
			return
		}
		for from := 0; from < len(p); from++ {
			to := from
			for to < len(p) && p[to] >= '0' && p[to] <= '9' {
				to++
			}
			require.False(t, (from == 0 || p[from-1] < '0' || p[from-1] > '9') && card.LooksLikePAN(p[from:to]))
		}
	})
}

func TestCursorsOfOthersAreRefused(t *testing.T) {
	for _, s := range []string{
		`{"v":2,"records":0,"refused":0}`, `{"v":1,"records":0,"refused":1}`, `{"v":1,"records":0,"refused":0,"new":1}`,
		`{"v":1,"count":1,"records":0,"refused":0}`, `{"v":1,"records":0,"refused":0}{}`, `{"v":1,"records":-1}`,
		`{"v":1,"count":2,"last":"NQ==","records":0,"refused":0,"unsaved":[{"at":1,"c":1},{"at":1,"c":1}]}`,
	} {
		_, err := transfer.DecodeCursor([]byte(s))
		require.Error(t, err, s)
	}
	_, err := transfer.DecodeCursor([]byte(`{"v":1,"records":0,"refused":0}`))
	require.NoError(t, err)
}
