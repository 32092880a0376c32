package code_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/code"
)

// counting is a store that counts how often it is asked to count codes.
type counting struct {
	code.EphemeralStore
	asked int
}

func (c *counting) CountCodes(ctx context.Context, key keys.KeyID) (uint64, error) {
	c.asked++
	return c.EphemeralStore.CountCodes(ctx, key)
}

// receipts are those that went to a sink.
func receipts(t *testing.T, s *sink) (all []keys.Receipt) {
	for _, e := range s.take() {
		r, err := keys.ParseReceipt(e.Receipt)
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

// An epoch that comes back with an old copy of the store is told of, also where the
// opening destroys it again before anybody looks.
func TestErasedTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, o := w.repo(), brief
		told := &sink{}
		o.Audit = told
		tr := w.transient(&o)
		s := w.codes(r, tr, nil)
		require.NoError(t, s.Put(t.Context(), me, own, w.save(r, visa), cvc(t, "123")))
		time.Sleep(o.Epoch + o.Sweep + time.Second)
		old, _, err := w.ephemeral.Keys().List(t.Context(), code.Ring)
		require.NoError(t, err)
		require.Len(t, old, 1)
		require.Equal(t, keys.Retired, old[0].State)
		time.Sleep(tr.Forgets())
		first := receipts(t, told)
		require.Len(t, first, 1)
		epochs, err := tr.Erasures(t.Context(), first...)
		require.NoError(t, err)
		require.False(t, epochs[0].Back)
		require.NoError(t, tr.Close())

		_, version, err := w.ephemeral.Keys().List(t.Context(), code.Ring)
		require.NoError(t, err)
		require.NoError(t, w.ephemeral.Keys().CompareAndSwap(t.Context(), code.Ring, version, old))
		tr = w.transient(&o) // which sweeps
		second := receipts(t, told)
		require.Len(t, second, 1)
		for _, known := range [][]keys.Receipt{first, append(second, first...)} {
			epochs, err = tr.Erasures(t.Context(), known...)
			require.NoError(t, err)
			require.Len(t, epochs, 1)
			require.Equal(t, keys.Destroyed, epochs[0].State)
			require.True(t, epochs[0].Back)
			require.Equal(t, &first[0], epochs[0].Receipt)
		}
		// Nor does it help to lose the store after it.
		lost, err := code.OpenTransient(t.Context(), newCodes(t), w.kek, &brief)
		require.NoError(t, err)
		defer lost.Close()
		epochs, err = lost.Erasures(t.Context(), append(first, second...)...)
		require.NoError(t, err)
		require.Equal(t, []code.Epoch{{Key: first[0].Key, State: keys.Destroyed, Receipt: &first[0], Back: true}}, epochs)
	})
}

// Epochs that were destroyed with nothing left in them cost no question, however many
// they become.
func TestErasuresCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, o := w.repo(), brief
		told, asked := &sink{}, &counting{EphemeralStore: w.ephemeral}
		o.Audit = told
		tr, err := code.OpenTransient(t.Context(), asked, w.kek, &o)
		require.NoError(t, err)
		defer tr.Close()
		s, token := w.codes(r, tr, nil), w.save(r, visa)
		for range 5 {
			require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
			time.Sleep(o.Epoch + o.Sweep + time.Second)
		}
		known := receipts(t, told)
		asked.asked = 0
		epochs, err := tr.Erasures(t.Context(), known...)
		require.NoError(t, err)
		require.Len(t, epochs, 5)
		require.Greater(t, len(known), 2)
		require.Equal(t, len(epochs)-len(known), asked.asked)
		_, err = tr.Erasures(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2*len(epochs)-len(known), asked.asked)
	})
}
