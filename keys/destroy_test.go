package keys_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// registry stands for a card store: it counts records and notes what it was asked.
type registry struct {
	records uint64
	asked   []string
	err     error
}

func (r *registry) options() keys.DestroyOptions {
	return keys.DestroyOptions{
		CloseFence: func(context.Context, keys.KeyID) error { r.asked = append(r.asked, "fence"); return r.err },
		Census: func(context.Context, keys.KeyID) (uint64, error) {
			r.asked = append(r.asked, "census")
			return r.records, r.err
		},
	}
}

// The order is design's: wait, close the fence, count, erase.
func TestDestroy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m := w.manager(t, nil)
		s := pan(t, m)
		record := seal(t, s)
		id := keyOf(t, record)
		reg := &registry{records: 3}
		destroy := func() error { _, err := m.Destroy(t.Context(), id, reg.options()); return err }

		require.ErrorAs(t, destroy(), new(*keys.StateError), "active")
		_, err := m.Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
		rotated := time.Now()
		for range 6 { // lease and skew
			var early *keys.EarlyError
			require.ErrorAs(t, destroy(), &early)
			require.Equal(t, id, early.Key)
			require.WithinDuration(t, rotated.Add(6*time.Minute), early.Until, time.Second)
			require.Empty(t, reg.asked, "asked before the time")
			sleep(t, "59s")
		}
		sleep(t, "10s")
		var used *keys.InUseError
		require.ErrorAs(t, destroy(), &used)
		require.Equal(t, keys.InUseError{Key: id, Records: 3}, *used)
		require.Equal(t, []string{"fence", "census"}, reg.asked)
		opens(t, s, record)

		reg.err = keys.ErrUnavailable
		require.ErrorIs(t, destroy(), keys.ErrUnavailable)
		require.Equal(t, []string{"fence", "census", "fence"}, reg.asked, "counted although the fence is open")
		reg.err, reg.records = nil, 0
		receipt, err := m.Destroy(t.Context(), id, reg.options())
		require.NoError(t, err)
		refuses(t, s, record, additional(), keys.ErrDisabled)
		rec, err := w.store.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, keys.Destroyed, rec.State)
		require.Empty(t, rec.Wrapped)
		now := time.Now().UTC().Truncate(time.Second)
		require.Equal(t, keys.Receipt{
			Key: id, Ring: rec.Ring, Destroyed: now, LastUse: now.Add(time.Hour + time.Minute), Promise: keys.CopiesGone,
		}, receipt)
		parsed, err := keys.ParseReceipt(receipt.AppendTo(nil))
		require.NoError(t, err)
		require.Equal(t, receipt, parsed)

		require.ErrorAs(t, m.Enable(t.Context(), id), new(*keys.StateError))
		sleep(t, "1h")
		again, err := m.Destroy(t.Context(), id, reg.options())
		require.NoError(t, err)
		require.Equal(t, receipt.Destroyed, again.Destroyed)
	})
}

func TestShred(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m := w.manager(t, clocks())
		s := scopeOf(t, m, keys.CVC, "shop")
		id := keyOf(t, seal(t, s))
		require.NoError(t, m.Disable(t.Context(), id))
		sleep(t, "6m1s")
		_, err := m.Destroy(t.Context(), id, keys.DestroyOptions{})
		wrongField(t, err, "Census")
		_, err = m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true, Skew: -1})
		wrongField(t, err, "Skew")
		_, err = m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true, DestroyKEK: true})
		wrongField(t, err, "DestroyKEK")
		o := (&registry{records: 7}).options()
		o.Shred, o.SealLease, o.Skew, o.Serve = true, time.Hour, time.Hour, 5*time.Hour
		_, err = m.Destroy(t.Context(), id, o)
		require.ErrorAs(t, err, new(*keys.EarlyError))
		sleep(t, "2h")
		receipt, err := m.Destroy(t.Context(), id, o)
		require.NoError(t, err)
		require.True(t, receipt.Shredded)
		require.EqualValues(t, 7, receipt.Records)
		require.WithinDuration(t, time.Now().Add(6*time.Hour), receipt.LastUse, time.Second)

		// Without being told otherwise: cache life, and no grace for codes.
		id = keyOf(t, seal(t, s))
		require.NoError(t, m.Retire(t.Context(), id))
		sleep(t, "6m1s")
		receipt, err = m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true})
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(61*time.Minute), receipt.LastUse, time.Second)
	})
}

// Whatever another process does with its caches, by LastUse it opens no more: not
// while the KMS is away, and not if it asks for the key all the time.
func TestNothingOpensAfterLastUse(t *testing.T) {
	for _, away := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld()
			m := w.manager(t, clocks())
			record := seal(t, pan(t, m))
			id := keyOf(t, record)
			_, err := m.Rotate(t.Context(), keys.PAN)
			require.NoError(t, err)
			h := &hookStore{Store: w.store}
			elsewhere, err := keys.Open(t.Context(), h, w.kek, clocks())
			require.NoError(t, err)
			defer elsewhere.Close()
			s := pan(t, elsewhere)
			sleep(t, "7m")
			opens(t, s, record)
			receipt, err := m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true})
			require.NoError(t, err)
			if away {
				h.fail(keys.ErrUnavailable)
				w.kek.SetError(keys.ErrUnavailable)
			}
			last := time.Now()
			for time.Now().Before(receipt.LastUse.Add(time.Hour)) {
				if _, err := s.Open(t.Context(), nil, record, additional()); err == nil {
					last = time.Now()
				}
				sleep(t, "1m")
			}
			require.True(t, last.Before(receipt.LastUse), "opened %v after", last.Sub(receipt.LastUse))
			require.Equal(t, away, last.After(receipt.Destroyed.Add(2*time.Hour)))
		})
	}
}
