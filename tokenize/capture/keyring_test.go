package capture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	m := w.manager("test")
	_, err := capture.New(m, "scope", nil)
	require.Equal(t, &capture.ArgumentError{Field: "store", Reason: "must not be nil"}, err)
	_, err = capture.New(m, "", &w.keys)
	require.Equal(t, &capture.ArgumentError{Field: "scope", Reason: "must be 1 to 255 bytes of UTF-8"}, err)
	for _, scope := range []string{"\xff", strings.Repeat("s", 256)} {
		_, err = capture.New(m, scope, &w.keys)
		var o *keys.OptionError
		require.ErrorAs(t, err, &o)
		require.Equal(t, "scope", o.Field)
	}
	r := w.keyring("test", "scope")
	for _, c := range []struct {
		alias string
		suite capture.Suite
		life  time.Duration
		field string
	}{
		{"", capture.HPKEP256, time.Hour, "alias"}, {"a b", capture.HPKEP256, time.Hour, "alias"}, {"é", capture.HPKEP256, time.Hour, "alias"},
		{"a/b", capture.HPKEP256, time.Hour, "alias"}, {"web", 0, time.Hour, "suite"}, {"web", 200, time.Hour, "suite"},
		{"web", capture.HPKEP256, 0, "life"}, {"web", capture.HPKEP256, -time.Hour, "life"}, {"web", capture.HPKEP256, time.Second - 1, "life"},
		{"web", capture.HPKEP256, capture.MaxLife + 1, "life"},
	} {
		_, err := r.Generate(t.Context(), c.alias, c.suite, c.life)
		var a *capture.ArgumentError
		require.ErrorAs(t, err, &a)
		require.Equal(t, c.field, a.Field)
	}
	none, err := r.Published(t.Context(), "web")
	require.NoError(t, err)
	require.Empty(t, none)
}

// Several keys of one alias live at once; each ends in its time.
func TestKeysOfOneAlias(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		var all []capture.Published
		for range 3 {
			p, err := r.Generate(t.Context(), "web", capture.HPKEP256, 3*time.Hour)
			require.NoError(t, err)
			all = append(all, p)
			time.Sleep(time.Hour - time.Minute)
		}
		generate(t, r, "app", capture.JWEECDH)
		for n := 3; n >= 0; n-- { // n of them live, the newest first
			got, err := r.Published(t.Context(), "web")
			require.NoError(t, err)
			require.Len(t, got, n)
			for i := range 3 {
				_, err := r.Open(t.Context(), "web", encrypt(t, all[i], captured(0)))
				if i < 3-n {
					require.Equal(t, capture.ErrOpen, err, "retired")
					continue
				}
				require.NoError(t, err)
				require.Equal(t, all[i], got[2-i])
			}
			time.Sleep(time.Hour)
		}
		listed, err := r.All(t.Context())
		require.NoError(t, err)
		require.Len(t, listed, 4)
		require.Equal(t, "app", listed[0].Alias)
		require.Equal(t, []capture.Published{all[2], all[1], all[0]}, listed[1:])
	})
}

// Keys of one second are in one order, whatever order the store lists them in.
func TestKeysOfOneSecond(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		want := make([]string, 7) // key IDs
		for i := range want {
			want[i] = generate(t, r, "web", capture.HPKEP256).KeyID
		}
		slices.Sort(want)
		for _, list := range []func() ([]capture.Published, error){
			func() ([]capture.Published, error) { return r.Published(t.Context(), "web") },
			func() ([]capture.Published, error) { return r.All(t.Context()) },
		} {
			live, err := list()
			require.NoError(t, err)
			got := make([]string, len(live))
			for i := range live {
				got[i] = live[i].KeyID
			}
			require.Equal(t, want, got)
		}
	})
}

func TestRetire(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		p := generate(t, r, "web", capture.HPKEP256)
		id, err := cryptocapture.ParseKeyID(p.KeyID)
		require.NoError(t, err)
		row := func() capture.Key {
			k, err := w.keys.Get(t.Context(), "scope", "web", id)
			require.NoError(t, err)
			return k
		}
		before := row()
		require.Equal(t, 30*24*time.Hour, before.Retires.Sub(before.Created))
		require.NoError(t, r.Retire(t.Context(), "web", id, before.Retires.Add(time.Hour)))
		require.Equal(t, before, row(), "never longer")
		require.NoError(t, r.Retire(t.Context(), "web", id, time.Now().Add(time.Hour)))
		_, err = r.Open(t.Context(), "web", encrypt(t, p, captured(0)))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		_, err = r.Open(t.Context(), "web", encrypt(t, p, captured(0)))
		require.Equal(t, capture.ErrOpen, err)

		p = generate(t, r, "web", capture.HPKEP256)
		id, err = cryptocapture.ParseKeyID(p.KeyID)
		require.NoError(t, err)
		require.NoError(t, r.Retire(t.Context(), "web", id, time.Time{}))
		_, err = r.Open(t.Context(), "web", encrypt(t, p, captured(0)))
		require.Equal(t, capture.ErrOpen, err)
		require.Equal(t, capture.ErrNoKey, r.Retire(t.Context(), "app", id, time.Time{}))
		require.Equal(t, capture.ErrNoKey, r.Retire(t.Context(), "web", capture.KeyID{1}, time.Time{}))
	})
}

// A key that does not unseal is named, and keeps no other from clients or from being
// sealed anew. What keeps all from it is told as it is.
func TestDamagedKey(t *testing.T) {
	w := newWorld(t)
	m := w.manager("test")
	r, err := capture.New(m, "scope", &w.keys)
	require.NoError(t, err)
	p, q, app := generate(t, r, "web", capture.HPKEP256), generate(t, r, "web", capture.HPKEP256), generate(t, r, "app", capture.HPKEP256)
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	require.NoError(t, err)
	row, err := w.keys.Get(t.Context(), "scope", "web", id)
	require.NoError(t, err)
	row.Sealed[len(row.Sealed)-1] ^= 1
	w.overwrite(row)
	names := func(err error) {
		t.Helper()
		var damaged *capture.DamagedError
		require.ErrorAs(t, err, &damaged)
		require.Equal(t, []capture.KeyID{id}, damaged.Keys)
		require.ErrorIs(t, err, envelope.ErrOpen)
		require.ErrorContains(t, err, p.KeyID)
	}
	live, err := r.Published(t.Context(), "web")
	names(err)
	require.Equal(t, []capture.Published{q}, live)
	all, err := r.All(t.Context())
	names(err)
	require.Equal(t, []capture.Published{app, q}, all)
	_, err = m.Rotate(t.Context(), keys.Capture)
	require.NoError(t, err)
	n, err := r.Reseal(t.Context())
	names(err)
	require.Equal(t, 2, n)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	none, err := r.Published(ctx, "web")
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, none)
	require.NoError(t, m.Close())
	none, err = r.Published(t.Context(), "web")
	require.ErrorIs(t, err, keys.ErrClosed)
	require.Nil(t, none)
	_, err = r.Reseal(t.Context())
	require.ErrorIs(t, err, keys.ErrClosed)
}

// Keys follow the ring's active data key, also under the hands of others.
func TestReseal(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := w.manager("test")
		r, err := capture.New(m, "scope", &w.keys)
		require.NoError(t, err)
		other := w.keyring("test", "scope")
		p, q := generate(t, r, "web", capture.HPKEP256), generate(t, other, "jwe", capture.JWEECDH)
		id, err := cryptocapture.ParseKeyID(q.KeyID)
		require.NoError(t, err)
		require.NoError(t, r.Retire(t.Context(), "jwe", id, time.Now().Add(time.Second)))
		text := encrypt(t, p, captured(0))
		before, err := r.Open(t.Context(), "web", text)
		require.NoError(t, err)
		n, err := r.Reseal(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		time.Sleep(time.Second)

		old, err := m.Records(t.Context(), keys.Capture)
		require.NoError(t, err)
		require.Len(t, old, 1)
		_, err = m.Rotate(t.Context(), keys.Capture)
		require.NoError(t, err)
		n, err = other.Reseal(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n, "retired ones are among them")
		all, err := w.keys.List(t.Context(), "scope", "")
		require.NoError(t, err)
		for _, k := range all {
			sealedBy, ok := envelope.StoredKeyID(k.Sealed)
			require.True(t, ok)
			require.NotEqual(t, old[0].ID, sealedBy)
		}
		after, err := r.Open(t.Context(), "web", text)
		require.NoError(t, err)
		require.Equal(t, before.Replay.Digest, after.Replay.Digest)
		_, err = r.Open(t.Context(), "jwe", encrypt(t, q, captured(0)))
		require.Equal(t, capture.ErrOpen, err, "retired it stays")
	})
}

// A key that another process rotated away and closed for writing is not sealed under.
func TestFenced(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r, other := w.keyring("test", "scope"), w.manager("test")
		generate(t, r, "web", capture.HPKEP256)
		old, err := other.Records(t.Context(), keys.Capture)
		require.NoError(t, err)
		w.keys.fenced = old[0].ID
		_, err = r.Generate(t.Context(), "web", capture.HPKEP256, time.Hour)
		require.ErrorIs(t, err, store.ErrFenced, "the active key is closed")
		_, err = other.Rotate(t.Context(), keys.Capture)
		require.NoError(t, err)
		p := generate(t, r, "web", capture.HPKEP256)
		_, err = r.Open(t.Context(), "web", encrypt(t, p, captured(0)))
		require.NoError(t, err)
		n, err := w.keys.CountByKey(t.Context(), old[0].ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

// Of several who retire a key at once, the earliest time holds.
func TestRetireAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		p := generate(t, r, "web", capture.HPKEP256)
		id, err := cryptocapture.ParseKeyID(p.KeyID)
		require.NoError(t, err)
		// While one retires it in an hour, another does so now.
		w.keys.onPut = func() { require.NoError(t, r.Retire(t.Context(), "web", id, time.Time{})) }
		require.NoError(t, r.Retire(t.Context(), "web", id, time.Now().Add(time.Hour)))
		_, err = r.Open(t.Context(), "web", encrypt(t, p, captured(0)))
		require.Equal(t, capture.ErrOpen, err)

		p = generate(t, r, "web", capture.HPKEP256)
		id, err = cryptocapture.ParseKeyID(p.KeyID)
		require.NoError(t, err)
		w.keys.stale = true
		require.ErrorIs(t, r.Retire(t.Context(), "web", id, time.Time{}), store.ErrConflict)
	})
}

// Whoever can write the store can neither move a key elsewhere, nor lengthen its
// life, nor plant one of his own.
func TestStoreWriter(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		p, q := generate(t, r, "web", capture.HPKEP256), generate(t, r, "web", capture.HPKEP256)
		row := func(p capture.Published) capture.Key {
			id, err := cryptocapture.ParseKeyID(p.KeyID)
			require.NoError(t, err)
			k, err := w.keys.Get(t.Context(), "scope", p.Alias, id)
			require.NoError(t, err)
			return k
		}
		good, other := row(p), row(q)
		text := encrypt(t, p, captured(0))
		for what, change := range map[string]func(k *capture.Key){
			"longer life": func(k *capture.Key) { k.Retires = k.Retires.Add(time.Second) },
			"older":       func(k *capture.Key) { k.Created = k.Created.Add(-time.Second) },
			"another key": func(k *capture.Key) { k.Sealed = other.Sealed },
			"cut":         func(k *capture.Key) { k.Sealed = k.Sealed[:len(k.Sealed)-1] },
			"a bit":       func(k *capture.Key) { k.Sealed[len(k.Sealed)-1] ^= 1 },
			"nothing":     func(k *capture.Key) { k.Sealed = []byte{} },
		} {
			k := good
			k.Sealed = bytes.Clone(good.Sealed)
			change(&k)
			w.overwrite(k)
			_, err := r.Open(t.Context(), "web", text)
			require.ErrorIs(t, err, envelope.ErrOpen, what)
			require.NotErrorIs(t, err, capture.ErrOpen, what)
			_, err = r.Published(t.Context(), "web")
			require.ErrorIs(t, err, envelope.ErrOpen, what)
			require.ErrorIs(t, r.Retire(t.Context(), "web", k.ID, time.Time{}), envelope.ErrOpen, what)
			w.overwrite(good)
		}
		moved := good
		moved.Alias = "app"
		w.overwrite(moved)
		_, err := r.Open(t.Context(), "app", text)
		require.ErrorIs(t, err, envelope.ErrOpen)
		moved = good
		moved.Scope = "scope2"
		w.overwrite(moved)
		_, err = w.keyring("test", "scope2").Open(t.Context(), "web", text)
		require.ErrorIs(t, err, envelope.ErrOpen)
		_, err = r.Open(t.Context(), "web", text)
		require.NoError(t, err)

		// A store that answers with another key than it was asked for. The message, a
		// JWE, is bound to no alias.
		jwe := generate(t, r, "jwe", capture.JWEECDH)
		k := row(jwe)
		w.keys.answer = &k
		_, err = r.Open(t.Context(), "web", encrypt(t, jwe, captured(0)))
		require.ErrorIs(t, err, envelope.ErrOpen)
		_, err = r.Open(t.Context(), "jwe", encrypt(t, jwe, captured(0)))
		require.NoError(t, err)
	})
}

// What is served to clients.
func TestPublishedJSON(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		for s, names := range map[capture.Suite][]string{
			capture.HPKEP256: {"alias", "kid", "suite", "key", "info", "created", "retires"},
			capture.JWEECDH:  {"alias", "kid", "suite", "key", "jwk", "created", "retires"},
		} {
			p := generate(t, r, "web", s)
			text, err := json.Marshal(p)
			require.NoError(t, err)
			var members map[string]any
			require.NoError(t, json.Unmarshal(text, &members))
			require.Len(t, members, len(names))
			for _, name := range names {
				require.Contains(t, members, name)
			}
			var back capture.Published
			require.NoError(t, json.Unmarshal(text, &back))
			require.Equal(t, p, back)
			_, err = r.Open(t.Context(), "web", encrypt(t, back, captured(0)))
			require.NoError(t, err)
		}
	})
}
