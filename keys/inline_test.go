package keys_test

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// Where an inline record's reference has what (design, format 1): 2 bytes of
// version and suite, 2 of length, KEK ID, key ID, time, wrapped key.
const (
	atKEK     = 4
	atKey     = atKEK + 8
	atCreated = atKey + 16
	atWrapped = atCreated + 8
)

// foreign are inline records of n processes, one each.
func foreign(t testing.TB, w *world, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = seal(t, pan(t, w.manager(t, nil)))
	}
	return all
}

func TestUnknownKEKMakesNoCall(t *testing.T) {
	w := inlineWorld()
	s := pan(t, w.manager(t, nil))
	record := foreign(t, w, 1)[0]
	record[atKEK] ^= 1
	calls := w.calls()
	for range 100 {
		refuses(t, s, record, additional(), envelope.ErrUnknownKey)
	}
	require.Equal(t, calls, w.calls())
}

// A KEK of another key under the same KEK ID calls the wrapped key bad, which is
// ErrOpen and no kind of the KMS's.
func TestInlineCorruptIsErrOpen(t *testing.T) {
	w := inlineWorld()
	record := foreign(t, w, 1)[0]
	other := pan(t, w.managerWith(t, keystest.NewKEK("other"), nil))
	_, err := other.Open(t.Context(), nil, record, additional())
	require.Equal(t, envelope.ErrOpen, err)
}

func TestInlineBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inlineWorld()
		records := foreign(t, w, 12)
		m := w.manager(t, &keys.Options{InlineUnwraps: 5})
		s := pan(t, m)
		for _, r := range records[:5] {
			opens(t, s, r)
		}
		for _, r := range records[5:] {
			refuses(t, s, r, additional(), keys.ErrThrottled)
		}
		require.Equal(t, 5, w.kek.Unwraps())
		for _, r := range records[:5] {
			opens(t, s, r) // costs nothing
		}
		opens(t, s, seal(t, s)) // nor does its own
		sleep(t, "11s")         // a fifth of a minute, less a second
		refuses(t, s, records[5], additional(), keys.ErrThrottled)
		sleep(t, "1s")
		opens(t, s, records[5])
		refuses(t, s, records[6], additional(), keys.ErrThrottled)
		sleep(t, "1h") // fills to the brim, not beyond
		for _, r := range records[6:11] {
			opens(t, s, r)
		}
		refuses(t, s, records[11], additional(), keys.ErrThrottled)
		// A flood of records in one scope does not close the others.
		elsewhere, err := scopeOf(t, w.manager(t, nil), keys.PAN, "shop2").
			Seal(t.Context(), nil, []byte(message), additional())
		require.NoError(t, err)
		opens(t, scopeOf(t, m, keys.PAN, "shop2"), elsewhere)
	})
}

func TestForgedReferences(t *testing.T) {
	forge := map[string]func(r []byte){
		"wrapped": func(r []byte) { r[atWrapped+5] ^= 1 },
		"created": func(r []byte) { r[atCreated+7] ^= 1 },
		"far time": func(r []byte) {
			binary.BigEndian.PutUint64(r[atCreated:], 1<<63|12345)
		},
	}
	for name, change := range forge {
		t.Run(name, func(t *testing.T) {
			w := inlineWorld()
			record := foreign(t, w, 1)[0]
			forged := slices.Clone(record)
			change(forged)
			s := pan(t, w.manager(t, nil))
			for range 3 {
				refuses(t, s, forged, additional())
			}
			require.Equal(t, 3, w.kek.Unwraps(), "cold, each forgery is asked about")
			for range 3 {
				opens(t, s, record)
			}
			require.Equal(t, 4, w.kek.Unwraps())
			for range 100 {
				refuses(t, s, forged, additional())
			}
			opens(t, s, record)
			require.Equal(t, 4, w.kek.Unwraps(), "known, none is")
		})

		// Whoever sends a forgery at the moment a real record is opened must not
		// have the real one share its fate.
		t.Run(name+" at once", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := inlineWorld()
				record := foreign(t, w, 1)[0]
				forged := slices.Clone(record)
				change(forged)
				s := pan(t, w.manager(t, nil))
				gate := make(chan struct{})
				w.kek.Before(func(context.Context, string, int) error { <-gate; return nil })
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := s.Open(t.Context(), nil, forged, additional())
					assert.ErrorIs(t, err, envelope.ErrOpen)
				})
				synctest.Wait() // the forgery is first
				wg.Go(func() {
					got, err := s.Open(t.Context(), nil, record, additional())
					assert.NoError(t, err)
					assert.Equal(t, message, string(got))
				})
				synctest.Wait()
				close(gate)
				wg.Wait()
			})
		})
	}
}

// A caller who left may use its buffer again, though the call goes on.
func TestBufferReusedDuringCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inlineWorld()
		record := foreign(t, w, 1)[0]
		m := w.manager(t, nil)
		s := pan(t, m)
		gate := make(chan struct{})
		w.kek.Before(func(context.Context, string, int) error { <-gate; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		buffer := slices.Clone(record)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Open(ctx, nil, buffer, additional())
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		clear(buffer)
		close(gate)
		synctest.Wait()
		w.kek.Before(nil)
		require.True(t, keys.HeldKey(m, keys.PAN, keyOf(t, record)))
		opens(t, s, record) // and what is kept is the reference as it was
		require.Equal(t, 1, w.kek.Unwraps())
	})
}

// An inline process renews its salt without a new data key, also while the KMS
// is away.
func TestInlineRenewalMakesNoCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inlineWorld()
		m := w.manager(t, &keys.Options{RenewAge: time.Minute})
		s := pan(t, m)
		first := seal(t, s)
		w.kek.SetError(keys.ErrUnavailable)
		m.Renew()
		second := seal(t, s)
		require.NotEqual(t, saltOf(t, first), saltOf(t, second))
		sleep(t, "1m")
		third := seal(t, s)
		require.NotEqual(t, saltOf(t, second), saltOf(t, third))
		keys.LeaveCounts(m, keys.PAN, 0)
		s2 := scopeOf(t, m, keys.PAN, "another")
		fourth := seal(t, s2)
		for _, r := range [][]byte{second, third, fourth} {
			require.Equal(t, keyOf(t, first), keyOf(t, r))
		}
		require.Equal(t, 1, w.calls())
	})
}

func TestInlineRefusals(t *testing.T) {
	w := inlineWorld()
	m := w.manager(t, nil)
	_, err := m.Scope(keys.CVC, "shop")
	require.ErrorAs(t, err, new(*keys.OptionError))
	_, err = m.Rotate(t.Context(), keys.PAN)
	require.ErrorIs(t, err, keys.ErrNotRotatable)
	list, err := m.Records(t.Context(), keys.PAN)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = newWorld().manager(t, nil).Scope(keys.CVC, "shop")
	require.NoError(t, err)
	require.Zero(t, w.calls())
}

// With room for two keys, another's record may come while the second of one's own is
// not sealed under yet.
func TestRoomForTwoKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inlineWorld()
		other := foreign(t, w, 1)[0]
		m := w.manager(t, &keys.Options{CacheKeys: 2, CacheLife: 24 * time.Hour, RenewAge: 24 * time.Hour, RotateAge: time.Hour})
		s := pan(t, m)
		first := seal(t, s)
		sleep(t, "61m")
		require.NoError(t, keys.ReplaceOwn(t.Context(), m, keys.PAN))
		opens(t, s, other)
		second := seal(t, s)
		require.NotEqual(t, keyOf(t, first), keyOf(t, second))
		for _, record := range [][]byte{first, second, other} {
			opens(t, s, record)
		}
		require.Equal(t, 2, keys.HeldKeys(m, keys.PAN))
	})
}
