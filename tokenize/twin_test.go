package tokenize_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

// testKeys are keys of an environment over the world's key store.
func testKeys(t testing.TB, d db, kek keys.KEK, environment string) *keys.Manager {
	t.Helper()
	m, err := keys.Open(t.Context(), d.Keys(), kek, &keys.Options{Environment: environment})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// withTwins is a world whose vault has test keys.
func withTwins(t testing.TB, d db) *world {
	return newWorld(t, d, &tokenize.Options{TestKeys: testKeys(t, d, keystest.NewKEK("for tests"), "test")})
}

func (w *world) open(id string) *tokenize.Repository {
	w.Helper()
	r, err := w.vault.Repository(w.ctx, id)
	require.NoError(w, err)
	return r
}

// Every repository has a twin with its configuration, a scope and keys of its own.
func TestTwin(t *testing.T) {
	stores(t, func(t *testing.T, base *world) {
		w := withTwins(t, base.db)
		for _, id := range []string{"SHOP", strings.Repeat("x", 40)} {
			r, err := w.vault.EnsureRepository(t.Context(), tokenize.Config{
				ID: id, Generation: tokenize.Preserve64, Management: tokenize.UniqueCard, RequireExpiry: true, Verification: tokenize.None,
			})
			require.NoError(t, err)
			twin := w.open("Test" + id)
			want := r.Config()
			want.ID = "Test" + id
			require.Equal(t, want, twin.Config())
			require.NotEqual(t, r.Scope(), twin.Scope())
			require.Equal(t, twin.Scope(), w.open("Test"+id).Scope(), "made once")
			byScope, err := w.vault.RepositoryByScope(t.Context(), strings.ToUpper(twin.Scope()))
			require.NoError(t, err)
			require.Equal(t, want, byScope.Config())

			q := req(t, visa)
			q.Card.Expiry.Month, q.Card.Expiry.Year = 1, 2030
			real, test := w.save(r, q), w.save(twin, q)
			require.Equal(t, "Test"+id, test.Repository)
			w.holds(twin, test.Token, visa)
			realKey, _ := envelope.StoredKeyID(w.row(r, real.Token).Sealed[0].Record)
			testKey, _ := envelope.StoredKeyID(w.row(twin, test.Token).Sealed[0].Record)
			require.NotEqual(t, realKey, testKey)
			require.NotEqual(t, w.row(r, real.Token).Index, w.row(twin, test.Token).Index)
			if real.Token != test.Token {
				_, err = twin.Get(t.Context(), me, real.Token)
				fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
			}
		}
		for _, id := range []string{"Test", "TestNONE", "TestTestSHOP", "TestTest", "testSHOP", "TestSHOP "} {
			_, err := w.vault.Repository(t.Context(), id)
			fails(t, err, tokenize.InvalidRequest, "repository", store.ErrNotFound)
		}
		_, err := w.vault.EnsureRepository(t.Context(), tokenize.Config{ID: "TestSHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard})
		fails(t, err, tokenize.InvalidRequest, "repository", nil)
		all, err := w.vault.Repositories(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 4)
	})
}

// A row of the twin carried into the repository, or back, does not open.
func TestTwinsRowsStayThere(t *testing.T) {
	w := withTwins(t, memory.New())
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	twin := w.open("Test" + r.Config().ID)
	for _, way := range [][2]*tokenize.Repository{{r, twin}, {twin, r}} {
		d := w.save(way[0], req(t, visa))
		row := w.row(way[0], d.Token)
		row.Scope, row.Version = scopeID(t, way[1]), 0
		w.save(way[1], req(t, amex)) // so that its keys are settled
		out, err := w.db.Cards().Write(t.Context(), []store.Write{{Row: row, Epoch: w.stored(way[1]).Epoch}}, nil)
		require.NoError(t, err)
		require.Equal(t, store.Written, out[0].Result)
		_, err = way[1].Reveal(t.Context(), me, d.Token, "settlement")
		fails(t, err, tokenize.ServerFailed, "", envelope.ErrOpen)
	}
}

// Test merchants use twins, and nobody else does.
func TestTestMerchants(t *testing.T) {
	stores(t, func(t *testing.T, base *world) {
		w := withTwins(t, base.db)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		twin := w.open("Test" + r.Config().ID)
		shop, test := w.merchant(r, "SHOP1"), w.merchant(twin, "TESTSHOP1")
		for _, c := range []struct{ merchant, repository string }{
			{"TEST2", r.Config().ID}, {"SHOP2", twin.Config().ID}, {"Test2", twin.Config().ID}, {"test2", twin.Config().ID},
		} {
			e := fails(t, w.vault.AssignMerchant(t.Context(), c.merchant, c.repository), tokenize.RequestRejected, "merchant", nil)
			require.Equal(t, "TEST_MERCHANT", e.SupportCode)
		}
		q := req(t, visa)
		q.Caller = test
		d := w.save(twin, q)
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
		q.Caller = shop
		_, err = twin.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
		w.holds(twin, d.Token, visa) // the service itself

		// Not even if the store says so.
		require.NoError(t, w.db.Cards().AssignMerchant(t.Context(), "SHOP2", scopeID(t, twin)))
		q.Caller.Merchant = "SHOP2"
		_, err = twin.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
	})
}

// Without test keys there are no twins, not even those that are stored.
func TestTwinsNeedTestKeys(t *testing.T) {
	d := memory.New()
	w := withTwins(t, d)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	scope := w.open("Test" + r.Config().ID).Scope()
	other := w.repo(tokenize.UUID, tokenize.UniqueToken)
	w = newWorld(t, d, nil)
	for _, id := range []string{"Test" + r.Config().ID, "Test" + other.Config().ID} {
		_, err := w.vault.Repository(t.Context(), id)
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "repository", nil).Kind)
	}
	_, err := w.vault.RepositoryByScope(t.Context(), scope)
	require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "repository", nil).Kind)
	_, err = w.vault.Repository(t.Context(), "TestNONE")
	fails(t, err, tokenize.InvalidRequest, "repository", store.ErrNotFound)
	all, err := w.vault.Repositories(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3, "none was made")
}

// Keys that are not for tests, or that real cards lie under too, are refused.
func TestTestKeysRefused(t *testing.T) {
	d := memory.New()
	kek := keystest.NewKEK("k")
	inline, err := keys.Inline(t.Context(), [8]byte{1}, kek, &keys.Options{Environment: "test"})
	require.NoError(t, err)
	defer inline.Close()
	real, test := testKeys(t, d, kek, ""), testKeys(t, d, kek, "test")
	for name, c := range map[string]struct{ m, test *keys.Manager }{
		"production": {real, testKeys(t, d, kek, "production")}, "Test": {real, testKeys(t, d, kek, "Test")},
		"the same": {test, test}, "both test": {test, testKeys(t, d, kek, "test")}, "inline": {real, inline},
	} {
		v, err := tokenize.Open(t.Context(), d.Cards(), c.m, &tokenize.Options{TestKeys: c.test})
		fails(t, err, tokenize.InvalidRequest, "testKeys", nil)
		require.Nil(t, v, name)
	}
	_, err = tokenize.Open(t.Context(), d.Cards(), real, &tokenize.Options{TestKeys: test})
	require.NoError(t, err)
}

// Many ask for a twin for the first time at once, and one of them fails half way.
func TestTwinIsMadeOnce(t *testing.T) {
	stores(t, func(t *testing.T, base *world) {
		w := withTwins(t, base.db)
		id := w.repo(tokenize.UUID, tokenize.UniqueCard).Config().ID
		for _, answer := range []bool{false, true} { // not made, or made and the answer lost
			broken := func(op string, _ int) error {
				if op == "CreateRepository" {
					return store.ErrUnavailable
				}
				return nil
			}
			if answer {
				w.cards.set(nil, broken)
			} else {
				w.cards.set(broken, nil)
			}
			_, err := w.vault.Repository(t.Context(), "Test"+id)
			fails(t, err, tokenize.ServerBusy, "", store.ErrUnavailable)
			w.cards.set(nil, nil)
			if !answer {
				var scopes [16]string
				var wg sync.WaitGroup
				for i := range scopes {
					wg.Go(func() {
						if r, err := w.vault.Repository(t.Context(), "Test"+id); err == nil {
							scopes[i] = r.Scope()
						}
					})
				}
				wg.Wait()
				for _, s := range scopes {
					require.NotEmpty(t, s)
					require.Equal(t, scopes[0], s)
				}
				id = w.repo(tokenize.UUID, tokenize.UniqueToken).Config().ID
			}
		}
		require.NotNil(t, w.open("Test"+id))
	})
}

func TestRepositoryByScope(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		same, err := w.vault.RepositoryByScope(t.Context(), r.Scope())
		require.NoError(t, err)
		require.Equal(t, r.Config(), same.Config())
		var first *tokenize.Error
		for _, scope := range []string{
			"00000000-0000-4000-8000-000000000000", "", "?", r.Scope()[1:], r.Scope() + "0", strings.ReplaceAll(r.Scope(), "-", ""),
			"{" + r.Scope() + "}", canary, strings.Repeat("0", 1<<16),
		} {
			_, err := w.vault.RepositoryByScope(t.Context(), scope)
			e := fails(t, err, tokenize.InvalidRequest, "scope", store.ErrNotFound)
			if first == nil {
				first = e
			}
			require.Equal(t, first, e, "one answer for all")
		}
	})
}
