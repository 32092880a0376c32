package code_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
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
		copied := w.sealer(r, w.copyOfKeys()) // taken while the epoch lives
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

// copyOfKeys is a copy of the ephemeral key store.
func (w *world) copyOfKeys() keys.Store {
	ring := keys.RingID{Environment: "production", Purpose: keys.CVC}
	records, _, err := w.ephemeral.Keys().List(w.ctx, ring)
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

// One Transient serves many repositories, whose codes are apart.
func TestShared(t *testing.T) {
	w := newWorld(t)
	tr := w.transient(nil)
	a, b := w.repo(), w.repo(func(c *tokenize.Config) { c.ID, c.PerScopeKeys = "OTHER", true })
	sa, sb := w.codes(a, tr, nil), w.codes(b, tr, nil)
	ta, tb := w.save(a, visa), w.save(b, visa)
	require.NoError(t, sa.Put(t.Context(), me, own, ta, cvc(t, "123")))
	require.NoError(t, sb.Put(t.Context(), me, own, tb, cvc(t, "456")))
	_, err := sb.Retrieve(t.Context(), me, own, ta)
	unknown(t, err)
	got, err := sa.Retrieve(t.Context(), me, own, ta)
	is(t, "123", got, err)
	got, err = sb.Retrieve(t.Context(), me, own, tb)
	is(t, "456", got, err)
}

// A test twin's codes are sealed under keys of its own environment.
func TestTwin(t *testing.T) {
	var w *world
	w = newWorld(t, func(o *tokenize.Options) {
		m, err := keys.Open(t.Context(), newCodes(t).Keys(), keystest.NewKEK("for tests"), &keys.Options{Environment: "test"})
		require.NoError(t, err)
		t.Cleanup(func() { m.Close() })
		o.TestKeys = m
	})
	r := w.repo()
	twin, err := w.vault.Repository(t.Context(), "TestSHOP")
	require.NoError(t, err)
	tr := w.transient(nil)
	_, err = code.Open(t.Context(), twin, tr, nil)
	fails(t, err, tokenize.InvalidRequest, "policy", nil)
	test := w.transient(&code.TransientOptions{Environment: "test"})
	_, err = code.Open(t.Context(), r, test, nil)
	fails(t, err, tokenize.InvalidRequest, "policy", nil)
	s, st := w.codes(r, tr, nil), w.codes(twin, test, nil)
	tester := w.merchant(twin, "TEST1")
	token, twinToken := w.save(r, visa), w.save(twin, visa)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	require.NoError(t, st.Put(t.Context(), tester, own, twinToken, cvc(t, "456")))
	fails(t, s.Put(t.Context(), tester, own, token, cvc(t, "456")), tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
	got, err := st.Retrieve(t.Context(), tester, own, twinToken)
	is(t, "456", got, err)
	_, err = st.Retrieve(t.Context(), me, own, token)
	unknown(t, err)
}

// A record that was carried to another owner, card, repository or code does not open.
func TestMovedRecords(t *testing.T) {
	w := newWorld(t)
	tr := w.transient(&code.TransientOptions{MaxReads: 5})
	r, r2 := w.repo(), w.repo(func(c *tokenize.Config) { c.ID = "OTHER" })
	s, s2 := w.codes(r, tr, nil), w.codes(r2, tr, nil)
	site := code.Owner{Type: code.Site, ID: "7"}
	token, other, far := w.save(r, visa), w.save(r, visa2), w.save(r2, visa)
	type place struct {
		s     *code.Codes
		owner code.Owner
		token string
	}
	places := []place{{s, own, token}, {s, site, token}, {s, code.Owner{Type: code.Merchant, ID: "7"}, token}, {s, own, other}, {s2, own, far}}
	for _, p := range places {
		require.NoError(t, p.s.Put(t.Context(), me, p.owner, p.token, cvc(t, "123")))
	}
	codes := all(t, w.ephemeral)
	require.Len(t, codes, len(places))
	for i, from := range codes {
		for j, to := range codes {
			moved := from
			moved.ID, moved.Token = to.ID, to.Token
			require.NoError(t, w.ephemeral.PutCodes(t.Context(), []store.Code{moved}))
			opened := 0
			for _, p := range places {
				if _, err := p.s.Retrieve(t.Context(), me, p.owner, p.token); err == nil {
					opened++
				} else {
					fails(t, err, tokenize.ServerFailed, "", envelope.ErrOpen)
				}
				st, err := p.s.Status(t.Context(), me, p.owner, p.token)
				require.NoError(t, err)
				require.Equal(t, 15, st.GuessesLeft)
			}
			want := len(places) - 1
			if i == j {
				want++
			}
			require.Equal(t, want, opened, "%d at %d", i, j)
			require.NoError(t, w.ephemeral.PutCodes(t.Context(), codes))
		}
	}
}

// What a service cannot be opened with.
func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for field, o := range map[string]code.TransientOptions{
		"ttl": {TTL: 25 * time.Hour}, "epoch": {Epoch: time.Millisecond}, "sweep": {Sweep: 2 * time.Hour}, "skew": {Skew: -1},
		"cacheLife": {CacheLife: 2 * time.Hour}, "sealLease": {SealLease: 1}, "maxReads": {MaxReads: 101},
	} {
		_, err := code.OpenTransient(ctx, w.eph, w.kek, &o)
		fails(t, err, tokenize.InvalidRequest, field, nil)
	}
	_, err := code.OpenTransient(ctx, nil, w.kek, nil)
	fails(t, err, tokenize.InvalidRequest, "store", nil)
	_, err = code.OpenTransient(ctx, w.eph, development{w.kek}, nil)
	require.Equal(t, "DEVELOPMENT_KEK", fails(t, err, tokenize.RequestRejected, "kek", nil).SupportCode)
	w.eph.check = store.ErrDurable
	_, err = code.OpenTransient(ctx, w.eph, w.kek, nil)
	fails(t, err, tokenize.RequestRejected, "", store.ErrDurable)
	w.eph.check = nil

	r, bank, tr := w.repo(), w.repo(issued), w.transient(nil)
	for field, o := range map[string]code.Options{"tries": {Tries: 11}, "guesses": {Guesses: 101}} {
		_, err := code.Open(ctx, r, tr, &o)
		fails(t, err, tokenize.InvalidRequest, field, nil)
	}
	_, err = code.Open(ctx, r, code.Issuer{}, nil)
	fails(t, err, tokenize.InvalidRequest, "policy", nil)
	_, err = code.Open(ctx, bank, tr, nil)
	fails(t, err, tokenize.InvalidRequest, "policy", nil)
	_, err = code.Open(ctx, bank, (*code.Transient)(nil), nil)
	fails(t, err, tokenize.InvalidRequest, "policy", nil)
	_, err = code.Open(ctx, nil, tr, nil)
	fails(t, err, tokenize.InvalidRequest, "repository", nil)
	s := w.codes(r, tr, nil)
	_, err = code.Open(ctx, w.repo(), tr, nil) // the same scope through another Repository
	fails(t, err, tokenize.InvalidRequest, "repository", nil)
	s.Close()
	w.codes(r, tr, nil)
}

type development struct{ keys.KEK }

func (development) Development() string { return "a test" }

// After Close nothing is sealed or opened, and the sweeper is gone (the bubble would
// not end otherwise).
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo()
		tr := w.transient(nil)
		s := w.codes(r, tr, nil)
		token := w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := code.OpenTransient(ctx, w.eph, w.kek, nil)
		require.Error(t, err)
		require.NoError(t, tr.Close())
		require.NoError(t, tr.Close())
		fails(t, s.Put(t.Context(), me, own, token, cvc(t, "123")), tokenize.ServerFailed, "", keys.ErrClosed)
		_, err = s.Retrieve(t.Context(), me, own, token)
		fails(t, err, tokenize.ServerFailed, "", keys.ErrClosed)
		require.NoError(t, s.Authorized(t.Context(), me, own, token), "erasing needs no key of it")
	})
}
