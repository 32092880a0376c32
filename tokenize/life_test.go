package tokenize_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// changes are the changes of a token's state, each of which changes an active one.
func changes(w *world, r *tokenize.Repository) map[string]func(c tokenize.Caller, token string, expect ...tokenize.ExpectVersion) error {
	return map[string]func(c tokenize.Caller, token string, expect ...tokenize.ExpectVersion) error{
		"suspend": func(c tokenize.Caller, token string, expect ...tokenize.ExpectVersion) error {
			_, err := r.Suspend(w.ctx, c, token, expect...)
			return err
		},
		"activate": func(c tokenize.Caller, token string, expect ...tokenize.ExpectVersion) error {
			_, err := r.Activate(w.ctx, c, token, expect...)
			return err
		},
		"set-valid": func(c tokenize.Caller, token string, expect ...tokenize.ExpectVersion) error {
			_, err := r.SetValid(w.ctx, c, token, false, expect...)
			return err
		},
		"delete": func(c tokenize.Caller, token string, expect ...tokenize.ExpectVersion) error {
			return r.Delete(w.ctx, c, token, expect...)
		},
	}
}

// start makes a token that a change has something to do with.
func (w *world) start(r *tokenize.Repository, change string) tokenize.Details {
	w.Helper()
	d := w.save(r, req(w, visa))
	if change == "activate" {
		var err error
		d, err = r.Suspend(w.ctx, me, d.Token)
		require.NoError(w, err)
	}
	return d
}

// A named version is the one that is changed, or nothing is.
func TestChangeOfAVersion(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		for name, change := range changes(w, r) {
			d := w.start(r, name)
			before := w.row(r, d.Token)
			for _, stale := range []tokenize.ExpectVersion{tokenize.ExpectVersion(d.Version - 1), tokenize.ExpectVersion(d.Version + 1), 1 << 63} {
				if stale == 0 {
					continue
				}
				e := fails(t, change(me, d.Token, stale), tokenize.RequestRejected, "token", tokenize.ErrConflict)
				require.Equal(t, "VERSION", e.SupportCode)
			}
			require.Equal(t, before, w.row(r, d.Token), name)
			require.NoError(t, change(me, d.Token, tokenize.ExpectVersion(d.Version)))
			require.Equal(t, d.Version+1, w.row(r, d.Token).Version)
			// The state is there, but not as of that version.
			fails(t, change(me, d.Token, tokenize.ExpectVersion(d.Version)), tokenize.RequestRejected, "token", tokenize.ErrConflict)
			require.NoError(t, change(me, d.Token, tokenize.ExpectVersion(d.Version+1)))
			require.NoError(t, change(me, d.Token, 0))
			require.Equal(t, d.Version+1, w.row(r, d.Token).Version, "%s wrote for nothing", name)
		}
	})
}

// What is recorded of a change, of one that found nothing to do and of one refused.
func TestChangeEvents(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	shop := w.merchant(r, "SHOP1")
	for name, change := range changes(w, r) {
		token := w.start(r, name).Token
		w.sink.take()
		require.NoError(t, change(shop, token))
		require.NoError(t, change(shop, token))
		require.Error(t, change(shop, token, 99))
		require.Error(t, change(shop, canary))
		nobody, odd := shop, shop
		nobody.Permissions = 0
		odd.Owner = "new\nline"
		fails(t, change(nobody, token), tokenize.RequestRejected, "caller", tokenize.ErrPermission)
		fails(t, change(odd, token), tokenize.InvalidRequest, "owner", nil)
		events := w.sink.take()
		for i, want := range []audit.Event{
			{Outcome: audit.Done, Merchant: "SHOP1", Owner: "clerk", Token: token},
			{Outcome: audit.Unchanged, Merchant: "SHOP1", Owner: "clerk", Token: token},
			{Outcome: audit.Refused, Merchant: "SHOP1", Owner: "clerk", Token: token, Field: "token"},
			{Outcome: audit.Refused, Merchant: "SHOP1", Owner: "clerk", Unknown: events[3].Unknown, Field: "token"},
			{Outcome: audit.Refused, Merchant: "SHOP1", Owner: "clerk", Field: "caller"},
			{Outcome: audit.Refused, Field: "owner"},
		} {
			want.Time, want.Action, want.Repository = events[i].Time, audit.Action(name), r.Config().ID
			require.Equal(t, want, events[i], "%s %d", name, i)
		}
		require.Len(t, events, 6)
		require.Regexp(t, `^[0-9a-f]{32}$`, events[3].Unknown)
	}
}

// Each change has its permission, and a fraud desk's is not that of an update.
func TestChangePermissions(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	for name, need := range map[string]tokenize.Permission{
		"suspend": tokenize.MaySuspend, "activate": tokenize.MaySuspend,
		"set-valid": tokenize.MayUpdate, "delete": tokenize.MayDelete,
	} {
		d := w.start(r, name)
		c := me
		c.Permissions &^= need
		fails(t, changes(w, r)[name](c, d.Token), tokenize.RequestRejected, "caller", tokenize.ErrPermission)
		require.Equal(t, d.Version, w.row(r, d.Token).Version)
		c.Permissions = need
		require.NoError(t, changes(w, r)[name](c, d.Token))
	}
}

// An update is not a save, whichever way it is asked for.
func TestUpdatePermission(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	c := me
	c.Permissions &^= tokenize.MayUpdate
	_, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: c, Token: d.Token, TokenExpiry: tokenize.Date{Year: 2020, Month: 1, Day: 1}})
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, err = r.Save(t.Context(), tokenize.SaveRequest{Caller: c, Token: d.Token})
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	q := req(t, visa)
	q.Caller, q.Clear = c, tokenize.ClearHolder
	_, err = r.Save(t.Context(), q)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	require.Equal(t, d.Version, w.row(r, d.Token).Version)
}

// A token of another repository is told as one that does not exist.
func TestChangeOfAnotherScope(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		one, two := w.repo(tokenize.UUID, tokenize.UniqueCard), w.repo(tokenize.UUID, tokenize.UniqueToken)
		d := w.save(one, req(t, visa))
		for _, change := range changes(w, two) {
			for _, token := range []string{d.Token, unknownToken(tokenize.UUID), "?", ""} {
				err := change(me, token)
				e := fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
				require.Equal(t, fails(t, change(me, unknownToken(tokenize.UUID)), tokenize.InvalidRequest, "token", nil), e)
			}
		}
		_, holder, err := two.GetWithHolder(t.Context(), me, d.Token)
		fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
		require.Empty(t, holder)
		require.Equal(t, uint64(1), w.row(one, d.Token).Version)
	})
}

// Somebody who writes in between is no reason to fail where no version was named.
func TestChangeIsTriedAgain(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		other := w.other(r)
		for name, change := range changes(w, r) {
			d := w.start(r, name)
			once := true
			between := func(op string, _ int) error {
				if op == "Write" && once {
					once = false
					_, err := other.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: card.Details{Expiry: card.Expiry{Month: 1, Year: 2031}}})
					return err
				}
				return nil
			}
			w.cards.set(between, nil)
			fails(t, change(me, d.Token, tokenize.ExpectVersion(d.Version)), tokenize.RequestRejected, "token", tokenize.ErrConflict)
			require.False(t, once)
			require.Equal(t, d.Version+1, w.row(r, d.Token).Version)
			once = true
			w.cards.set(between, nil)
			require.NoError(t, change(me, d.Token), name)
			w.cards.set(nil, nil)
			require.False(t, once)
		}
	})
}

// A store that fails, whose answer was lost, or that refuses the key.
func TestChangeFails(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	for name, change := range changes(w, r) {
		d := w.start(r, name)
		w.sink.take()
		for _, broken := range []string{"Get", "Write"} {
			w.cards.set(func(op string, _ int) error {
				if op == broken {
					return store.ErrUnavailable
				}
				return nil
			}, nil)
			fails(t, change(me, d.Token), tokenize.ServerBusy, "", store.ErrUnavailable)
			require.Equal(t, audit.Failed, w.sink.take()[0].Outcome)
		}
		w.cards.set(nil, func(op string, _ int) error {
			if op == "Write" {
				return store.ErrOutcomeUnknown
			}
			return nil
		})
		fails(t, change(me, d.Token), tokenize.ServerFailed, "", tokenize.ErrOutcomeUnknown)
		w.cards.set(nil, nil)
		require.NoError(t, change(me, d.Token), "it was done, and can be asked for again")
		require.Equal(t, d.Version+1, w.row(r, d.Token).Version)

		d = w.start(r, name)
		w.sink.fail(errors.New("disk full"))
		require.ErrorIs(t, change(me, d.Token), tokenize.ErrAudit)
		w.sink.fail(nil)
		require.Equal(t, d.Version+1, w.row(r, d.Token).Version, "it is done")
	}
	d := w.save(r, req(t, visa))
	key, _ := envelope.StoredKeyID(w.row(r, d.Token).Sealed[0].Record)
	require.NoError(t, w.db.Cards().CloseFence(t.Context(), key))
	_, err := r.Suspend(t.Context(), me, d.Token)
	require.Equal(t, "KEY_FENCED", fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled).SupportCode)
	require.NoError(t, r.Delete(t.Context(), me, d.Token))
}

// Many change a few tokens at once, each on the version it saw: every version has
// one successor, made by one of them, and what was deleted does not come back.
func TestChangesFromMany(t *testing.T) {
	const callers, tokens, rounds = 32, 4, 12
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		processes := []*tokenize.Repository{r, w.other(r)}
		var names [tokens]string
		for i := range names {
			names[i] = w.save(r, req(t, visa)).Token
		}
		type step struct {
			token   string
			version uint64
		}
		var mu sync.Mutex
		won := map[step]int{}
		try := func(r *tokenize.Repository, c, n int, token string, remove bool) error {
			d, err := r.Get(t.Context(), me, token)
			if err != nil {
				return err
			}
			seen := tokenize.ExpectVersion(d.Version)
			switch k := c*7 + n*3; {
			case remove:
				if err = r.Delete(t.Context(), me, token, seen); err == nil && d.Status != tokenize.Deleted {
					d.Version++
				}
			case k%4 == 0:
				d, err = r.Suspend(t.Context(), me, token, seen)
			case k%4 == 1:
				d, err = r.Activate(t.Context(), me, token, seen)
			case k%4 == 2:
				d, err = r.SetValid(t.Context(), me, token, k%8 == 2, seen)
			default:
				d, err = r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: token, ExpectVersion: uint64(seen),
					Card: card.Details{Expiry: card.Expiry{Month: 1 + c%12, Year: 2030 + n}}})
			}
			if err == nil && d.Version == uint64(seen)+1 {
				mu.Lock()
				won[step{token, d.Version}]++
				mu.Unlock()
			}
			return err
		}
		var errs [callers]error
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for n := range rounds {
					token, remove := names[(c+n)%tokens], c < tokens-1 && n == rounds/2
					if remove {
						token = names[c]
					}
					err := try(processes[c%2], c, n, token, remove)
					for remove && errors.Is(err, tokenize.ErrConflict) {
						err = try(processes[c%2], c, n, token, remove)
					}
					switch {
					case errors.Is(err, tokenize.ErrTokenDeleted):
						if got, _ := r.Get(t.Context(), me, token); got.Status != tokenize.Deleted {
							errs[c] = errors.New("a deleted token came back")
						}
					case err != nil && !errors.Is(err, tokenize.ErrConflict):
						errs[c] = err
					}
				}
			})
		}
		wg.Wait()
		for c := range errs {
			require.NoError(t, errs[c])
		}
		for i, token := range names {
			row := w.row(r, token)
			require.Equal(t, i < tokens-1, row.Status == store.Deleted)
			for v := uint64(2); v <= row.Version; v++ {
				require.Equal(t, 1, won[step{token, v}], "version %d of %d", v, row.Version)
				delete(won, step{token, v})
			}
		}
		require.Empty(t, won, "won, and not there")
	})
}

// Without a version everybody gets through.
func TestChangesWithoutVersionFromMany(t *testing.T) {
	w := newWorld(t, memory.New(), nil)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	token := w.save(r, req(t, visa)).Token
	var errs [32]error
	var wg sync.WaitGroup
	for c := range errs {
		wg.Go(func() {
			for n := range 8 {
				var err error
				switch (c + n) % 3 {
				case 0:
					_, err = r.Suspend(t.Context(), me, token)
				case 1:
					_, err = r.Activate(t.Context(), me, token)
				case 2:
					_, err = r.SetValid(t.Context(), me, token, n%2 == 0)
				}
				errs[c] = errors.Join(errs[c], err)
			}
		})
	}
	wg.Wait()
	for c := range errs {
		require.NoError(t, errs[c])
	}
	_, err := r.Activate(t.Context(), me, token)
	require.NoError(t, err)
	_, err = r.SetValid(t.Context(), me, token, true)
	require.NoError(t, err)
	w.holds(r, token, visa)
}
