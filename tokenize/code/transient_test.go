package code_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

var brief = code.TransientOptions{
	TTL: 5 * time.Minute, Epoch: 10 * time.Minute, Sweep: time.Minute, SealLease: time.Minute,
	CacheLife: 2 * time.Minute, Skew: time.Minute, MaxReads: 100,
}

// other is another process on the same stores.
func (w *world) other(o *code.TransientOptions) (*code.Transient, *code.Codes, *tokenize.Repository) {
	w.Helper()
	v, err := tokenize.Open(w.ctx, w.db.Cards(), w.manager(""), &tokenize.Options{IssuerCodes: w.issuer})
	require.NoError(w, err)
	r, err := v.Repository(w.ctx, "SHOP")
	require.NoError(w, err)
	t := w.transient(o)
	return t, w.codes(r, t, nil), r
}

// However busy its epoch is, and though two processes take its key into memory again
// and again: after the time that Forgets says nothing opens a code any more, even for
// whoever kept its record. Until its epoch is over he can, as documented.
func TestForgets(t *testing.T) {
	const step = 10 * time.Second
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo()
		tr := w.transient(&brief)
		s := w.codes(r, tr, nil)
		_, s2, _ := w.other(&brief)
		token := w.save(r, visa)
		var busy []string
		for n := range 40 {
			busy = append(busy, w.save(r, counted(t, n)))
		}
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		record, began := all(t, w.ephemeral)[0], time.Now()
		copied := w.sealer(r, w.copyOfKeys(w.ephemeral, code.Ring)) // taken while the epoch lives
		reader := w.sealer(r, w.ephemeral.Keys())

		require.Equal(t, 22*time.Minute, tr.Forgets())
		var last, lastThere time.Duration
		for n := range int(2 * tr.Forgets() / step) {
			at := time.Duration(n) * step
			time.Sleep(time.Until(began.Add(at)))
			require.NoError(t, s2.Put(t.Context(), me, own, busy[n%len(busy)], cvc(t, "456")))
			for _, open := range []func() (card.CVC, error){
				func() (card.CVC, error) { return s.OpenWith(t.Context(), record) },
				func() (card.CVC, error) { return s2.OpenWith(t.Context(), record) },
				func() (card.CVC, error) { return reader.OpenCVC(t.Context(), record.Record, code.Bound(&record)) },
			} {
				got, err := open()
				if err != nil {
					require.ErrorIs(t, err, envelope.ErrOpen)
					continue
				}
				is(t, "123", got, nil)
				last = at
			}
			if _, err := s.Retrieve(t.Context(), me, own, token); err == nil {
				lastThere = at
			}
		}
		require.Equal(t, brief.TTL-step, lastThere)
		require.Less(t, last, tr.Forgets())
		require.Greater(t, last, brief.TTL+brief.Epoch, "the bound is for this")
		got, err := copied.OpenCVC(t.Context(), record.Record, code.Bound(&record))
		is(t, "123", got, err) // what the documentation says can leak does
	})
}

// copyOfKeys is a copy of an ephemeral key store.
func (w *world) copyOfKeys(from *memory.Codes, ring keys.RingID) keys.Store {
	records, _, err := from.Keys().List(w.ctx, ring)
	require.NoError(w, err)
	to := newCodes(w)
	require.NoError(w, to.Keys().CompareAndSwap(w.ctx, ring, 0, records))
	return to.Keys()
}

// sealer is what whoever has a key store and the KMS can seal and open with; he keeps
// keys in memory as long as the services do.
func (w *world) sealer(r *tokenize.Repository, s keys.Store) *seal.Sealer {
	m, err := keys.Open(w.ctx, s, w.kek, &keys.Options{CacheLife: brief.CacheLife})
	require.NoError(w, err)
	w.Cleanup(func() { m.Close() })
	return seal.New(m, r.Scope())
}

// Whoever writes to the ephemeral store can keep a code there, but not what it was
// sealed under, nor have it read past its time.
func TestExpiryPutOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo()
		tr := w.transient(&brief)
		s := w.codes(r, tr, nil)
		token := w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		c := all(t, w.ephemeral)[0]
		c.Expires = 0
		require.NoError(t, w.ephemeral.PutCodes(t.Context(), []store.Code{c}))
		_, err := s.Retrieve(t.Context(), me, own, token)
		fails(t, err, tokenize.ServerFailed, "", envelope.ErrOpen)
		time.Sleep(tr.Forgets())
		synctest.Wait()
		require.Len(t, all(t, w.ephemeral), 1)
		epochs, err := tr.Erasures(t.Context())
		require.NoError(t, err)
		require.Len(t, epochs, 1)
		require.Equal(t, keys.Destroyed, epochs[0].State)
		require.EqualValues(t, 1, epochs[0].Codes)
	})
}

// An epoch that no code needs is destroyed early, its receipt goes to the sink, and one
// that the sink did not take is offered again. The report is made of the receipts.
func TestErasures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo()
		sink := &sink{}
		o := brief
		var swept []error
		o.Audit, o.Swept = sink, func(_ code.Sweep, err error) { swept = append(swept, err) }
		tr := w.transient(&o)
		s := w.codes(r, tr, nil)
		token := w.save(r, visa)
		began := time.Now().Truncate(time.Second)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		epochs, err := tr.Erasures(t.Context())
		require.NoError(t, err)
		require.Len(t, epochs, 1)
		require.Equal(t, keys.Active, epochs[0].State)
		require.EqualValues(t, 1, epochs[0].Codes)
		require.True(t, began.Equal(epochs[0].Created))
		require.NoError(t, s.Authorized(t.Context(), me, own, token))

		full := errors.New("disk full")
		sink.fail(full)
		time.Sleep(13*time.Minute + time.Second) // epoch, sweep, lease and skew
		synctest.Wait()
		require.Empty(t, sink.take())
		last := swept[len(swept)-1]
		fails(t, last, tokenize.ServerFailed, "", tokenize.ErrAudit)
		require.ErrorIs(t, last, full)
		_, err = tr.Sweep(t.Context())
		require.ErrorIs(t, err, full)
		sink.fail(nil)
		_, err = tr.Sweep(t.Context())
		require.NoError(t, err)
		events := sink.take()
		require.Len(t, events, 1)
		require.Equal(t, audit.DestroyKey, events[0].Action)
		require.Equal(t, fmt.Sprint(epochs[0].Key), events[0].Reason)
		receipt, err := keys.ParseReceipt(events[0].Receipt)
		require.NoError(t, err)
		require.Equal(t, epochs[0].Key, receipt.Key)
		require.False(t, receipt.Shredded)
		require.LessOrEqual(t, receipt.LastUse.Sub(began), tr.Forgets())

		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		again, foreign := receipt, receipt
		again.LastUse = receipt.LastUse.Add(time.Minute)
		foreign.Ring.Purpose = keys.PAN
		epochs, err = tr.Erasures(t.Context(), foreign, again, receipt)
		require.NoError(t, err)
		require.Len(t, epochs, 2)
		require.Equal(t, &receipt, epochs[0].Receipt)
		require.Equal(t, keys.Destroyed, epochs[0].State)
		require.Zero(t, epochs[0].Codes)
		require.Nil(t, epochs[1].Receipt)
		require.Equal(t, keys.Active, epochs[1].State)

		// The ephemeral store was lost: the receipts are still there.
		lost, err := code.OpenTransient(t.Context(), newCodes(t), w.kek, &brief)
		require.NoError(t, err)
		defer lost.Close()
		epochs, err = lost.Erasures(t.Context(), receipt)
		require.NoError(t, err)
		require.Equal(t, []code.Epoch{{Key: receipt.Key, State: keys.Destroyed, Receipt: &receipt}}, epochs)
	})
}

// What another process left behind is swept on start.
func TestSweptOnStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo()
		tr := w.transient(&brief)
		s := w.codes(r, tr, nil)
		require.NoError(t, s.Put(t.Context(), me, own, w.save(r, visa), cvc(t, "123")))
		s.Close()
		require.NoError(t, tr.Close())
		time.Sleep(time.Hour)
		require.Len(t, all(t, w.ephemeral), 1)
		tr = w.transient(&brief)
		require.Empty(t, all(t, w.ephemeral))
		epochs, err := tr.Erasures(t.Context())
		require.NoError(t, err)
		require.Equal(t, keys.Retired, epochs[0].State)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		epochs, err = tr.Erasures(t.Context())
		require.NoError(t, err)
		require.Equal(t, keys.Destroyed, epochs[0].State)
	})
}
