package keys_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

func TestRoundTrip(t *testing.T) {
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			m := w.manager(t, nil)
			require.Equal(t, mode == "stored", m.Stored())
			require.Equal(t, "production", m.Environment())
			require.Same(t, w.kek, m.KEK())
			s := pan(t, m)
			for _, size := range []int{0, 1, 16, 300, keys.MaxPlaintext} {
				plain := slices.Repeat([]byte{7}, size)
				record, err := s.Seal(t.Context(), nil, plain, additional())
				require.NoError(t, err)
				h := header(t, record)
				require.Equal(t, mode == "inline", h.Inline())
				for range 4 { // cold, seen, kept, warm
					got, err := s.Open(t.Context(), nil, record, additional())
					require.NoError(t, err)
					require.True(t, slices.Equal(plain, got))
				}
			}
			record := seal(t, s)
			opens(t, pan(t, w.manager(t, nil)), record) // another process
		})
	}
}

// A record opens nowhere but where it was sealed, whether the process that tries
// knows its keys already or not.
func TestWrongPlace(t *testing.T) {
	places := map[string]struct {
		environment, scope string
		purpose            keys.Purpose
	}{
		"scope":            {"", "shop2", keys.PAN},
		"empty scope":      {"", "", keys.PAN},
		"purpose":          {"", "shop", keys.Audit},
		"custom purpose":   {"", "shop", "x-pan"},
		"environment":      {"test", "shop", keys.PAN},
		"two of the three": {"test", "shop", keys.Audit},
	}
	for mode, w := range worlds() {
		home := w.manager(t, nil)
		right := pan(t, home)
		record := seal(t, right)
		for name, p := range places {
			t.Run(mode+"/"+name, func(t *testing.T) {
				o := &keys.Options{Environment: p.environment}
				refuses(t, scopeOf(t, w.manager(t, o), p.purpose, p.scope), record, additional())

				m := home // warmed by the record itself where it can be
				if p.environment != "" {
					m = w.manager(t, o)
				}
				wrong := scopeOf(t, m, p.purpose, p.scope)
				own := seal(t, wrong)
				for range 4 { // on end: of two keys by turns none is kept where both fall on one set
					opens(t, right, record)
				}
				for range 4 {
					opens(t, wrong, own)
				}
				require.True(t, keys.CachedSealingKey(home, keys.PAN, "shop", record), "not warm")
				for range 4 {
					refuses(t, wrong, record, additional())
					refuses(t, right, own, additional())
				}
				opens(t, right, record)
				opens(t, wrong, own)
			})
		}
	}
}

func TestWrongAdditional(t *testing.T) {
	wrong := map[string]func(a *envelope.Additional){
		"field":         func(a *envelope.Additional) { a.Field++ },
		"record":        func(a *envelope.Additional) { a.Record[15]++ },
		"owner":         func(a *envelope.Additional) { a.Owner = "owner-2" },
		"no owner":      func(a *envelope.Additional) { a.Owner = "" },
		"generation":    func(a *envelope.Additional) { a.Generation-- },
		"pair value":    func(a *envelope.Additional) { a.Pairs[0].Value = "2" },
		"pair moved":    func(a *envelope.Additional) { a.Owner, a.Pairs = "owner-1a1", nil },
		"pair left out": func(a *envelope.Additional) { a.Pairs = nil },
	}
	for mode, w := range worlds() {
		record := seal(t, pan(t, w.manager(t, nil)))
		for name, change := range wrong {
			t.Run(mode+"/"+name, func(t *testing.T) {
				m := w.manager(t, nil)
				s, a := pan(t, m), additional()
				change(a)
				refuses(t, s, record, a) // cold
				require.False(t, keys.CachedSealingKey(m, keys.PAN, "shop", record))
				for range 3 {
					opens(t, s, record)
				}
				require.True(t, keys.CachedSealingKey(m, keys.PAN, "shop", record))
				refuses(t, s, record, a) // warm
				opens(t, s, record)
			})
		}
	}
}

func TestAlteredRecords(t *testing.T) {
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			m := w.manager(t, &keys.Options{InlineUnwraps: 60000})
			s := pan(t, m)
			record := seal(t, s)
			for warm := range 2 {
				for i := range record {
					bad := slices.Clone(record)
					bad[i] ^= 1 << (i % 8)
					refuses(t, s, bad, additional())
				}
				for n := range record {
					refuses(t, s, record[:n], additional())
				}
				refuses(t, s, append(slices.Clone(record), 0), additional())
				for range 3 {
					opens(t, s, record)
				}
				require.True(t, keys.CachedSealingKey(m, keys.PAN, "shop", record), "pass %d", warm)
			}
		})
	}
}

// Records of one mode name no key that a manager of the other mode knows.
func TestModesDoNotMix(t *testing.T) {
	w := newWorld()
	inline := &world{kek: w.kek, kekID: w.kekID}
	a, b := pan(t, w.manager(t, nil)), pan(t, inline.manager(t, nil))
	ra, rb := seal(t, a), seal(t, b)
	before := w.calls()
	refuses(t, a, rb, additional(), envelope.ErrUnknownKey)
	refuses(t, b, ra, additional(), envelope.ErrUnknownKey)
	require.Equal(t, before, w.calls())
}

func TestWrongArguments(t *testing.T) {
	s := pan(t, newWorld().manager(t, nil))
	got, err := s.Seal(t.Context(), nil, make([]byte, keys.MaxPlaintext+1), additional())
	require.Nil(t, got)
	require.True(t, errors.As(err, new(*keys.OptionError)))
	a := additional()
	a.Owner = "\xff"
	got, err = s.Seal(t.Context(), nil, []byte(message), a)
	require.Nil(t, got)
	require.True(t, errors.As(err, new(*envelope.ArgumentError)))
	refuses(t, s, seal(t, s), a)
}
