package awskms

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func binding() keys.Binding {
	return keys.Binding{
		Environment: "production", Scope: "shop-eu", Purpose: keys.PAN,
		KeyID: keys.KeyID{15: 7}, Created: time.Unix(1_700_000_000, 0),
	}
}

// TestConformanceFake tries every bit, which costs nothing there.
func TestConformanceFake(t *testing.T) {
	for name, ids := range map[string][]string{
		"single region": {keyID, "5678abcd-12ab-34cd-56ef-1234567890ab"},
		"multi-Region":  {mrkID, "mrk-5678abcd12ab34cd56ef1234567890ab"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			one, two := f.key(region, ids[0]), f.key(region, ids[1])
			keystest.RunKEK(t, func(t *testing.T) keys.KEK { return f.open(t, one) }, &keystest.KEKOptions{
				Other:  func(t *testing.T) keys.KEK { return f.open(t, two) },
				Reopen: func(t *testing.T, k keys.KEK) keys.KEK { return f.open(t, one) },
			})
		})
	}
}

// TestConformance runs against every emulator.
func TestConformance(t *testing.T) {
	for _, name := range emulators {
		t.Run(name, func(t *testing.T) {
			e := need(t, name)
			opened := map[string]string{}
			keystest.RunKEK(t, func(t *testing.T) keys.KEK {
				arn := e.newKey(t, nil)
				k := e.open(t, arn)
				opened[k.ID()] = arn
				return k
			}, &keystest.KEKOptions{
				Flips: 64, Concurrency: 8,
				Reopen: func(t *testing.T, k keys.KEK) keys.KEK { return e.open(t, opened[k.ID()]) },
			})
		})
	}
}

func TestClosed(t *testing.T) {
	f := newFake(t)
	closer := &countingCloser{err: errors.New("as the test wants it")}
	k, err := New(t.Context(), f.config(), f.key(region, keyID), &Options{Closer: closer})
	require.NoError(t, err)
	require.ErrorIs(t, k.Close(), closer.err)
	require.NoError(t, k.Close())
	require.Equal(t, 1, closer.closed)
	f.made()
	keystest.RunKEKClosed(t, k)
	require.Empty(t, f.made(), "a closed KEK makes no calls")
	require.EqualError(t, ErrClosed, "awskms: KEK is closed")
}

type countingCloser struct {
	closed int
	err    error
}

func (c *countingCloser) Close() error { c.closed++; return c.err }

// The zero KEK and none at all are refused, not a panic.
func TestZeroKEK(t *testing.T) {
	for _, k := range []*KEK{nil, {}} {
		_, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
		require.ErrorIs(t, err, keys.ErrClosed)
		_, err = k.Unwrap(t.Context(), nil, make([]byte, 61), binding())
		require.ErrorIs(t, err, keys.ErrClosed)
		_, err = k.Rewrap(t.Context(), nil, make([]byte, 61), binding())
		require.ErrorIs(t, err, keys.ErrClosed)
		_, _, err = k.GenerateDataKey(t.Context(), nil, binding())
		require.ErrorIs(t, err, keys.ErrClosed)
		require.ErrorIs(t, k.Check(t.Context()), keys.ErrClosed)
		require.ErrorIs(t, k.Close(), keys.ErrClosed)
		require.Empty(t, k.ID())
		require.Empty(t, k.String())
	}
}
