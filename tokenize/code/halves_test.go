package code

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// Two stores are one in all that a key store promises.
func TestHalves(t *testing.T) {
	keystest.RunStore(t, func(t *testing.T) keys.Store {
		return &halves{first: memory.New().Keys(), second: memory.New().Keys()}
	})
}

func wrapped(s string) keys.Record {
	r := keys.Record{Ring: Ring, State: keys.Active, Created: time.Unix(1000, 0).UTC(), Changed: time.Unix(1000, 0).UTC()}
	copy(r.ID[:], s)
	r.Wrapped = []keys.Wrapping{{KEK: "one", Bytes: bytes.Repeat([]byte(s), 30)}, {KEK: "two", Bytes: []byte(s)}}
	return r
}

// unsure is a store of which one call fails: before it is carried out, or its answer.
type unsure struct {
	keys.Store
	left   *int
	answer bool
}

var errUnsure = fmt.Errorf("%w: cut off", keys.ErrUnavailable)

func (u *unsure) call(do func() error) error {
	*u.left--
	if *u.left != 0 {
		return do()
	}
	if u.answer {
		_ = do()
	}
	return errUnsure
}

func (u *unsure) Get(ctx context.Context, id keys.KeyID) (r keys.Record, err error) {
	return r, u.call(func() error { r, err = u.Store.Get(ctx, id); return err })
}

func (u *unsure) List(ctx context.Context, ring keys.RingID) (rs []keys.Record, v uint64, err error) {
	return rs, v, u.call(func() error { rs, v, err = u.Store.List(ctx, ring); return err })
}

func (u *unsure) CompareAndSwap(ctx context.Context, ring keys.RingID, v uint64, put []keys.Record) error {
	return u.call(func() error { return u.Store.CompareAndSwap(ctx, ring, v, put) })
}

// Whichever call to whichever store is cut off: a key is there as it was or as it
// became, with both halves, and the change made again completes.
func TestHalvesCutOff(t *testing.T) {
	a, b, c := wrapped("a"), wrapped("b"), wrapped("c")
	b.State = keys.Retired
	a2, b2, b3 := a, b, b
	a2.State = keys.Retired                                        // its state alone
	b2.Wrapped = []keys.Wrapping{{KEK: "three", Bytes: []byte{1}}} // wrapped anew
	b3.State, b3.Wrapped = keys.Destroyed, nil                     // ended
	changes := [][]keys.Record{{a, b}, {a2, b2, c}, {b3}}
	state := []map[keys.KeyID]keys.Record{{}, {a.ID: a, b.ID: b}, {a.ID: a2, b.ID: b2, c.ID: c}, {a.ID: a2, b.ID: b3, c.ID: c}}
	for _, answer := range []bool{false, true} {
		for n := 1; ; n++ {
			first, second, left := memory.New().Keys(), memory.New().Keys(), n
			h := &halves{first: &unsure{first, &left, answer}, second: &unsure{second, &left, answer}}
			whole := &halves{first: first, second: second}
			is := func(want map[keys.KeyID]keys.Record) bool {
				list, _, err := whole.List(t.Context(), Ring)
				require.NoError(t, err)
				got := map[keys.KeyID]keys.Record{}
				for _, r := range list {
					got[r.ID] = r
					one, err := whole.Get(t.Context(), r.ID)
					require.NoError(t, err)
					require.Equal(t, r, one)
				}
				return fmt.Sprint(got) == fmt.Sprint(want)
			}
			for i, put := range changes {
				for {
					_, v, err := h.List(t.Context(), Ring)
					if err == nil {
						err = h.CompareAndSwap(t.Context(), Ring, v, put)
					}
					if err == nil {
						break
					}
					require.ErrorIs(t, err, errUnsure)
					require.True(t, is(state[i]) || is(state[i+1]), "call %d, answer %v: neither as before nor as after change %d", n, answer, i)
				}
				require.True(t, is(state[i+1]), "call %d, answer %v, change %d", n, answer, i)
			}
			if left > 0 {
				require.Greater(t, n, 10)
				break
			}
		}
	}
}

// Two that change a ring at once: one does, and the other's masks go.
func TestHalvesConflict(t *testing.T) {
	first, second := memory.New().Keys(), memory.New().Keys()
	winner := &halves{first: first, second: second}
	loser := &halves{first: &before{first, func() {
		require.NoError(t, winner.CompareAndSwap(t.Context(), Ring, 0, []keys.Record{wrapped("a")}))
	}}, second: second}
	require.ErrorIs(t, loser.CompareAndSwap(t.Context(), Ring, 0, []keys.Record{wrapped("b")}), keys.ErrConflict)
	list, v, err := loser.List(t.Context(), Ring)
	require.NoError(t, err)
	require.Equal(t, []keys.Record{wrapped("a")}, list)
	require.EqualValues(t, 1, v)
	masks, _, err := second.List(t.Context(), MaskRing)
	require.NoError(t, err)
	live := 0
	for _, m := range masks {
		if len(m.Wrapped) > 0 {
			live++
		}
	}
	require.Equal(t, 1, live)
}

// A first store that says another was before, though it did what it was asked.
func TestHalvesConflictWithOneself(t *testing.T) {
	first, second := memory.New().Keys(), memory.New().Keys()
	h := &halves{first: &denying{first}, second: second}
	require.ErrorIs(t, h.CompareAndSwap(t.Context(), Ring, 0, []keys.Record{wrapped("a")}), keys.ErrConflict)
	got, err := h.Get(t.Context(), wrapped("a").ID)
	require.NoError(t, err)
	require.Equal(t, wrapped("a"), got)
}

type denying struct{ keys.Store }

func (d *denying) CompareAndSwap(ctx context.Context, ring keys.RingID, v uint64, put []keys.Record) error {
	if err := d.Store.CompareAndSwap(ctx, ring, v, put); err != nil {
		return err
	}
	return keys.ErrConflict
}

// before does something else before the next swap.
type before struct {
	keys.Store
	do func()
}

func (b *before) CompareAndSwap(ctx context.Context, ring keys.RingID, v uint64, put []keys.Record) error {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Store.CompareAndSwap(ctx, ring, v, put)
}

// A reader who comes between the first store's answer and the second's, while a key is
// wrapped anew, gets it all the same.
func TestHalvesWrappedAnewMeanwhile(t *testing.T) {
	first, second := memory.New().Keys(), memory.New().Keys()
	h := &halves{first: first, second: second}
	a, anew := wrapped("a"), wrapped("a")
	anew.Wrapped = []keys.Wrapping{{KEK: "three", Bytes: []byte{1}}}
	for _, read := range []func(h *halves) (keys.Record, error){
		func(h *halves) (keys.Record, error) { return h.Get(t.Context(), a.ID) },
		func(h *halves) (r keys.Record, err error) {
			list, _, err := h.List(t.Context(), Ring)
			if err == nil {
				r = list[0]
			}
			return r, err
		},
	} {
		_, v, err := h.List(t.Context(), Ring)
		require.NoError(t, err)
		require.NoError(t, h.CompareAndSwap(t.Context(), Ring, v, []keys.Record{a}))
		swap := func() { require.NoError(t, h.CompareAndSwap(t.Context(), Ring, v+1, []keys.Record{anew})) }
		got, err := read(&halves{first: first, second: &beforeRead{second, swap}})
		require.NoError(t, err)
		require.Equal(t, anew, got)
	}
}

// beforeRead does something else before the next look.
type beforeRead struct {
	keys.Store
	do func()
}

func (b *beforeRead) once() {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
}

func (b *beforeRead) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	b.once()
	return b.Store.Get(ctx, id)
}

func (b *beforeRead) List(ctx context.Context, ring keys.RingID) ([]keys.Record, uint64, error) {
	b.once()
	return b.Store.List(ctx, ring)
}

// What either store has lost is destroyed, and the next change says so in the first.
func TestHalvesLost(t *testing.T) {
	first, second := memory.New().Keys(), memory.New().Keys()
	h := &halves{first: first, second: second}
	require.NoError(t, h.CompareAndSwap(t.Context(), Ring, 0, []keys.Record{wrapped("a")}))
	h.second = memory.New().Keys()
	list, v, err := h.List(t.Context(), Ring)
	require.NoError(t, err)
	require.Equal(t, keys.Destroyed, list[0].State)
	require.Nil(t, list[0].Wrapped)
	got, err := h.Get(t.Context(), list[0].ID)
	require.NoError(t, err)
	require.Equal(t, keys.Destroyed, got.State)
	require.NoError(t, h.CompareAndSwap(t.Context(), Ring, v, []keys.Record{wrapped("b")}))
	r, err := first.Get(t.Context(), list[0].ID)
	require.NoError(t, err)
	require.Equal(t, keys.Destroyed, r.State)
	got, err = h.Get(t.Context(), wrapped("b").ID)
	require.NoError(t, err)
	require.Equal(t, wrapped("b"), got)

	// One that is destroyed while it is lost leaves no half.
	h.second = memory.New().Keys()
	_, v, err = h.List(t.Context(), Ring)
	require.NoError(t, err)
	ended := wrapped("b")
	ended.State, ended.Wrapped = keys.Destroyed, nil
	require.NoError(t, h.CompareAndSwap(t.Context(), Ring, v, []keys.Record{ended}))
	r, err = first.Get(t.Context(), ended.ID)
	require.NoError(t, err)
	require.Empty(t, r.Wrapped)

	h.first = memory.New().Keys()
	_, err = h.Get(t.Context(), wrapped("b").ID)
	require.ErrorIs(t, err, keys.ErrNotFound)
	require.False(t, errors.Is(err, keys.ErrUnavailable))
}
