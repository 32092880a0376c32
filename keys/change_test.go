package keys_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// Every state meets every change: some are made and noted, the others change
// nothing and say why.
func TestChangesOfState(t *testing.T) {
	shred := func(m *keys.Manager) func(context.Context, keys.KeyID) error {
		return func(ctx context.Context, id keys.KeyID) error {
			_, err := m.Destroy(ctx, id, keys.DestroyOptions{Shred: true})
			return err
		}
	}
	changes := map[string]struct {
		do    func(m *keys.Manager) func(context.Context, keys.KeyID) error
		to    keys.State
		legal []keys.State
	}{
		"retire":  {func(m *keys.Manager) func(context.Context, keys.KeyID) error { return m.Retire }, keys.Retired, []keys.State{keys.Active, keys.Retired}},
		"disable": {func(m *keys.Manager) func(context.Context, keys.KeyID) error { return m.Disable }, keys.Disabled, []keys.State{keys.Active, keys.Retired, keys.Disabled}},
		"enable":  {func(m *keys.Manager) func(context.Context, keys.KeyID) error { return m.Enable }, keys.Retired, []keys.State{keys.Disabled, keys.Retired}},
		"destroy": {shred, keys.Destroyed, []keys.State{keys.Retired, keys.Disabled, keys.Destroyed}},
	}
	for name, c := range changes {
		for _, from := range []keys.State{keys.Active, keys.Retired, keys.Disabled, keys.Destroyed} {
			t.Run(name+"/"+from.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld()
					m := w.manager(t, nil)
					id := keyOf(t, seal(t, pan(t, m)))
					setState(t, w.store, id, from)
					sleep(t, "10m")
					before, err := w.store.Get(t.Context(), id)
					require.NoError(t, err)
					err = c.do(m)(t.Context(), id)
					rec, getErr := w.store.Get(t.Context(), id)
					require.NoError(t, getErr)
					legal := from == c.to
					for _, s := range c.legal {
						legal = legal || s == from
					}
					if !legal {
						var e *keys.StateError
						require.ErrorAs(t, err, &e)
						require.Equal(t, keys.StateError{Key: id, From: from, To: c.to}, *e)
						require.Equal(t, from == keys.Destroyed, errors.Is(err, keys.ErrDisabled))
						require.Equal(t, before, rec)
						return
					}
					require.NoError(t, err)
					require.Equal(t, c.to, rec.State)
					if from != c.to {
						require.Equal(t, time.Now().UTC().Truncate(time.Second), rec.Changed)
						require.Equal(t, c.to == keys.Destroyed, len(rec.Wrapped) == 0)
					}
					require.NoError(t, c.do(m)(t.Context(), id), "made twice")
					again, err := w.store.Get(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, rec, again)
				})
			})
		}
	}
}

func TestChangesRefused(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	other := w.manager(t, &keys.Options{Environment: "test"})
	foreign := keyOf(t, seal(t, pan(t, other)))
	for _, do := range []func(context.Context, keys.KeyID) error{m.Retire, m.Disable, m.Enable} {
		require.ErrorIs(t, do(t.Context(), keys.KeyID{1}), keys.ErrNotFound)
		require.ErrorIs(t, do(t.Context(), foreign), keys.ErrNotFound, "another environment's key")
	}
	// Whoever looked up next would make another index key, and find no card.
	index := scopeOf(t, m, keys.Index, "shop")
	id, err := index.ActiveKey(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, m.Retire(t.Context(), id), keys.ErrNotRotatable)
	require.ErrorIs(t, m.Disable(t.Context(), id), keys.ErrNotRotatable)
	_, err = m.RotateIndex(t.Context())
	require.NoError(t, err)
	require.NoError(t, m.Disable(t.Context(), id))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, other.Disable(ctx, foreign), context.Canceled)
	require.ErrorIs(t, inlineWorld().manager(t, nil).Disable(t.Context(), foreign), keys.ErrNoStates)
	require.NoError(t, m.Close())
	require.ErrorIs(t, m.Disable(t.Context(), foreign), keys.ErrClosed)
	var zero keys.Manager
	require.ErrorIs(t, zero.Retire(t.Context(), foreign), keys.ErrClosed)
}

// In the process that changes it, a key follows at once, warm or not.
func TestDisabledAtOnceHere(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	s, twin := pan(t, m), pan(t, m)
	record := seal(t, s)
	id := keyOf(t, record)
	for range 4 {
		opens(t, s, record)
		opens(t, twin, record)
	}
	peek := keys.Peek(m, keys.PAN, id)
	require.NoError(t, m.Disable(t.Context(), id))
	raw, scopes := peek()
	require.Empty(t, raw)
	require.Zero(t, scopes)
	refuses(t, s, record, additional(), keys.ErrDisabled)
	refuses(t, twin, record, additional(), keys.ErrDisabled)
	require.NotEqual(t, id, keyOf(t, seal(t, twin)), "seals under a disabled key")
	require.NoError(t, m.Enable(t.Context(), id))
	opens(t, s, record)
	require.NotEqual(t, id, keyOf(t, seal(t, s)), "an enabled key only opens")

	active := keyOf(t, seal(t, s))
	require.NoError(t, m.Retire(t.Context(), active))
	require.NotEqual(t, active, keyOf(t, seal(t, s)))
}

// Elsewhere it takes until the other process asks again: when it reads the ring to
// seal, when it refreshes, and at the latest when cache life and grace are over.
func TestDisabledElsewhere(t *testing.T) {
	cases := map[string]struct {
		refresh, grace time.Duration
		seals          bool
		within         time.Duration
	}{
		"seals":     {0, 0, true, 5 * time.Minute},
		"refreshes": {20 * time.Minute, 0, false, 21 * time.Minute},
		"neither":   {0, 0, false, time.Hour},
		"grace":     {0, 2 * time.Hour, false, time.Hour}, // the store can be reached, and says no
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				m := w.manager(t, patient())
				record := seal(t, pan(t, m))
				_, err := m.Rotate(t.Context(), keys.PAN)
				require.NoError(t, err)
				o := clocks()
				o.RefreshAfter, o.Grace = c.refresh, c.grace
				elsewhere := w.manager(t, o)
				s := pan(t, elsewhere)
				opens(t, s, record)
				if c.seals {
					seal(t, s)
				}
				require.NoError(t, m.Disable(t.Context(), keyOf(t, record)))
				start := time.Now()
				for {
					if _, err := s.Open(t.Context(), nil, record, additional()); err != nil {
						require.ErrorIs(t, err, keys.ErrDisabled)
						break
					}
					if c.seals {
						seal(t, s)
					}
					sleep(t, "5s")
				}
				require.LessOrEqual(t, time.Since(start), c.within)
				require.Greater(t, time.Since(start), c.within*8/10-time.Second)
			})
		})
	}
}

// A load that began before a key was ended does not bring it back, whether it is
// the store or the KMS that has answered already.
func TestLoadInFlightDoesNotBringBack(t *testing.T) {
	for _, at := range []string{"get", "unwrap", "list"} {
		t.Run(at, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				record := seal(t, pan(t, w.manager(t, patient())))
				id := keyOf(t, record)
				h := w.hooked()
				gate, held := make(chan struct{}), false
				hold := func(op string) {
					if op == at && !held {
						held = true
						<-gate
					}
				}
				h.hooks(nil, func(_ context.Context, op string, _ int) error { hold(op); return nil })
				w.kek.Before(func(_ context.Context, op string, _ int) error { hold(op); return nil })
				m := w.manager(t, patient())
				s := pan(t, m)
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if at == "list" {
							record, err := s.Seal(t.Context(), nil, nil, additional())
							assert.NoError(t, err)
							assert.NotEqual(t, id, keyOf(t, record))
							return
						}
						_, err := s.Open(t.Context(), nil, record, additional())
						assert.ErrorIs(t, err, keys.ErrDisabled)
					})
				}
				synctest.Wait()
				require.NoError(t, m.Disable(t.Context(), id))
				close(gate)
				wg.Wait()
				require.False(t, keys.HeldKey(m, keys.PAN, id), "brought back")
				refuses(t, s, record, additional(), keys.ErrDisabled)
				require.NoError(t, m.Enable(t.Context(), id))
				opens(t, s, record)
			})
		})
	}
}

// Nor does a refresh that is under way, nor one whose answer says yes.
func TestRefreshInFlightDoesNotBringBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m := w.manager(t, clocks())
		s := pan(t, m)
		record := seal(t, s)
		gate := make(chan struct{})
		sleep(t, "17m")
		seal(t, s)
		w.kek.Before(func(context.Context, string, int) error { <-gate; return nil })
		sleep(t, "4m")
		require.Equal(t, 1, w.kek.Unwraps())
		require.NoError(t, m.Disable(t.Context(), keyOf(t, record)))
		close(gate)
		synctest.Wait()
		require.False(t, keys.HeldKey(m, keys.PAN, keyOf(t, record)))
		refuses(t, s, record, additional(), keys.ErrDisabled)
	})
}

// Changes by many processes at once end in one of the states that were asked for,
// and none is lost.
func TestChangesByManyProcesses(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	id := keyOf(t, seal(t, pan(t, m)))
	var wg sync.WaitGroup
	for i := range 12 {
		other := w.manager(t, nil)
		wg.Go(func() {
			if i%3 == 0 {
				_, err := other.Rotate(t.Context(), keys.PAN)
				assert.NoError(t, err)
				return
			}
			assert.NoError(t, other.Disable(t.Context(), id))
		})
	}
	wg.Wait()
	rec, err := w.store.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, keys.Disabled, rec.State)
	_, active := records(t, w.store, keys.PAN)
	require.Equal(t, 1, active)
}
