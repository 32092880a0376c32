package keys_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// registry stands for a card store: it counts records and notes what it was asked.
type registry struct {
	records uint64
	asked   []string
	err     error
}

func (r *registry) options() keys.DestroyOptions {
	return keys.DestroyOptions{
		CloseFence: func(context.Context, keys.KeyID) error { r.asked = append(r.asked, "fence"); return r.err },
		Census: func(context.Context, keys.KeyID) (uint64, error) {
			r.asked = append(r.asked, "census")
			return r.records, r.err
		},
	}
}

// The order is design's: wait, close the fence, count, erase.
func TestDestroy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m := w.manager(t, nil)
		s := pan(t, m)
		record := seal(t, s)
		id := keyOf(t, record)
		reg := &registry{records: 3}
		destroy := func() error { _, err := m.Destroy(t.Context(), id, reg.options()); return err }

		require.ErrorAs(t, destroy(), new(*keys.StateError), "active")
		_, err := m.Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
		rotated := time.Now()
		for range 6 { // lease and skew
			var early *keys.EarlyError
			require.ErrorAs(t, destroy(), &early)
			require.Equal(t, id, early.Key)
			require.WithinDuration(t, rotated.Add(6*time.Minute), early.Until, time.Second)
			require.Empty(t, reg.asked, "asked before the time")
			sleep(t, "59s")
		}
		sleep(t, "10s")
		var used *keys.InUseError
		require.ErrorAs(t, destroy(), &used)
		require.Equal(t, keys.InUseError{Key: id, Records: 3}, *used)
		require.Equal(t, []string{"fence", "census"}, reg.asked)
		opens(t, s, record)

		reg.err = keys.ErrUnavailable
		require.ErrorIs(t, destroy(), keys.ErrUnavailable)
		require.Equal(t, []string{"fence", "census", "fence"}, reg.asked, "counted although the fence is open")
		reg.err, reg.records = nil, 0
		receipt, err := m.Destroy(t.Context(), id, reg.options())
		require.NoError(t, err)
		refuses(t, s, record, additional(), keys.ErrDisabled)
		rec, err := w.store.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, keys.Destroyed, rec.State)
		require.Empty(t, rec.Wrapped)
		now := time.Now().UTC().Truncate(time.Second)
		require.Equal(t, keys.Receipt{
			Key: id, Ring: rec.Ring, Destroyed: now, LastUse: now.Add(time.Hour + time.Minute), Promise: keys.CopiesGone,
		}, receipt)
		parsed, err := keys.ParseReceipt(receipt.AppendTo(nil))
		require.NoError(t, err)
		require.Equal(t, receipt, parsed)

		require.ErrorAs(t, m.Enable(t.Context(), id), new(*keys.StateError))
		sleep(t, "1h")
		again, err := m.Destroy(t.Context(), id, reg.options())
		require.NoError(t, err)
		require.Equal(t, receipt.Destroyed, again.Destroyed)
	})
}

func TestShred(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m := w.manager(t, clocks())
		s := scopeOf(t, m, keys.CVC, "shop")
		id := keyOf(t, seal(t, s))
		require.NoError(t, m.Disable(t.Context(), id))
		sleep(t, "6m1s")
		_, err := m.Destroy(t.Context(), id, keys.DestroyOptions{})
		wrongField(t, err, "Census")
		_, err = m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true, Skew: -1})
		wrongField(t, err, "Skew")
		_, err = m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true, DestroyKEK: true})
		wrongField(t, err, "DestroyKEK")
		o := (&registry{records: 7}).options()
		o.Shred, o.SealLease, o.Skew, o.Serve = true, time.Hour, time.Hour, 5*time.Hour
		_, err = m.Destroy(t.Context(), id, o)
		require.ErrorAs(t, err, new(*keys.EarlyError))
		sleep(t, "2h")
		receipt, err := m.Destroy(t.Context(), id, o)
		require.NoError(t, err)
		require.True(t, receipt.Shredded)
		require.EqualValues(t, 7, receipt.Records)
		require.WithinDuration(t, time.Now().Add(6*time.Hour), receipt.LastUse, time.Second)

		// Without being told otherwise: cache life, and no grace for codes.
		id = keyOf(t, seal(t, s))
		require.NoError(t, m.Retire(t.Context(), id))
		sleep(t, "6m1s")
		receipt, err = m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true})
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(61*time.Minute), receipt.LastUse, time.Second)
	})
}

// Whatever another process does with its caches, by LastUse it opens no more: not
// while the KMS is away, and not if it asks for the key all the time.
func TestNothingOpensAfterLastUse(t *testing.T) {
	for _, away := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld()
			m := w.manager(t, clocks())
			record := seal(t, pan(t, m))
			id := keyOf(t, record)
			_, err := m.Rotate(t.Context(), keys.PAN)
			require.NoError(t, err)
			h := &hookStore{Store: w.store}
			elsewhere, err := keys.Open(t.Context(), h, w.kek, clocks())
			require.NoError(t, err)
			defer elsewhere.Close()
			s := pan(t, elsewhere)
			sleep(t, "7m")
			opens(t, s, record)
			receipt, err := m.Destroy(t.Context(), id, keys.DestroyOptions{Shred: true})
			require.NoError(t, err)
			if away {
				h.fail(keys.ErrUnavailable)
				w.kek.SetError(keys.ErrUnavailable)
			}
			last := time.Now()
			for time.Now().Before(receipt.LastUse.Add(time.Hour)) {
				if _, err := s.Open(t.Context(), nil, record, additional()); err == nil {
					last = time.Now()
				}
				sleep(t, "1m")
			}
			require.True(t, last.Before(receipt.LastUse), "opened %v after", last.Sub(receipt.LastUse))
			require.Equal(t, away, last.After(receipt.Destroyed.Add(2*time.Hour)))
		})
	}
}

// mortal is a KEK that can be destroyed.
type mortal struct {
	*keystest.KEK
	gone bool
}

func (k *mortal) Destroy(context.Context) error {
	k.gone = true
	k.SetError(keys.ErrDisabled)
	return nil
}

// A scope with a KEK of its own is shredded with it, and no other scope.
func TestDestroyKEKOfScope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		own := map[string]*mortal{"a": {KEK: keystest.NewKEK("kek-a")}, "b": {KEK: keystest.NewKEK("kek-b")}}
		m := w.manager(t, &keys.Options{KEKFor: func(_ context.Context, scope string) ([]keys.KEK, error) {
			if k := own[scope]; k != nil {
				return []keys.KEK{k}, nil
			}
			return nil, nil
		}})
		records := map[string][]byte{}
		scopes := map[string]*keys.Scope{}
		for _, name := range []string{"a", "b", "c"} {
			s, err := m.ScopeIn(keys.PerScope, keys.PAN, name)
			require.NoError(t, err)
			scopes[name], records[name] = s, seal(t, s)
			require.NoError(t, m.Disable(t.Context(), keyOf(t, records[name])))
			require.NoError(t, m.Enable(t.Context(), keyOf(t, records[name])))
		}
		sleep(t, "7m")
		o := keys.DestroyOptions{Shred: true, DestroyKEK: true}
		_, err := m.Destroy(t.Context(), keyOf(t, records["c"]), o)
		wrongField(t, err, "DestroyKEK") // it has the manager's
		receipt, err := m.Destroy(t.Context(), keyOf(t, records["a"]), o)
		require.NoError(t, err)
		require.Equal(t, keys.KEKGone, receipt.Promise)
		require.Equal(t, []string{"kek-a"}, receipt.KEKs)
		require.Equal(t, "a", receipt.Ring.Scope)
		require.True(t, own["a"].gone)
		require.False(t, own["b"].gone)
		parsed, err := keys.ParseReceipt(receipt.AppendTo(nil))
		require.NoError(t, err)
		require.Equal(t, receipt, parsed)
		refuses(t, scopes["a"], records["a"], additional(), keys.ErrDisabled)
		opens(t, scopes["b"], records["b"])
		opens(t, scopes["c"], records["c"])
	})
}

func TestReceiptEncoding(t *testing.T) {
	r := keys.Receipt{
		Key:       keys.KeyID{0: 1, 15: 2},
		Ring:      keys.RingID{Environment: "test", Purpose: keys.PAN, Scope: "s"},
		Destroyed: time.Unix(0x01020304, 0).UTC(), LastUse: time.Unix(0x01020305, 0).UTC(),
		Promise: keys.KEKGone, KEKs: []string{"k"}, Shredded: true, Records: 0x0506,
	}
	want := "dst\x01" + string(r.Key[:]) + "\x00\x04test\x00\x03pan\x00\x01s" +
		"\x00\x00\x00\x00\x01\x02\x03\x04\x00\x00\x00\x00\x01\x02\x03\x05\x02\x01" +
		"\x00\x00\x00\x00\x00\x00\x05\x06\x00\x03\x00\x01k"
	require.Equal(t, want, string(r.AppendTo([]byte("dst"))))
	encoded := []byte(want[3:])
	got, err := keys.ParseReceipt(encoded)
	require.NoError(t, err)
	require.Equal(t, r, got)
	for n := range encoded {
		_, err := keys.ParseReceipt(encoded[:n])
		require.ErrorIs(t, err, keys.ErrReceipt)
	}
	_, err = keys.ParseReceipt(append(encoded, 0))
	require.ErrorIs(t, err, keys.ErrReceipt)
	for name, change := range map[string]func(r *keys.Receipt){
		"no key":     func(r *keys.Receipt) { r.Key = keys.KeyID{} },
		"purpose":    func(r *keys.Receipt) { r.Ring.Purpose = "PAN" },
		"not UTF-8":  func(r *keys.Receipt) { r.Ring.Environment = "\xff" },
		"no promise": func(r *keys.Receipt) { r.Promise = 0 },
		"unknown":    func(r *keys.Receipt) { r.Promise = 3 },
		"no KEK":     func(r *keys.Receipt) { r.KEKs = nil },
		"a KEK":      func(r *keys.Receipt) { r.Promise = keys.CopiesGone },
		"empty ID":   func(r *keys.Receipt) { r.KEKs = []string{""} },
		"before":     func(r *keys.Receipt) { r.Destroyed = time.Unix(-1, 0) },
	} {
		bad := r
		change(&bad)
		_, err := keys.ParseReceipt(bad.AppendTo(nil))
		require.ErrorIs(t, err, keys.ErrReceipt, name)
	}
	require.Equal(t, "invalid", keys.Promise(0).String())
	require.NotEqual(t, keys.CopiesGone.String(), keys.KEKGone.String())
}

// What parses is the encoding of what it parsed to, byte for byte.
func FuzzParseReceipt(f *testing.F) {
	f.Add([]byte(nil))
	for _, promise := range []keys.Promise{keys.CopiesGone, keys.KEKGone} {
		r := keys.Receipt{Key: keys.KeyID{1}, Ring: keys.RingID{Environment: "e", Purpose: "x-p"}, Destroyed: time.Unix(1, 0), LastUse: time.Unix(2, 0), Promise: promise}
		if promise == keys.KEKGone {
			r.KEKs = []string{"a", "b"}
		}
		f.Add(r.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		r, err := keys.ParseReceipt(encoded)
		if err != nil {
			require.True(t, errors.Is(err, keys.ErrReceipt))
			require.Equal(t, keys.Receipt{}, r)
			return
		}
		require.Equal(t, encoded, r.AppendTo(nil))
	})
}
