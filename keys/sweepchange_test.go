package keys_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// decades is what an operator does to a ring over the years: rotate, move to
// another KMS, complete what a region lacks, disable, enable, retire, destroy. Each
// step succeeds, or fails with the fault's kind and succeeds when made again.
func (f *faults) decades(t *testing.T, store keys.Store, all []*keystest.KEK) {
	do := func(what string, step func() error) {
		t.Helper()
		err := step()
		if err == nil {
			return
		}
		require.True(t, f.struck, "%s: %v, without a fault", what, err)
		require.ErrorIs(t, err, f.kind, what)
		require.NoError(t, step(), "%s, made again", what)
	}
	o := clocks()
	o.KEKs, o.Quorum, o.Tries = []keys.KEK{all[1]}, 1, 1
	m, err := keys.Open(t.Context(), store, all[0], o)
	require.NoError(t, err)
	defer m.Close()
	s := pan(t, m)
	var sealed [][]byte
	sealOne := func() error {
		record, err := s.Seal(t.Context(), nil, []byte(message), additional())
		if err == nil {
			sealed = append(sealed, record)
		}
		return err
	}
	openAll := func() error {
		for _, r := range sealed {
			got, err := s.Open(t.Context(), nil, r, additional())
			if err != nil {
				return err
			}
			require.Equal(t, message, string(got))
		}
		return nil
	}
	rewrap := func(o keys.RewrapOptions) func() error {
		return func() error { _, err := m.Rewrap(t.Context(), keys.PAN, &o); return err }
	}
	closed := func(record []byte) {
		t.Helper()
		_, err := s.Open(t.Context(), nil, record, additional())
		require.ErrorIs(t, err, envelope.ErrOpen)
		require.True(t, errors.Is(err, keys.ErrDisabled) || f.struck && errors.Is(err, f.kind), "%v", err)
	}
	do("seal", sealOne)
	do("rotate", func() error { _, err := m.Rotate(t.Context(), keys.PAN); return err })
	do("seal", sealOne)
	do("rewrap", rewrap(keys.RewrapOptions{}))
	do("open", openAll)
	sleep(t, "30m") // a refresh
	do("open", openAll)
	do("seal", sealOne)
	sleep(t, "30s")
	do("complete", rewrap(keys.RewrapOptions{MissingOnly: true, DropOthers: true}))
	doomed := keyOf(t, sealed[0])
	do("disable", func() error { return m.Disable(t.Context(), doomed) })
	closed(sealed[0])
	do("enable", func() error { return m.Enable(t.Context(), doomed) })
	do("open", openAll)
	do("retire", func() error { return m.Retire(t.Context(), keyOf(t, sealed[1])) })
	do("seal", sealOne)
	do("open", openAll)
	time.Sleep(7 * time.Minute)
	lost := sealed[0]
	sealed = sealed[1:]
	do("destroy", func() error {
		receipt, err := m.Destroy(t.Context(), doomed, keys.DestroyOptions{Shred: true})
		if err == nil {
			require.Equal(t, doomed, receipt.Key)
		}
		return err
	})
	closed(lost)
	do("open", openAll)
	require.NoError(t, m.Close())

	f.failing = 0
	for i, k := range all { // what one region lacks after a fault, the other has
		fresh, err := keys.Open(t.Context(), store, all[1-i], &keys.Options{KEKs: []keys.KEK{k}})
		require.NoError(t, err)
		for _, r := range sealed {
			opens(t, pan(t, fresh), r)
		}
		refuses(t, pan(t, fresh), lost, additional(), keys.ErrDisabled)
		require.NoError(t, fresh.Close())
	}
	list, active := records(t, store, keys.PAN)
	require.Equal(t, 1, active)
	for _, rec := range list {
		require.Equal(t, rec.State == keys.Destroyed, len(rec.Wrapped) == 0)
	}
}

func TestEveryCallFailsOnceInDecades(t *testing.T) {
	for _, late := range []bool{false, true} {
		done := false
		for i := 1; !done; i++ {
			require.Less(t, i, 300)
			bubble(t, func(t *testing.T) { // it sees what goroutine stays behind
				kind := []error{keys.ErrUnavailable, keys.ErrThrottled, context.DeadlineExceeded}[i%3]
				f := &faults{failing: i, late: late, kind: kind}
				all := regions(2)
				for _, k := range all {
					k.Before(func(context.Context, string, int) error { return f.hit(false) })
				}
				h := &hookStore{Store: memory.New().Keys()}
				h.hooks(func(context.Context, string, int) error { return f.hit(false) },
					func(context.Context, string, int) error { return f.hit(true) })
				f.decades(t, h, all)
				done = !f.struck
			})
			if t.Failed() {
				t.Fatalf("late %v, call %d", late, i)
			}
			if done {
				require.Greater(t, i, 30)
				t.Logf("late %v: %d calls", late, i-1)
			}
		}
	}
}
