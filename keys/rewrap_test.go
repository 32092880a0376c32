package keys_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// From one KMS to another without touching a record: open with both, rewrap, drop
// the old one.
func TestMoveToAnotherKEK(t *testing.T) {
	w := newWorld()
	sealed := rotated(t, w, 5)
	list, _ := records(t, w.store, keys.PAN)
	disabled := keyOf(t, sealed[0])
	require.NoError(t, w.manager(t, nil).Disable(t.Context(), disabled))
	next := keystest.NewKEK("kek-2")
	m := w.managerWith(t, next, &keys.Options{OldKEKs: []keys.KEK{w.kek}})
	s := pan(t, m)
	check := func() {
		for _, r := range sealed {
			if keyOf(t, r) != disabled {
				opens(t, pan(t, w.managerWith(t, next, nil)), r)
			}
		}
	}
	report, err := m.Rewrap(t.Context(), keys.PAN, &keys.RewrapOptions{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []int{6, 0, 6, 6}, []int{report.Keys, report.Moved, len(report.UnderReplicated), len(report.Others)})
	require.Zero(t, next.Wraps())

	report, err = s.Rewrap(t.Context(), &keys.RewrapOptions{MissingOnly: true})
	require.NoError(t, err)
	require.Equal(t, []int{6, 6, 0, 6}, []int{report.Keys, report.Moved, len(report.UnderReplicated), len(report.Others)})
	check()
	for _, r := range sealed[1:] {
		opens(t, pan(t, w.manager(t, nil)), r) // the old KEK alone still opens
	}
	calls := next.Wraps() + next.Unwraps()
	report, err = s.Rewrap(t.Context(), &keys.RewrapOptions{MissingOnly: true})
	require.NoError(t, err)
	require.Zero(t, report.Moved, "made twice")
	require.Equal(t, calls, next.Wraps()+next.Unwraps())

	report, err = s.Rewrap(t.Context(), &keys.RewrapOptions{MissingOnly: true, DropOthers: true})
	require.NoError(t, err)
	require.Equal(t, []int{6, 6, 0, 0}, []int{report.Keys, report.Moved, len(report.UnderReplicated), len(report.Others)})
	check()
	after, _ := records(t, w.store, keys.PAN)
	for i, rec := range after {
		require.Equal(t, []string{"kek-2"}, wrappedBy(t, w, rec.ID))
		require.Equal(t, list[i].Created, rec.Created)
		want := list[i].State
		if rec.ID == disabled {
			want = keys.Disabled
		}
		require.Equal(t, want, rec.State)
	}
}

// Keys that were made while a region was away get what they lack.
func TestRewrapCompletes(t *testing.T) {
	w, all := newWorld(), regions(3)
	all[2].SetError(keys.ErrUnavailable)
	o := &keys.Options{Quorum: 2, Tries: 1}
	m := w.guarded(t, all, o)
	record := seal(t, pan(t, m))
	report, err := m.Rewrap(t.Context(), keys.PAN, &keys.RewrapOptions{MissingOnly: true})
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.Equal(t, keys.RewrapReport{Keys: 1, UnderReplicated: []keys.KeyID{keyOf(t, record)}}, report)
	all[2].SetError(nil)
	report, err = m.Rewrap(t.Context(), keys.PAN, &keys.RewrapOptions{MissingOnly: true})
	require.NoError(t, err)
	require.Equal(t, keys.RewrapReport{Keys: 1, Moved: 1}, report)
	opens(t, pan(t, w.managerWith(t, all[2], nil)), record)
}

// versions is a KEK with versions, the newest last. It rewraps in the KMS, as far
// as a test lets it.
type versions struct {
	*keystest.KEK
	now      byte
	rewraps  int
	tampered func(fresh []byte) []byte
}

func (k *versions) Wrap(ctx context.Context, dst, raw []byte, b keys.Binding) ([]byte, error) {
	out, err := k.KEK.Wrap(ctx, nil, raw, b)
	if err != nil {
		return nil, err
	}
	return append(append(dst, k.now), out...), nil
}

func (k *versions) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	return k.KEK.Unwrap(ctx, dst, wrapped[1:], b)
}

func (k *versions) Rewrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	k.rewraps++
	raw, err := k.Unwrap(ctx, nil, wrapped, b)
	if err != nil {
		return nil, err
	}
	fresh, err := k.Wrap(ctx, dst, raw, b)
	if err == nil && k.tampered != nil {
		fresh = k.tampered(fresh)
	}
	return fresh, err
}

func (k *versions) Version(wrapped []byte) string { return string('0' + rune(wrapped[0])) }

func TestRewrapToNewestVersion(t *testing.T) {
	w := newWorld()
	k := &versions{KEK: w.kek, now: 1}
	m := w.managerWith(t, k, nil)
	record := seal(t, pan(t, m))
	version := func() byte {
		rec, err := w.store.Get(t.Context(), keyOf(t, record))
		require.NoError(t, err)
		return rec.Wrapped[0].Bytes[0]
	}
	run := func() keys.RewrapReport {
		report, err := m.Rewrap(t.Context(), keys.PAN, nil)
		require.NoError(t, err)
		opens(t, pan(t, w.managerWith(t, k, nil)), record)
		return report
	}
	require.Equal(t, keys.RewrapReport{Keys: 1}, run(), "newest already")
	k.now = 2
	require.Equal(t, keys.RewrapReport{Keys: 1, Moved: 1}, run())
	require.EqualValues(t, 2, version())
	require.Equal(t, keys.RewrapReport{Keys: 1}, run())
	require.Equal(t, 3, k.rewraps)

	// What does not open, or opens to another key, replaces nothing.
	k.now = 3
	for name, tampered := range map[string]func([]byte) []byte{
		"altered":     func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"empty":       func([]byte) []byte { return nil },
		"another key": func([]byte) []byte { return k.another(t, keyOf(t, record), w) },
	} {
		k.tampered = tampered
		report, err := m.Rewrap(t.Context(), keys.PAN, nil)
		require.ErrorIs(t, err, keys.ErrCorrupt, name)
		require.Equal(t, keys.RewrapReport{Keys: 1}, report, name)
		require.EqualValues(t, 2, version(), name)
		opens(t, pan(t, w.managerWith(t, k, nil)), record)
	}
	k.tampered = nil
	require.Equal(t, 1, run().Moved)
}

// another wraps a key of its own choosing under the record's binding.
func (k *versions) another(t *testing.T, id keys.KeyID, w *world) []byte {
	rec, err := w.store.Get(t.Context(), id)
	require.NoError(t, err)
	out, err := k.Wrap(t.Context(), nil, make([]byte, keys.DataKeySize), keys.Binding{
		Environment: rec.Ring.Environment, Purpose: rec.Ring.Purpose, KeyID: id, Created: rec.Created,
	})
	require.NoError(t, err)
	return out
}

// Others are dropped only where a quorum was seen to open in this very run.
func TestDropOthersNeedsAQuorum(t *testing.T) {
	w := newWorld()
	record := seal(t, pan(t, w.manager(t, nil)))
	all := regions(2)
	m := w.managerWith(t, all[0], &keys.Options{KEKs: []keys.KEK{all[1]}, OldKEKs: []keys.KEK{w.kek}, Tries: 1})
	drop := &keys.RewrapOptions{DropOthers: true, MissingOnly: true}
	all[1].SetError(keys.ErrUnavailable)
	for range 2 {
		report, err := m.Rewrap(t.Context(), keys.PAN, drop)
		require.ErrorIs(t, err, keys.ErrUnavailable)
		require.Len(t, report.Others, 1)
		require.ElementsMatch(t, []string{"region-0", "kek-1"}, wrappedBy(t, w, keyOf(t, record)))
	}
	all[1].Before(func(_ context.Context, op string, _ int) error { // it wraps, and cannot unwrap
		if op == "unwrap" {
			return keys.ErrDenied
		}
		return nil
	})
	_, err := m.Rewrap(t.Context(), keys.PAN, drop)
	require.ErrorIs(t, err, keys.ErrDenied)
	require.ElementsMatch(t, []string{"region-0", "kek-1"}, wrappedBy(t, w, keyOf(t, record)))
	all[1].SetError(nil)
	_, err = m.Rewrap(t.Context(), keys.PAN, drop)
	require.NoError(t, err)
	require.Equal(t, []string{"region-0", "region-1"}, wrappedBy(t, w, keyOf(t, record)))
	opens(t, pan(t, m), record)
}

// Rewraps, rotations, changes of state and openings at once lose nothing: no state,
// no wrapping, no record, and no destroyed key comes back.
func TestRewrapBesideOthers(t *testing.T) {
	w := newWorld()
	sealed := rotated(t, w, 6)
	all := regions(2)
	o := &keys.Options{KEKs: []keys.KEK{all[1]}, OldKEKs: []keys.KEK{w.kek}}
	// Without a pause, others may be quicker as often as a call tries.
	insist := func(do func() error) {
		err := do()
		for errors.Is(err, keys.ErrConflict) {
			err = do()
		}
		assert.NoError(t, err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		m := w.managerWith(t, all[0], o)
		wg.Go(func() {
			switch i {
			case 0, 1:
				for range 3 {
					insist(func() error { _, err := m.Rewrap(t.Context(), keys.PAN, nil); return err })
				}
			case 2:
				insist(func() error { _, err := m.Rotate(t.Context(), keys.PAN); return err })
				insist(func() error { return m.Disable(t.Context(), keyOf(t, sealed[0])) })
			case 3:
				s := pan(t, m)
				for _, r := range sealed[1:] {
					_, err := s.Open(t.Context(), nil, r, additional())
					assert.NoError(t, err)
				}
			}
		})
	}
	wg.Wait()
	m := w.managerWith(t, all[0], o)
	report, err := m.Rewrap(t.Context(), keys.PAN, &keys.RewrapOptions{DropOthers: true})
	require.NoError(t, err)
	require.Equal(t, 8, report.Keys)
	require.Empty(t, report.UnderReplicated)
	require.Empty(t, report.Others)
	for _, k := range all {
		s := pan(t, w.managerWith(t, k, nil))
		for _, r := range sealed[1:] {
			opens(t, s, r)
		}
		refuses(t, s, sealed[0], additional(), keys.ErrDisabled)
	}
}

// A key that is destroyed while it is being rewrapped stays destroyed, and is left out
// of the report as those that were destroyed before.
func TestRewrapDoesNotBringBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m := w.manager(t, nil)
		id := keyOf(t, seal(t, pan(t, m)))
		require.NoError(t, m.Retire(t.Context(), id))
		sleep(t, "7m")
		gate := make(chan struct{})
		w.kek.Before(func(context.Context, string, int) error { <-gate; return nil })
		var wg sync.WaitGroup
		wg.Go(func() {
			report, err := w.manager(t, nil).Rewrap(t.Context(), keys.PAN, nil)
			assert.NoError(t, err)
			assert.Zero(t, report, "a destroyed key is neither counted nor lacks anything")
		})
		synctest.Wait()
		_, err := m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true})
		require.NoError(t, err)
		close(gate)
		wg.Wait()
		rec, err := w.store.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, keys.Destroyed, rec.State)
		require.Empty(t, rec.Wrapped)
	})
}

func TestRewrapRefusals(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	_, err := m.Rewrap(t.Context(), "PAN", nil)
	wrongField(t, err, "purpose")
	_, err = inlineWorld().manager(t, nil).Rewrap(t.Context(), keys.PAN, nil)
	require.ErrorIs(t, err, keys.ErrNoStates)
	report, err := m.Rewrap(t.Context(), keys.PAN, nil)
	require.NoError(t, err)
	require.Zero(t, report.Keys)
	seal(t, pan(t, m))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = m.Rewrap(ctx, keys.PAN, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, m.Close())
	_, err = m.Rewrap(t.Context(), keys.PAN, nil)
	require.ErrorIs(t, err, keys.ErrClosed)
}
