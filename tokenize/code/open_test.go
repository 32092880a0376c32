package code_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

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
	w := newWorld(t, func(o *tokenize.Options) {
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
