package code_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A copy of either store opens nothing, for whoever has the KMS; copies of both do,
// which is what is said to leak. Every process with both stores opens, and in the end
// neither has a key.
func TestSecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, second, o := w.repo(), newCodes(t), brief
		o.Second = second
		tr := w.transient(&o)
		s := w.codes(r, tr, nil)
		_, s2, _ := w.other(&o)
		token := w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		got, err := s2.Retrieve(t.Context(), me, own, token)
		is(t, "123", got, err)
		_, err = verify(s2, token, "123")
		require.NoError(t, err)

		record := all(t, w.ephemeral)[0]
		id, _ := envelope.StoredKeyID(record.Record)
		one, other := w.copyOfKeys(w.ephemeral, code.Ring), w.copyOfKeys(second, code.MaskRing)
		for _, copied := range []keys.Store{one, other, unmarked(t, one, id, id), unmarked(t, other, live(t, second, code.MaskRing)[0].ID, id)} {
			_, err := w.sealer(r, copied).OpenCVC(t.Context(), record.Record, code.Bound(&record))
			require.ErrorIs(t, err, envelope.ErrOpen)
		}
		got, err = w.sealer(r, code.Halves(one, other)).OpenCVC(t.Context(), record.Record, code.Bound(&record))
		is(t, "123", got, err)

		time.Sleep(tr.Forgets())
		require.Empty(t, live(t, w.ephemeral, code.Ring))
		require.Empty(t, live(t, second, code.MaskRing))
	})
}

// unmarked is a store with the half of a key as a whole one.
func unmarked(t *testing.T, copied keys.Store, half, key keys.KeyID) keys.Store {
	r, err := copied.Get(t.Context(), half)
	require.NoError(t, err)
	r.ID, r.Ring = key, code.Ring
	if kek, marked := strings.CutPrefix(r.Wrapped[0].KEK, code.HalfOf); marked {
		r.Wrapped = []keys.Wrapping{{KEK: kek, Bytes: r.Wrapped[0].Bytes[len(half):]}}
	}
	to := memory.New().Keys()
	require.NoError(t, to.CompareAndSwap(t.Context(), code.Ring, 0, []keys.Record{r}))
	return to
}

// What either store loses in a crash is lost, and codes can be put at once.
func TestSecondLost(t *testing.T) {
	for _, lost := range []string{"first", "second"} {
		w := newWorld(t)
		r, second, o := w.repo(), newCodes(t), brief
		o.Second = second
		s := w.codes(r, w.transient(&o), nil)
		token := w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))

		if lost == "first" {
			w.ephemeral = newCodes(t)
			w.eph = &hooked{EphemeralStore: w.ephemeral}
		} else {
			o.Second = newCodes(t)
		}
		tr, s, _ := w.other(&o)
		_, err := s.Retrieve(t.Context(), me, own, token)
		require.Error(t, err, lost)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "456")), lost)
		got, err := s.Retrieve(t.Context(), me, own, token)
		is(t, "456", got, err)
		if lost == "second" {
			epochs, err := tr.Erasures(t.Context())
			require.NoError(t, err)
			require.Len(t, epochs, 2)
			require.ElementsMatch(t, []keys.State{keys.Destroyed, keys.Active}, []keys.State{epochs[0].State, epochs[1].State})
		}
	}
}

// Given later it serves from the next epoch on.
func TestSecondGivenLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, second, o := w.repo(), newCodes(t), brief
		before := w.transient(&brief)
		s, token := w.codes(r, before, nil), w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		s.Close()
		require.NoError(t, before.Close())
		o.Second = second
		s = w.codes(r, w.transient(&o), nil)
		got, err := s.Retrieve(t.Context(), me, own, token)
		is(t, "123", got, err)
		require.Empty(t, live(t, second, code.MaskRing))
		time.Sleep(brief.Epoch + brief.Sweep + time.Second)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "456")))
		require.Len(t, live(t, second, code.MaskRing), 1)
	})
}

// live are the keys of a store, or their masks, that are not destroyed. Nothing is left
// of those that are.
func live(t *testing.T, c *memory.Codes, ring keys.RingID) (live []keys.Record) {
	records, _, err := c.Keys().List(t.Context(), ring)
	require.NoError(t, err)
	if ring == code.Ring {
		require.NotEmpty(t, records)
	}
	for _, k := range records {
		if k.State != keys.Destroyed {
			live = append(live, k)
			continue
		}
		require.Empty(t, k.Wrapped)
	}
	return live
}

// Two vaults' stores are each other's second: neither takes the other's masks for
// epochs of its own.
func TestSecondOfEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := newWorld(t), newWorld(t)
		var all []*code.Codes
		var tokens []string
		for _, w := range []*world{a, b} {
			o := brief
			if o.Second = b.ephemeral; w == b {
				o.Second = a.ephemeral
			}
			r := w.repo()
			s := w.codes(r, w.transient(&o), nil)
			all, tokens = append(all, s), append(tokens, w.save(r, visa))
			require.NoError(t, s.Put(t.Context(), me, own, tokens[len(tokens)-1], cvc(t, "123")))
		}
		time.Sleep(brief.TTL - time.Second) // sweeps come and go, and keys leave memory
		for i, s := range all {
			got, err := s.Retrieve(t.Context(), me, own, tokens[i])
			is(t, "123", got, err)
		}
	})
}

// Two vaults have one second store: neither erases the other's masks, however long its
// codes are kept, and in the end none is left.
func TestSecondOfTwo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		second, long := newCodes(t), brief
		long.TTL, long.Epoch = 3*time.Hour, 2*time.Hour
		var all []*code.Codes
		var tokens []string
		var last *code.Transient
		for _, o := range []code.TransientOptions{brief, long} {
			o.Second = second
			w := newWorld(t)
			r := w.repo()
			last = w.transient(&o)
			all, tokens = append(all, w.codes(r, last, nil)), append(tokens, w.save(r, visa))
			require.NoError(t, all[len(all)-1].Put(t.Context(), me, own, tokens[len(tokens)-1], cvc(t, "123")))
		}
		for i, until := range []time.Duration{brief.TTL, long.TTL - brief.TTL} {
			time.Sleep(until - time.Second) // sweeps come and go, and keys leave memory
			got, err := all[i].Retrieve(t.Context(), me, own, tokens[i])
			is(t, "123", got, err)
		}
		time.Sleep(last.Forgets())
		require.Empty(t, live(t, second, code.MaskRing))
	})
}

// A mask that a crash left is erased once it is too old to be one that any first store
// names.
func TestSecondIsSwept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r, second, o := w.repo(), newCodes(t), brief
		o.Second = second
		tr := w.transient(&o)
		s, token := w.codes(r, tr, nil), w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		left := live(t, second, code.MaskRing)[0]
		left.ID = keys.KeyID{1}
		_, version, err := second.Keys().List(t.Context(), code.MaskRing)
		require.NoError(t, err)
		require.NoError(t, second.Keys().CompareAndSwap(t.Context(), code.MaskRing, version, []keys.Record{left}))
		time.Sleep(tr.Forgets())
		require.Len(t, live(t, second, code.MaskRing), 1)
		time.Sleep(o.Skew + o.Sweep + time.Second)
		require.Empty(t, live(t, second, code.MaskRing))
	})
}

func TestSecondIsEphemeral(t *testing.T) {
	w := newWorld(t)
	_, err := code.OpenTransient(t.Context(), w.eph, w.kek, &code.TransientOptions{
		Second: &hooked{EphemeralStore: newCodes(t), check: store.ErrDurable},
	})
	fails(t, err, tokenize.RequestRejected, "", store.ErrDurable)
}

// The first store is no second one, whatever it is called and whoever opens it.
func TestSecondIsAnother(t *testing.T) {
	w := newWorld(t)
	for _, second := range []code.EphemeralKeys{w.eph, w.ephemeral, &hooked{EphemeralStore: w.ephemeral}} {
		_, err := code.OpenTransient(t.Context(), w.eph, w.kek, &code.TransientOptions{Second: second})
		fails(t, err, tokenize.InvalidRequest, "second", nil)
	}
	require.NoError(t, w.codes(w.repo(), w.transient(nil), nil).Put(t.Context(), me, own, w.save(w.repo(), visa), cvc(t, "123")))
	second := newCodes(t)
	for range 3 { // of which one leaves a record
		w.transient(&code.TransientOptions{Second: second})
	}
	records, _, err := second.Keys().List(t.Context(), code.MaskRing)
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Empty(t, live(t, second, code.MaskRing))
}
