package keys_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// regions are n KEKs, the first of which a manager is opened with.
func regions(n int) (all []*keystest.KEK) {
	for i := range n {
		all = append(all, keystest.NewKEK(fmt.Sprintf("region-%d", i)))
	}
	return all
}

func (w *world) guarded(t testing.TB, all []*keystest.KEK, o *keys.Options) *keys.Manager {
	if o == nil {
		o = &keys.Options{}
	}
	own := *o
	own.KEKs = nil
	for _, k := range all[1:] {
		own.KEKs = append(own.KEKs, k)
	}
	return w.managerWith(t, all[0], &own)
}

func wrappedBy(t testing.TB, w *world, id keys.KeyID) (by []string) {
	rec, err := w.store.Get(t.Context(), id)
	require.NoError(t, err)
	for _, x := range rec.Wrapped {
		by = append(by, x.KEK)
	}
	return by
}

// Any one of the KEKs opens, whichever are away or refuse.
func TestAnyKEKOpens(t *testing.T) {
	w, all := newWorld(), regions(3)
	record := seal(t, pan(t, w.guarded(t, all, nil)))
	require.Equal(t, []string{"region-0", "region-1", "region-2"}, wrappedBy(t, w, keyOf(t, record)))
	for _, kind := range []error{keys.ErrUnavailable, keys.ErrDenied, keys.ErrDisabled, keys.ErrCorrupt, errors.New("of no kind")} {
		for up := range all {
			for i, k := range all {
				k.SetError(nil)
				if i != up {
					k.SetError(kind)
				}
			}
			opens(t, pan(t, w.guarded(t, all, &keys.Options{Tries: 1})), record)
		}
	}
	for _, k := range all {
		k.SetError(nil)
		opens(t, pan(t, w.managerWith(t, k, nil)), record) // alone, too
	}
}

// What each KEK said is in the error, with its kind and its name.
func TestFailuresOfAllKEKs(t *testing.T) {
	w, all := newWorld(), regions(3)
	record := seal(t, pan(t, w.guarded(t, all, nil)))
	vendor := &keys.CallError{Call: "kms:Decrypt", Kind: keys.ErrDenied, Err: errors.New("vendor's words")}
	all[0].SetError(keys.ErrUnavailable)
	all[1].SetError(vendor)
	all[2].SetError(keys.ErrThrottled)
	o := &keys.Options{Tries: 1}
	_, err := pan(t, w.guarded(t, all, o)).Open(t.Context(), nil, record, additional())
	for _, want := range []error{envelope.ErrOpen, keys.ErrUnavailable, keys.ErrDenied, keys.ErrThrottled, vendor.Err} {
		require.ErrorIs(t, err, want)
	}
	calls := callErrors(err)
	require.Len(t, calls, 3)
	for i, want := range []error{keys.ErrUnavailable, keys.ErrDenied, keys.ErrThrottled} {
		require.Equal(t, fmt.Sprintf("region-%d", i), calls[i].KEK)
		require.Equal(t, want, calls[i].Kind)
		require.Contains(t, calls[i].Error(), calls[i].KEK)
	}
	require.Equal(t, "kms:Decrypt", calls[1].Call)
	require.Empty(t, vendor.KEK, "the backend's own error was changed")

	_, err = w.guarded(t, all, o).Rotate(t.Context(), keys.PAN)
	require.Len(t, callErrors(err), 3)
	require.ErrorIs(t, err, keys.ErrDenied)
}

func callErrors(err error) (all []*keys.CallError) {
	if c, ok := err.(*keys.CallError); ok {
		return []*keys.CallError{c}
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		return callErrors(u.Unwrap())
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			all = append(all, callErrors(e)...)
		}
	}
	return all
}

// A region that never answers costs one share of one call's time, not one for each
// data key, and is asked first again once it had time to come back.
func TestDeadRegionCostsOneTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, all := newWorld(), regions(2)
		m := w.guarded(t, all, nil)
		var sealed [][]byte
		for range 20 {
			sealed = append(sealed, seal(t, pan(t, m)))
			_, err := m.Rotate(t.Context(), keys.PAN)
			require.NoError(t, err)
		}
		hang := func(ctx context.Context, _ string, _ int) error { <-ctx.Done(); return ctx.Err() }
		all[0].Before(hang)
		s := pan(t, w.guarded(t, all, nil))
		start := time.Now()
		for _, r := range sealed {
			opens(t, s, r)
		}
		require.Equal(t, 5*time.Second, time.Since(start), "half of Options.Timeout, once")

		all[0].Before(nil)
		sleep(t, "11s")
		asked := all[0].Unwraps()
		s = pan(t, w.guarded(t, all, nil))
		opens(t, s, sealed[0])
		require.Equal(t, asked+1, all[0].Unwraps())

		// All of them away: the last word is still a kind, in the time of one call.
		all[0].Before(hang)
		all[1].Before(hang)
		start = time.Now()
		_, err := pan(t, w.guarded(t, all, nil)).Open(t.Context(), nil, sealed[1], additional())
		require.ErrorIs(t, err, keys.ErrUnavailable)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestQuorum(t *testing.T) {
	cases := []struct {
		n, quorum, down int
		ok              bool
	}{
		{3, 0, 0, true}, {3, 0, 1, false}, {3, 3, 1, false}, {3, 2, 1, true}, {3, 2, 2, false}, {3, 1, 2, true}, {3, 1, 3, false}, {1, 1, 0, true},
	}
	for _, c := range cases {
		for _, how := range []string{"fails", "hangs"} {
			t.Run(fmt.Sprintf("%d of %d, %d down, %s", c.quorum, c.n, c.down, how), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w, all, seen := newWorld(), regions(c.n), &events{}
					for _, k := range all[:c.down] {
						k.Before(func(ctx context.Context, _ string, _ int) error {
							if how == "hangs" {
								<-ctx.Done()
								return ctx.Err()
							}
							return keys.ErrUnavailable
						})
					}
					m := w.guarded(t, all, &keys.Options{Quorum: c.quorum, Observer: seen})
					record, err := pan(t, m).Seal(t.Context(), nil, []byte(message), additional())
					if !c.ok {
						require.ErrorIs(t, err, keys.ErrUnavailable)
						list, _ := records(t, w.store, keys.PAN)
						require.Empty(t, list)
						return
					}
					require.NoError(t, err)
					require.Len(t, wrappedBy(t, w, keyOf(t, record)), c.n-c.down)
					require.Len(t, seen.of(keys.UnderReplicated), min(c.down, 1))
					start := time.Now()
					_, err = m.Rotate(t.Context(), keys.PAN) // what is down is known, and not waited for
					require.NoError(t, err)
					require.Less(t, time.Since(start), time.Second)
				})
			})
		}
	}
}

// A process that lacks a KEK of the active key does not replace it by one that hangs on
// fewer, until it is told that the KEK is an old one, or its wrapping is gone.
func TestRotateLacksAKEK(t *testing.T) {
	w, all := newWorld(), regions(2)
	m := w.guarded(t, all, nil)
	id := keyOf(t, seal(t, pan(t, m)))
	index, err := scopeOf(t, m, keys.Index, "shop").ActiveKey(t.Context())
	require.NoError(t, err)
	single := w.managerWith(t, all[0], nil)
	for of, rotate := range map[keys.KeyID]func() (keys.KeyID, error){
		id:    func() (keys.KeyID, error) { return single.Rotate(t.Context(), keys.PAN) },
		index: func() (keys.KeyID, error) { return single.RotateIndex(t.Context()) },
	} {
		_, err := rotate()
		require.ErrorIs(t, err, keys.ErrNotRotatable)
		lacking, ok := errors.AsType[*keys.OtherKEKsError](err)
		require.True(t, ok)
		require.Equal(t, &keys.OtherKEKsError{Key: of, KEKs: []string{"region-1"}}, lacking)
	}
	require.Equal(t, id, keyOf(t, seal(t, pan(t, single))), "it seals as before")
	_, err = scopeOf(t, m, keys.Capture, "shop").Rotate(t.Context())
	require.NoError(t, err, "there is no key yet")

	next, err := w.managerWith(t, all[0], &keys.Options{OldKEKs: []keys.KEK{all[1]}}).Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	require.Equal(t, []string{"region-0"}, wrappedBy(t, w, next))
	_, err = m.Rewrap(t.Context(), keys.PAN, nil)
	require.NoError(t, err)
	_, err = single.Rotate(t.Context(), keys.PAN)
	require.ErrorIs(t, err, keys.ErrNotRotatable)
	_, err = single.Rewrap(t.Context(), keys.PAN, &keys.RewrapOptions{DropOthers: true})
	require.NoError(t, err)
	_, err = single.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
}

// Rotation by age goes on where a process lacks a KEK of the active key.
func TestRotateAgeLacksAKEK(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, all := newWorld(), regions(2)
		id := keyOf(t, seal(t, pan(t, w.guarded(t, all, nil))))
		sleep(t, "2h")
		next := keyOf(t, seal(t, pan(t, w.managerWith(t, all[0], &keys.Options{RotateAge: time.Hour}))))
		require.NotEqual(t, id, next)
		_, err := w.guarded(t, all, nil).Rewrap(t.Context(), keys.PAN, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"region-0", "region-1"}, wrappedBy(t, w, next))
	})
}

func TestGuardOptions(t *testing.T) {
	w, all := newWorld(), regions(3)
	for field, o := range map[string]*keys.Options{
		"KEKs":    {KEKs: []keys.KEK{all[1], all[1]}},
		"OldKEKs": {KEKs: []keys.KEK{all[1]}, OldKEKs: []keys.KEK{all[1]}},
		"kek":     {KEKs: []keys.KEK{nil}},
		"Quorum":  {Quorum: 2},
	} {
		_, err := keys.Open(t.Context(), w.store, all[0], o)
		wrongField(t, err, field)
	}
	for field, o := range map[string]*keys.Options{
		"KEKs": {KEKs: []keys.KEK{all[1]}}, "OldKEKs": {OldKEKs: []keys.KEK{all[1]}},
		"KEKFor": {KEKFor: func(context.Context, string) ([]keys.KEK, error) { return nil, nil }},
	} {
		_, err := keys.Inline(t.Context(), w.kekID, all[0], o)
		wrongField(t, err, field)
	}
	m := w.managerWith(t, all[0], &keys.Options{OldKEKs: []keys.KEK{all[1]}, KEKs: []keys.KEK{all[2]}, Quorum: 2})
	require.Same(t, all[0], m.KEK())
	require.Equal(t, []keys.KEK{all[0], all[2], all[1]}, m.KEKs())
}
