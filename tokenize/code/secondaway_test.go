package code_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
)

// changing is a second store that goes away (nil), or comes back empty.
type changing struct{ atomic.Pointer[memory.Codes] }

func newChanging(t *testing.T) *changing {
	c := new(changing)
	c.Store(newCodes(t))
	return c
}

func (c *changing) CheckEphemeral(ctx context.Context) error { return c.Load().CheckEphemeral(ctx) }

func (c *changing) Keys() keys.Store { return (*changingKeys)(c) }

type changingKeys changing

func (k *changingKeys) store() (keys.Store, error) {
	if c := k.Load(); c != nil {
		return c.Keys(), nil
	}
	return nil, keys.ErrUnavailable
}

func (k *changingKeys) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	s, err := k.store()
	if err != nil {
		return keys.Record{}, err
	}
	return s.Get(ctx, id)
}

func (k *changingKeys) List(ctx context.Context, ring keys.RingID) ([]keys.Record, uint64, error) {
	s, err := k.store()
	if err != nil {
		return nil, 0, err
	}
	return s.List(ctx, ring)
}

func (k *changingKeys) CompareAndSwap(ctx context.Context, ring keys.RingID, version uint64, put []keys.Record) error {
	s, err := k.store()
	if err != nil {
		return err
	}
	return s.CompareAndSwap(ctx, ring, version, put)
}

// While the second is away codes are put until the seal lease is over, and read by whom
// the key is in memory. What was put is there when it comes back.
func TestSecondAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, second, o := w.repo(), newChanging(t), brief
		o.Second = second
		s := w.codes(r, w.transient(&o), nil)
		token := w.save(r, visa)
		put := func(digits string) error { return s.Put(t.Context(), me, own, token, cvc(t, digits)) }
		require.NoError(t, put("123"))
		was := second.Swap(nil)
		require.NoError(t, put("456"))
		time.Sleep(o.SealLease + time.Second)
		require.ErrorIs(t, put("789"), keys.ErrUnavailable)
		got, err := s.Retrieve(t.Context(), me, own, token)
		is(t, "456", got, err)
		time.Sleep(o.CacheLife)
		_, err = s.Retrieve(t.Context(), me, own, token)
		require.ErrorIs(t, err, keys.ErrUnavailable)
		second.Store(was)
		got, err = s.Retrieve(t.Context(), me, own, token)
		is(t, "456", got, err)
		require.NoError(t, put("789"))
	})
}

// After a crash of the second, a process that was there before puts codes that are lost
// until its seal lease is over, and none that are lost after it.
func TestSecondCrashes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, second, o := w.repo(), newChanging(t), brief
		o.Second = second
		s := w.codes(r, w.transient(&o), nil)
		token := w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		second.Store(newCodes(t))
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "456")))
		time.Sleep(o.SealLease + time.Second)
		require.NoError(t, s.Put(t.Context(), me, own, w.save(r, visa2), cvc(t, "789")))
		_, err := s.Retrieve(t.Context(), me, own, token)
		require.Error(t, err)
		_, s2, _ := w.other(&o)
		_, err = s2.Retrieve(t.Context(), me, own, token)
		require.Error(t, err)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "321")))
		got, err := s2.Retrieve(t.Context(), me, own, token)
		is(t, "321", got, err)
	})
}

// Taken away, the codes of the epoch cannot be read, and others not be put before it
// ends.
func TestSecondTakenAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, o := w.repo(), brief
		o.Second = newCodes(t)
		with := w.transient(&o)
		s, token := w.codes(r, with, nil), w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		s.Close()
		require.NoError(t, with.Close())

		s = w.codes(r, w.transient(&brief), nil)
		_, err := s.Retrieve(t.Context(), me, own, token)
		require.ErrorIs(t, err, keys.ErrNotFound)
		require.ErrorIs(t, s.Put(t.Context(), me, own, token, cvc(t, "456")), keys.ErrNotFound)
		time.Sleep(brief.Epoch + brief.Sweep + time.Second)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "456")))
		got, err := s.Retrieve(t.Context(), me, own, token)
		is(t, "456", got, err)
	})
}
