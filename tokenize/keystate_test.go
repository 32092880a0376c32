package tokenize_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

const (
	keyA = "000102030405060708090a0b0c0d0e0f"
	keyB = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
)

// Every spelling that the program writes, and none beside it.
func TestStoredState(t *testing.T) {
	settled := `{"version":1,"phase":"settled","index":["` + keyA + `"],"read":"` + keyA + `","digest":"` + keyA + `"}`
	filling := `{"version":1,"phase":"filling","index":["` + keyA + `","` + keyB + `"],"read":"` + keyA + `","digest":"` + keyB +
		`","earlierDigest":{"key":"` + keyA + `","until":1900000000000},"pins":{"analytics":"` + keyB + `","fpe":"` + keyA + `"}}`
	for _, s := range []string{"", settled, filling, strings.Replace(settled, "settled", "dropping", 1)} {
		again, err := tokenize.RecodeState([]byte(s))
		require.NoError(t, err)
		require.Equal(t, s, string(again))
	}
	for name, s := range map[string]string{
		"unknown name":       strings.Replace(settled, `"read"`, `"colour":1,"read"`, 1),
		"name twice":         strings.Replace(settled, `"read"`, `"read":"`+keyB+`","read"`, 1),
		"name in capitals":   strings.Replace(settled, `"read"`, `"Read"`, 1),
		"white space":        settled + "\n",
		"text behind":        settled + "{}",
		"no version":         strings.Replace(settled, `"version":1,`, "", 1),
		"unknown phase":      strings.Replace(settled, "settled", "resting", 1),
		"no phase":           strings.Replace(settled, `"phase":"settled",`, "", 1),
		"no key":             strings.Replace(settled, `["`+keyA+`"]`, "[]", 1),
		"two keys":           strings.Replace(filling, "filling", "settled", 1),
		"one key":            strings.Replace(settled, "settled", "filling", 1),
		"one key twice":      strings.Replace(filling, `,"`+keyB+`"]`, `,"`+keyA+`"]`, 1),
		"reads another key":  strings.Replace(settled, `"read":"`+keyA, `"read":"`+keyB, 1),
		"short key":          strings.Replace(settled, `"digest":"00`, `"digest":"`, 1),
		"zero key":           strings.Replace(settled, `"digest":"`+keyA, `"digest":"`+strings.Repeat("0", 32), 1),
		"key in capitals":    strings.Replace(settled, `"digest":"`+keyA, `"digest":"`+strings.ToUpper(keyA), 1),
		"pin of no purpose":  strings.Replace(filling, `"fpe"`, `"pin"`, 1),
		"pin of the zero ID": strings.Replace(filling, `"fpe":"`+keyA, `"fpe":"`+strings.Repeat("0", 32), 1),
		"no JSON":            "settled",
	} {
		_, err := tokenize.RecodeState([]byte(s))
		require.ErrorIs(t, err, store.ErrCorrupt, name)
		fails(t, err, tokenize.ServerFailed, "", nil)
	}
	_, err := tokenize.RecodeState([]byte(`{"version":2,"new":"thing"}`))
	require.ErrorIs(t, err, store.ErrNewer)
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"phase":"settled","index":["` + keyA + `"],"read":"` + keyA + `","digest":"` + keyA + `"}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		again, err := tokenize.RecodeState(stored)
		if err == nil {
			require.Equal(t, string(stored), string(again))
		}
		_, perr := tokenize.ParseIndexStatus(stored)
		require.Equal(t, err == nil, perr == nil)
	})
}

// A state that cannot be read keeps the repository from being opened.
func TestStateOfANewerVersion(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		for stored, want := range map[string]error{`{"version":9}`: store.ErrNewer, `{"version":1}`: store.ErrCorrupt} {
			w.setState(r, []byte(stored))
			_, err := w.vault.Repository(t.Context(), r.Config().ID)
			fails(t, err, tokenize.ServerFailed, "", want)
		}
	})
}

// setState stores a state as somebody would who can write to the store.
func (w *world) setState(r *tokenize.Repository, state []byte) {
	w.Helper()
	s := w.stored(r)
	s.State = state
	require.NoError(w, w.db.Cards().UpdateRepository(w.ctx, s))
}

// A repository that an earlier version made has no state: its cards are found by
// the key they were indexed under, whatever became of the ring.
func TestWithoutState(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		key := w.row(r, d.Token).Index[0].Key
		w.setState(r, nil)
		unread := w.other(r) // a process that has read the empty state and not used it
		_, err := w.keys.RotateIndex(t.Context())
		require.NoError(t, err)

		for _, r := range []*tokenize.Repository{w.other(r), unread, r} {
			require.Equal(t, d.Token, w.save(r, req(t, visa)).Token)
			st, err := r.IndexStatus(t.Context())
			require.NoError(t, err)
			require.Equal(t, tokenize.IndexStatus{Phase: tokenize.Settled, Key: key, Digests: []keys.KeyID{key}}, st)
		}
		require.Len(t, w.all(r), 1)
	})
}

// A writer that knows nothing of states is refused once the keys are written down.
func TestWriterWithoutEpoch(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		out, err := w.db.Cards().Write(t.Context(), []store.Write{{Row: w.row(r, d.Token)}}, nil)
		require.NoError(t, err)
		require.Equal(t, store.Outdated, out[0].Result)
	})
}

// Processes that first use a repository at once, with other keys active in what
// they know of the ring, agree on one.
func TestFirstUseAtOnce(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	const processes = 8
	var others [processes]*tokenize.Repository
	for i := range others {
		m := w.manager()
		s, err := m.Scope(keys.Index, "any")
		require.NoError(t, err)
		_, err = s.ActiveKey(t.Context()) // its lease is on the key of now
		require.NoError(t, err)
		v, err := tokenize.Open(t.Context(), w.db.Cards(), m, nil)
		require.NoError(t, err)
		others[i], err = v.Repository(t.Context(), r.Config().ID)
		require.NoError(t, err)
		_, err = w.keys.RotateIndex(t.Context())
		require.NoError(t, err)
	}
	var tokens [processes]string
	var errs [processes]error
	var wg sync.WaitGroup
	for i, o := range others {
		wg.Go(func() {
			d, err := o.Save(t.Context(), req(t, visa))
			tokens[i], errs[i] = d.Token, err
		})
	}
	wg.Wait()
	for i := range others {
		require.NoError(t, errs[i])
		require.Equal(t, tokens[0], tokens[i])
	}
}

// A pinned key stays, through rotations of its ring and of the index key, and of
// many processes that pin at once all get one.
func TestPinned(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		var others [8]*tokenize.Repository
		for i := range others {
			others[i] = w.other(r)
		}
		var got [len(others)]keys.KeyID
		var errs [len(others)]error
		var wg sync.WaitGroup
		for i, o := range others {
			wg.Go(func() { got[i], errs[i] = o.Pinned(t.Context(), keys.Analytics) })
		}
		wg.Wait()
		for i := range others {
			require.NoError(t, errs[i])
			require.Equal(t, got[0], got[i])
		}
		fpe, err := r.Pinned(t.Context(), keys.FPE)
		require.NoError(t, err)
		require.NotEqual(t, got[0], fpe)
		for _, p := range []keys.Purpose{keys.Analytics, keys.FPE} {
			_, err := w.keys.Rotate(t.Context(), p)
			require.NoError(t, err)
		}
		w.reindex(r, tokenize.ReindexOptions{NewKey: true})
		for _, o := range []*tokenize.Repository{r, w.other(r), others[3]} {
			for p, want := range map[keys.Purpose]keys.KeyID{keys.Analytics: got[0], keys.FPE: fpe} {
				id, err := o.Pinned(t.Context(), p)
				require.NoError(t, err)
				require.Equal(t, want, id)
			}
		}
		_, err = r.Pinned(t.Context(), "none")
		require.Error(t, err)
	})
}

// What needs no index key needs no KMS either: a card is deleted while it is away.
func TestDeleteWithoutKMS(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	other := w.other(r)
	w.reindex(r, tokenize.ReindexOptions{NewKey: true})
	w.kek.SetError(keys.ErrUnavailable)
	require.NoError(t, other.Delete(t.Context(), me, d.Token))
}
