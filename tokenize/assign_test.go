package tokenize_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// calls are all calls that a caller makes of a repository, with a token of it.
func calls(w *world, r *tokenize.Repository, c tokenize.Caller, token string) map[string]func() error {
	all := map[string]func() error{
		"Save": func() error { _, err := r.Save(w.ctx, tokenize.SaveRequest{Caller: c, Token: token}); return err },
		"SaveBatch": func() error {
			res, err := r.SaveBatch(w.ctx, []tokenize.SaveRequest{{Caller: c, Token: token}})
			if err == nil && res[0].Err != nil {
				return res[0].Err
			}
			return err
		},
		"Update":        func() error { _, err := r.Update(w.ctx, tokenize.UpdateRequest{Caller: c, Token: token}); return err },
		"Get":           func() error { _, err := r.Get(w.ctx, c, token); return err },
		"GetWithHolder": func() error { _, _, err := r.GetWithHolder(w.ctx, c, token); return err },
		"Reveal":        func() error { _, err := r.Reveal(w.ctx, c, token, "settlement"); return err },
		"RevealBatch":   func() error { _, err := r.RevealBatch(w.ctx, c, []string{token}, "settlement"); return err },
		"Each":          func() error { return r.Each(w.ctx, c, "", func(tokenize.Details) bool { return true }) },
		"Admit":         func() error { return r.Admit(w.ctx, c, tokenize.MaySave) },
		"JobOf":         func() error { _, err := r.JobOf(w.ctx, c, "job", strings.NewReader("")); return err },
		"LastStep":      func() error { _, _, err := r.LastStep(w.ctx, c, tokenize.Job{}); return err },
		"EndJob":        func() error { return r.EndJob(w.ctx, c, tokenize.Job{}) },
	}
	for name, change := range changes(w, r) {
		all[name] = func() error { return change(c, token) }
	}
	all["delete"] = func() error { return r.Delete(w.ctx, c, w.save(r, req(w, amex)).Token) }
	return all
}

// A merchant uses the repository that it belongs to and no other; one that belongs
// nowhere uses none.
func TestMerchantBelongs(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		one, two := w.repo(tokenize.UUID, tokenize.UniqueCard), w.repo(tokenize.UUID, tokenize.UniqueToken)
		shop, also := w.merchant(one, "SHOP1"), w.merchant(one, "SHOP2")
		nowhere := me
		nowhere.Merchant = "SHOP3"
		token := w.save(one, req(t, visa)).Token
		other := w.save(two, req(t, visa)).Token
		for _, c := range []tokenize.Caller{shop, also, me} {
			for name, call := range calls(w, one, c, token) {
				require.NoError(t, call(), name)
				_, err := one.Activate(t.Context(), me, token)
				require.NoError(t, err)
				_, err = one.SetValid(t.Context(), me, token, true)
				require.NoError(t, err)
			}
		}
		for _, c := range []tokenize.Caller{shop, also, nowhere} {
			before := w.row(two, other)
			for name, call := range calls(w, two, c, other) {
				e := fails(t, call(), tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
				require.Equal(t, "MERCHANT", e.SupportCode, name)
			}
			require.Equal(t, before.Sealed, w.row(two, other).Sealed)
		}
		// A batch of several callers: only who does not belong is refused.
		qs := []tokenize.SaveRequest{req(t, amex), req(t, master), req(t, diners)}
		qs[0].Caller, qs[1].Caller, qs[2].Caller = nowhere, shop, me
		res := w.batch(one, qs...)
		fails(t, res[0].Err, tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
		require.Nil(t, res[1].Err)
		require.Nil(t, res[2].Err)

		got, err := w.vault.MerchantRepository(t.Context(), "SHOP1")
		require.NoError(t, err)
		require.Equal(t, one.Config(), got.Config())
		for _, id := range []string{"SHOP3", "", "two words", strings.Repeat("x", 41)} {
			_, err = w.vault.MerchantRepository(t.Context(), id)
			fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
		}
	})
}

func TestAssignRefused(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		for _, id := range []string{"", "two words", strings.Repeat("x", 41), "a\n", "kundé"} {
			fails(t, w.vault.AssignMerchant(t.Context(), id, r.Config().ID), tokenize.InvalidRequest, "merchant", nil)
		}
		for _, id := range []string{"", "NONE", "Test", "TestNONE", strings.Repeat("x", 300)} {
			fails(t, w.vault.AssignMerchant(t.Context(), "SHOP1", id), tokenize.InvalidRequest, "repository", store.ErrNotFound)
		}
		e := fails(t, w.vault.AssignMerchant(t.Context(), "TEST1", r.Config().ID), tokenize.RequestRejected, "merchant", nil)
		require.Equal(t, "TEST_MERCHANT", e.SupportCode)
		for _, id := range []string{"SHOP1", "TEST1"} {
			_, err := w.vault.MerchantRepository(t.Context(), id)
			fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
		}
		w.merchant(r, strings.Repeat("x", 40))
	})
}

// Each assignment is an event, and one that is there already changes nothing.
func TestAssignEvents(t *testing.T) {
	w := inMemory(t)
	one, two := w.repo(tokenize.UUID, tokenize.UniqueCard), w.repo(tokenize.UUID, tokenize.UniqueToken)
	w.sink.take()
	w.cards.set(nil, nil)
	w.merchant(one, "SHOP1")
	w.merchant(one, "SHOP1")
	require.Error(t, w.vault.AssignMerchant(t.Context(), "TEST1", one.Config().ID))
	w.merchant(two, "SHOP1")
	n := 0
	for _, op := range w.cards.made() {
		if op == "AssignMerchant" {
			n++
		}
	}
	require.Equal(t, 2, n)
	events := w.sink.take()
	for i, want := range []audit.Event{
		{Outcome: audit.Done, Repository: one.Config().ID, Merchant: "SHOP1"},
		{Outcome: audit.Unchanged, Repository: one.Config().ID, Merchant: "SHOP1"},
		{Outcome: audit.Refused, Repository: one.Config().ID, Merchant: "TEST1", Field: "merchant"},
		{Outcome: audit.Done, Repository: two.Config().ID, Merchant: "SHOP1"},
	} {
		want.Time, want.Action = events[i].Time, audit.Assign
		require.Equal(t, want, events[i])
	}
	require.Len(t, events, 4)
	for _, broken := range []string{"MerchantScope", "AssignMerchant"} {
		w.cards.set(func(op string, _ int) error {
			if op == broken {
				return store.ErrUnavailable
			}
			return nil
		}, nil)
		fails(t, w.vault.AssignMerchant(t.Context(), "SHOP1", one.Config().ID), tokenize.ServerBusy, "", store.ErrUnavailable)
	}
	w.cards.set(nil, nil)
	w.sink.fail(store.ErrUnavailable)
	require.ErrorIs(t, w.vault.AssignMerchant(t.Context(), "SHOP1", one.Config().ID), tokenize.ErrAudit)
}

// The store is asked once a minute, and a merchant that moved is refused where it
// was by then at the latest; in the process that moved it, at once.
func TestMerchantMoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		one, two := w.repo(tokenize.UUID, tokenize.UniqueCard), w.repo(tokenize.UUID, tokenize.UniqueToken)
		far := w.other(one)
		shop, also := w.merchant(one, "SHOP1"), w.merchant(one, "SHOP2")
		d := w.save(one, req(t, visa))
		get := func(r *tokenize.Repository, c tokenize.Caller) error {
			_, err := r.Get(t.Context(), c, d.Token)
			return err
		}
		asked := func() (n int) {
			for _, op := range w.cards.made() {
				if op == "MerchantScope" {
					n++
				}
			}
			return n
		}
		w.cards.set(nil, nil)
		for range 10 {
			require.NoError(t, get(one, shop))
			require.NoError(t, get(one, also))
		}
		require.Equal(t, 2, asked())
		time.Sleep(tokenize.MerchantCache - time.Millisecond)
		require.NoError(t, get(one, shop))
		require.Equal(t, 2, asked())
		time.Sleep(time.Millisecond)
		require.NoError(t, get(one, shop))
		require.Equal(t, 3, asked())

		require.NoError(t, get(far, shop))
		w.merchant(two, "SHOP1")
		fails(t, get(one, shop), tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
		require.ErrorIs(t, get(two, shop), tokenize.ErrTokenNotFound)
		require.NoError(t, get(far, shop), "remembered")
		time.Sleep(tokenize.MerchantCache)
		fails(t, get(far, shop), tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)

		// A refusal is not remembered.
		w.merchant(one, "SHOP1")
		require.NoError(t, get(far, shop))

		// Nor is a failure: it ends a call, of many requests too, and nothing is written.
		time.Sleep(tokenize.MerchantCache)
		w.cards.set(func(op string, _ int) error {
			if op == "MerchantScope" {
				return store.ErrUnavailable
			}
			return nil
		}, nil)
		q := req(t, amex)
		q.Caller = shop
		_, err := one.Save(t.Context(), q)
		fails(t, err, tokenize.ServerBusy, "", store.ErrUnavailable)
		_, err = one.SaveBatch(t.Context(), []tokenize.SaveRequest{req(t, amex), q, q})
		fails(t, err, tokenize.ServerBusy, "", store.ErrUnavailable)
		require.Equal(t, 2, asked())
		w.cards.set(nil, nil)
		require.Len(t, w.all(one), 1)
	})
}

// Many merchants at once, some of whom are moved about: nobody is served where he
// never was.
func TestMerchantsAtOnce(t *testing.T) {
	w := inMemory(t)
	one, two := w.repo(tokenize.UUID, tokenize.UniqueCard), w.repo(tokenize.UUID, tokenize.UniqueToken)
	d := w.save(one, req(t, visa))
	var errs [16]error
	var wg sync.WaitGroup
	for i := range errs {
		c := w.merchant([]*tokenize.Repository{one, two}[i%2], fmt.Sprintf("SHOP%d", i))
		wg.Go(func() {
			for range 200 {
				_, err := one.Get(t.Context(), c, d.Token)
				if i%4 == 0 {
					_ = w.vault.AssignMerchant(t.Context(), c.Merchant, one.Config().ID)
				}
				if (err == nil) != (i%2 == 0) {
					errs[i] = fmt.Errorf("merchant %d: %w", i, err)
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, slices.DeleteFunc(errs[:], func(err error) bool { return err == nil }))
}
