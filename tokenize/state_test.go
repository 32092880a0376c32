package tokenize_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// states are all that a token can be in, by what keeps it from serving.
func states() (all [][]string) {
	for n := range 8 {
		var in []string
		for i, name := range []string{"EXPIRED", "SUSPENDED", "INVALID"} {
			if n>>i&1 != 0 {
				in = append(in, name)
			}
		}
		all = append(all, in)
	}
	return append(all, []string{"DELETED"})
}

var refusals = map[string]error{
	"DELETED": tokenize.ErrTokenDeleted, "EXPIRED": tokenize.ErrTokenExpired,
	"SUSPENDED": tokenize.ErrTokenSuspended, "INVALID": tokenize.ErrTokenInvalid,
}

// inState makes a token that is in a state.
func (w *world) inState(r *tokenize.Repository, in []string) string {
	w.Helper()
	q := req(w, visa)
	q.Card.Holder = "HOLDER"
	token := w.save(r, q).Token
	for _, name := range in {
		var err error
		switch name {
		case "EXPIRED":
			_, err = r.Update(w.ctx, tokenize.UpdateRequest{Caller: me, Token: token, TokenExpiry: tokenize.Date{Year: 2020, Month: 1, Day: 31}})
		case "SUSPENDED":
			_, err = r.Suspend(w.ctx, me, token)
		case "INVALID":
			_, err = r.SetValid(w.ctx, me, token, false)
		case "DELETED":
			err = r.Delete(w.ctx, me, token)
		}
		require.NoError(w, err)
	}
	return token
}

// Every operation on a token in every state: which are refused, and for what.
func TestStates(t *testing.T) {
	type call func(w *world, r *tokenize.Repository, token string) error
	details := func(f func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error)) call {
		return func(w *world, r *tokenize.Repository, token string) error { _, err := f(r, w, token); return err }
	}
	change := card.Details{Expiry: card.Expiry{Month: 1, Year: 2040}}
	for name, op := range map[string]struct {
		refused string // in the order in which they are told
		call    call
	}{
		"Get": {"", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.Get(w.ctx, me, token)
		})},
		"GetWithHolder": {"", func(w *world, r *tokenize.Repository, token string) error {
			d, holder, err := r.GetWithHolder(w.ctx, me, token)
			if shown := d.Status != tokenize.Deleted && !d.TokenExpiry.Over(time.Now()); shown != (holder == "HOLDER") {
				return fmt.Errorf("shown is %v", shown)
			}
			return err
		}},
		"Reveal": {"DELETED EXPIRED SUSPENDED INVALID", func(w *world, r *tokenize.Repository, token string) error {
			full, err := r.Reveal(w.ctx, me, token, "settlement")
			require.Equal(w, err != nil, full.Number.IsZero())
			return err
		}},
		"Update": {"DELETED", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.Update(w.ctx, tokenize.UpdateRequest{Caller: me, Token: token, Card: change})
		})},
		"Save": {"DELETED", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.Save(w.ctx, tokenize.SaveRequest{Caller: me, Token: token, Card: change})
		})},
		"refresh": {"DELETED", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.Save(w.ctx, tokenize.SaveRequest{Caller: me, Token: token})
		})},
		"Suspend": {"DELETED", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.Suspend(w.ctx, me, token)
		})},
		"Activate": {"DELETED", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.Activate(w.ctx, me, token)
		})},
		"SetValid true": {"DELETED", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.SetValid(w.ctx, me, token, true)
		})},
		"SetValid false": {"DELETED", details(func(r *tokenize.Repository, w *world, token string) (tokenize.Details, error) {
			return r.SetValid(w.ctx, me, token, false)
		})},
		"Delete": {"", func(w *world, r *tokenize.Repository, token string) error { return r.Delete(w.ctx, me, token) }},
	} {
		t.Run(name, func(t *testing.T) {
			stores(t, func(t *testing.T, w *world) {
				r := w.repo(tokenize.UUID, tokenize.UniqueToken)
				for _, in := range states() {
					token := w.inState(r, in)
					before := w.row(r, token)
					err := op.call(w, r, token)
					want := ""
					for _, s := range strings.Fields(op.refused) {
						if want == "" && strings.Contains(strings.Join(in, " "), s) {
							want = s
						}
					}
					if want == "" {
						require.NoError(t, err, "%v", in)
						continue
					}
					e := fails(t, err, tokenize.RequestRejected, "token", refusals[want])
					require.Equal(t, want, e.SupportCode, "%v", in)
					require.Equal(t, before, w.row(r, token), "%v: a refused call wrote", in)
				}
			})
		})
	}
}

// What each change makes of each state; another state is never touched on the way.
func TestStateChanges(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		for name, op := range map[string]struct {
			call  func(token string) (tokenize.Details, error)
			apply func(row *store.Row)
		}{
			"Suspend":  {func(s string) (tokenize.Details, error) { return r.Suspend(t.Context(), me, s) }, func(row *store.Row) { row.Status = store.Suspended }},
			"Activate": {func(s string) (tokenize.Details, error) { return r.Activate(t.Context(), me, s) }, func(row *store.Row) { row.Status = store.Active }},
			"valid":    {func(s string) (tokenize.Details, error) { return r.SetValid(t.Context(), me, s, true) }, func(row *store.Row) { row.Invalid = false }},
			"invalid":  {func(s string) (tokenize.Details, error) { return r.SetValid(t.Context(), me, s, false) }, func(row *store.Row) { row.Invalid = true }},
		} {
			for _, in := range states()[:8] {
				token := w.inState(r, in)
				want := w.row(r, token)
				before := want
				op.apply(&want)
				changed := want.Status != before.Status || want.Invalid != before.Invalid
				w.cards.set(nil, nil)
				d, err := op.call(token)
				require.NoError(t, err, name)
				got := w.row(r, token)
				if !changed {
					require.Equal(t, before, got, "%s of %v wrote", name, in)
					require.Equal(t, []string{"Get"}, w.cards.made())
					continue
				}
				want.Version++
				want.Updated, want.UpdatedBy = got.Updated, "clerk"
				require.Equal(t, want, got, "%s of %v", name, in)
				require.Equal(t, got.Version, d.Version)
				require.Equal(t, tokenize.Status(got.Status), d.Status)
				require.Equal(t, !got.Invalid, d.Valid)
			}
		}
	})
}
