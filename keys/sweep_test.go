package keys_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// faults counts the calls to store and KEK together and has the i-th fail,
// before it did anything or, with late, after a store did it: an answer lost.
type faults struct {
	failing, calls int
	late           bool
	kind           error
	struck         bool
	mu             sync.Mutex // several KEKs wrap at once
}

func (f *faults) hit(late bool) error {
	if late != f.late {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls++; f.calls == f.failing {
		f.struck = true
		return f.kind
	}
	return nil
}

// life is what a vault does in its days. Each step must succeed or fail with
// the fault's kind, and then succeed when tried again.
func (f *faults) life(t *testing.T, w *world) (sealed [][]byte) {
	do := func(what string, step func() error) {
		t.Helper()
		err := step()
		if err == nil {
			return
		}
		require.True(t, f.struck, "%s: %v, without a fault", what, err)
		require.ErrorIs(t, err, f.kind, what)
		require.NoError(t, step(), "%s, tried again", what)
	}
	for range 2 { // two processes one after the other
		m := w.manager(t, &keys.Options{InlineUnwraps: 60000})
		s := pan(t, m)
		sealOne := func() error {
			record, err := s.Seal(t.Context(), nil, []byte(message), additional())
			if err == nil {
				sealed = append(sealed, record)
			}
			return err
		}
		openAll := func() error {
			for _, r := range sealed {
				if _, err := s.Open(t.Context(), nil, r, additional()); err != nil {
					return err
				}
			}
			return nil
		}
		do("open", openAll)
		do("seal", sealOne)
		do("open", openAll)
		if w.store != nil {
			do("rotate", func() error { _, err := m.Rotate(t.Context(), keys.PAN); return err })
			do("records", func() error { _, err := m.Records(t.Context(), keys.PAN); return err })
		}
		do("seal", sealOne)
		s.Refresh()
		do("seal", sealOne)
		m.Renew()
		do("seal", sealOne)
		id := keyOf(t, sealed[0])
		keys.Evict(m, keys.PAN, id)
		do("open", openAll)
		require.NoError(t, m.Close())
	}
	return sealed
}

func TestEveryCallFailsOnce(t *testing.T) {
	kinds := slices.Concat(kinds, []error{errors.New("of no kind")})
	for _, mode := range []string{"stored", "inline"} {
		for _, late := range []bool{false, true} {
			if late && mode == "inline" {
				continue // a KEK that answered did nothing that lasts
			}
			done := false
			for i := 1; !done; i++ {
				require.Less(t, i, 200)
				kind := kinds[i%len(kinds)]
				if mode == "inline" && errors.Is(kind, keys.ErrCorrupt) || late && kind == keys.ErrNotFound ||
					kind == keys.ErrNotFound && mode == "stored" {
					kind = keys.ErrUnavailable // those two have a meaning of their own there
				}
				f := &faults{failing: i, late: late, kind: kind}
				w := worldWith(f, mode)
				sealed := f.life(t, w)
				done = !f.struck
				f.failing = 0

				s := pan(t, w.manager(t, &keys.Options{InlineUnwraps: 60000}))
				for _, r := range sealed {
					opens(t, s, r)
				}
				if mode == "stored" {
					_, active := records(t, w.store, keys.PAN)
					require.Equal(t, 1, active, "fault %d", i)
				}
				if done {
					require.Greater(t, i, 3, "no call was made to fail")
					t.Logf("%s, late %v: %d calls", mode, late, i-1)
				}
			}
		}
	}
}

func worldWith(f *faults, mode string) *world {
	w := &world{kek: keystest.NewKEK("kek-1"), kekID: keys.NewKEKID()}
	w.kek.Before(func(context.Context, string, int) error { return f.hit(false) })
	if mode == "stored" {
		h := &hookStore{Store: memory.New().Keys()}
		h.hooks(func(context.Context, string, int) error { return f.hit(false) },
			func(context.Context, string, int) error { return f.hit(true) })
		w.store = h
	}
	return w
}
