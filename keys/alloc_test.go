//go:build !race

package keys_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

func TestWarmCallsAllocateNothing(t *testing.T) {
	for mode, w := range worlds() {
		m := w.manager(t, nil)
		warmCallsAllocateNothing(t, mode+", shared", pan(t, m))
		warmCallsAllocateNothing(t, mode+", per scope", perScope(t, m, "a"))
	}
}

func warmCallsAllocateNothing(t *testing.T, mode string, s *keys.Scope) {
	record := seal(t, s)
	for range 4 {
		opens(t, s, record)
	}
	ctx, a, plain, dst := t.Context(), additional(), []byte(message), make([]byte, 0, 600)
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		if _, err := s.Seal(ctx, dst, plain, a); err != nil {
			t.Fatal(err)
		}
	}), "%s: seal", mode)
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		if _, err := s.Open(ctx, dst, record, a); err != nil {
			t.Fatal(err)
		}
	}), "%s: open", mode)

	aad, err := a.AppendTo(nil)
	require.NoError(t, err)
	work := &keys.Work{AAD: aad, Plain: plain}
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		if _, err := s.SealWith(ctx, work, dst); err != nil {
			t.Fatal(err)
		}
	}), "%s: SealWith", mode)
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		if _, err := s.OpenWith(ctx, work, record); err != nil {
			t.Fatal(err)
		}
	}), "%s: OpenWith", mode)
}

// The common case in a fleet: another process sealed the record, its data key is
// in memory, its salt is new. What it allocates is the standard library's AES and
// GCM (anchors: 2).
func TestColdSealingKeyAllocations(t *testing.T) {
	const runs, pinned = 200, 2
	for mode, w := range worlds() {
		m := w.manager(t, nil)
		s := pan(t, m)
		all := make([][]byte, runs+1)
		for i := range all {
			all[i] = seal(t, s)
			m.Renew()
		}
		reader := pan(t, w.manager(t, nil))
		opens(t, reader, seal(t, s)) // loads the data key
		ctx, a, dst, i := t.Context(), additional(), make([]byte, 0, 600), 0
		require.LessOrEqual(t, testing.AllocsPerRun(runs, func() {
			if _, err := reader.Open(ctx, dst, all[i], a); err != nil {
				t.Fatal(err)
			}
			i++
		}), float64(pinned), mode)
	}
}
