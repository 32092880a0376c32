package tokenize_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Known answers, which no later version changes.
func TestAnalyticsVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/analytics.json")
	require.NoError(t, err)
	var vectors []struct{ Key, Number, Token string }
	require.NoError(t, json.Unmarshal(raw, &vectors))
	require.Len(t, vectors, 5)
	for _, v := range vectors {
		key, err := hex.DecodeString(v.Key)
		require.NoError(t, err)
		got, err := tokenize.AnalyticsUnder(key, number(t, v.Number))
		require.NoError(t, err)
		require.Equal(t, v.Token, got)
	}
}

func ask(t testing.TB, digits string, types tokenize.TokenType) tokenize.SaveRequest {
	q := req(t, digits)
	q.Types = types
	return q
}

// analyze asks for an analytics token alone.
func (w *world) analyze(r *tokenize.Repository, digits string) string {
	w.Helper()
	token := w.save(r, ask(w, digits, tokenize.Analytics)).Analytics
	require.Regexp(w, `^ana-[a-z2-7]{32}$`, token)
	return token
}

// The same for the same card in a repository, whichever way it is asked for and
// whatever is rotated, and unrelated elsewhere.
func TestAnalyticsTokens(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, m := range managements {
			r := w.repo(tokenize.UUID, m)
			want := w.analyze(r, visa)
			require.NotEqual(t, want, w.analyze(r, visa2))
			for range 2 {
				d := w.save(r, ask(t, visa, tokenize.ReuseAndAnalytics))
				require.Equal(t, want, d.Analytics)
				require.NotEmpty(t, d.Token)
				got, err := r.Get(t.Context(), me, d.Token)
				require.NoError(t, err)
				require.Equal(t, want, got.Analytics)
				w.holds(r, d.Token, visa)
			}
			plain := w.save(r, ask(t, master, tokenize.Reuse))
			require.Empty(t, plain.Analytics)
			require.Empty(t, w.row(r, plain.Token).Analytics)

			elsewhere := w.repo(tokenize.UUID, m, func(c *tokenize.Config) { c.ID = "OTHER-" + m.String() })
			require.NotEqual(t, want, w.analyze(elsewhere, visa))

			_, err := w.keys.Rotate(t.Context(), keys.Analytics)
			require.NoError(t, err)
			w.reindex(r, tokenize.ReindexOptions{NewKey: true})
			require.Equal(t, want, w.analyze(r, visa))
			require.Equal(t, want, w.analyze(w.other(r), visa), "another process")
		}
	})
}

// Alone it stores nothing, whatever else the request holds.
func TestAnalyticsAloneStoresNothing(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range append(slices.Clone(generations), tokenize.FF1) {
			r := w.repo(g, tokenize.UniqueCard)
			w.sink.take()
			w.cards.set(nil, nil)
			q := ask(t, canary, tokenize.Analytics)
			q.IdempotencyKey, q.CorrelationID = "once", "c-1"
			q.Card.Holder, q.Card.Expiry = "A HOLDER", card.Expiry{Month: 12, Year: 2031}
			d := w.save(r, q)
			require.Equal(t, tokenize.Details{
				Repository: r.Config().ID, Analytics: d.Analytics, Outcome: tokenize.Computed,
				Verified: tokenize.BasicSuccessful, CorrelationID: "c-1",
			}, d)
			require.NotContains(t, w.cards.made(), "Write")
			require.Empty(t, w.all(r))
			require.Equal(t, []audit.Event{{
				Action: audit.Save, Outcome: audit.Done, Repository: r.Config().ID,
				Merchant: me.Merchant, Owner: me.Owner, Correlation: "c-1",
			}}, untimed(w.sink.take()))
			// Short numbers, which PRESERVE_6_4 and FF1 have no token for, have this one.
			w.analyze(r, visa13)
			// In a batch, beside saves.
			both := ask(t, canary, tokenize.ReuseAndAnalytics)
			if g == tokenize.MerchantProvided {
				both.Token = "mine"
			}
			res := w.batch(r, q, both, ask(t, "4111111111111112", tokenize.Analytics), q)
			require.Equal(t, d, res[0].Details)
			require.Equal(t, d, res[3].Details)
			require.Equal(t, d.Analytics, res[1].Details.Analytics)
			require.Equal(t, tokenize.Created, res[1].Details.Outcome)
			fails(t, res[2].Err, tokenize.InvalidRequest, card.FieldNumber, nil)
			require.Len(t, w.all(r), 1)
		}
	})
}

func untimed(events []audit.Event) []audit.Event {
	for i := range events {
		events[i].Time = time.Time{}
	}
	return events
}

// It follows the number, is added when asked for later, and goes with the card.
func TestAnalyticsOfAnUpdate(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	again := w.save(r, ask(t, visa, tokenize.ReuseAndAnalytics))
	require.Equal(t, d.Token, again.Token)
	require.Equal(t, tokenize.Updated, again.Outcome)
	require.Equal(t, w.analyze(r, visa), again.Analytics)
	require.Equal(t, tokenize.Existing, w.save(r, ask(t, visa, tokenize.ReuseAndAnalytics)).Outcome)

	changed, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: card.Details{Number: number(t, visa2)}})
	require.NoError(t, err)
	require.Equal(t, w.analyze(r, visa2), changed.Analytics)
	require.Equal(t, changed.Analytics, w.row(r, d.Token).Analytics)

	require.NoError(t, r.Delete(t.Context(), me, d.Token))
	require.Empty(t, w.row(r, d.Token).Analytics)
	gone, err := r.Get(t.Context(), me, d.Token)
	require.NoError(t, err)
	require.Empty(t, gone.Analytics)
}

func TestAnalyticsRefused(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	token := w.save(r, req(t, visa)).Token
	for name, c := range map[string]struct {
		change func(*tokenize.SaveRequest)
		field  string
	}{
		"unknown type":       {func(q *tokenize.SaveRequest) { q.Types = 4 }, "types"},
		"a token":            {func(q *tokenize.SaveRequest) { q.Token = token }, "token"},
		"a version":          {func(q *tokenize.SaveRequest) { q.ExpectVersion = 1 }, "token"},
		"to create":          {func(q *tokenize.SaveRequest) { q.CreateOnly = true }, "token"},
		"no number":          {func(q *tokenize.SaveRequest) { q.Card.Number = card.PAN{} }, card.FieldNumber},
		"no number for both": {func(q *tokenize.SaveRequest) { q.Types, q.Token, q.Card.Number = 3, token, card.PAN{} }, card.FieldNumber},
		"a bad number":       {func(q *tokenize.SaveRequest) { q.Card.Number = number(t, "4111111111111112") }, card.FieldNumber},
		"no permission":      {func(q *tokenize.SaveRequest) { q.Caller.Permissions = tokenize.MayRead }, "caller"},
	} {
		q := ask(t, visa, tokenize.Analytics)
		c.change(&q)
		d, err := r.Save(t.Context(), q)
		var e *tokenize.Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, c.field, e.Field, name)
		require.Empty(t, d.Analytics)
	}
	// Another type under the same idempotency key is another request.
	q := req(t, visa2)
	q.IdempotencyKey = "r1"
	w.save(r, q)
	q.Types = tokenize.Reuse
	require.Equal(t, tokenize.Replayed, w.save(r, q).Outcome, "the default, spelled out")
	q.Types = tokenize.ReuseAndAnalytics
	_, err := r.Save(t.Context(), q)
	fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
}

func TestTokenTypeNames(t *testing.T) {
	for ty, name := range map[tokenize.TokenType]string{
		tokenize.Reuse: "REUSE", tokenize.Analytics: "ANALYTICS", tokenize.ReuseAndAnalytics: "REUSE_AND_ANALYTICS",
	} {
		text, err := ty.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(text))
		var back tokenize.TokenType
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, ty, back)
	}
	var ty tokenize.TokenType
	fails(t, ty.UnmarshalText([]byte("reuse")), tokenize.InvalidRequest, "types", nil)
}

// Many at once, of many processes, agree before the key was ever used.
func TestAnalyticsConcurrently(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		var got [12]string
		var wg sync.WaitGroup
		for i := range got {
			o := w.other(r)
			wg.Go(func() {
				d, err := o.Save(t.Context(), ask(t, visa, tokenize.ReuseAndAnalytics-tokenize.TokenType(i%2)))
				if err == nil {
					got[i] = d.Analytics
				}
			})
		}
		wg.Wait()
		for i := range got {
			require.NotEmpty(t, got[i])
			require.Equal(t, got[0], got[i])
		}
	})
}

// A pinned key that was disabled is not gone on with, and no other takes its place.
func TestDisabledPin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inMemory(t)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		want := w.analyze(r, visa)
		id, err := r.Pinned(t.Context(), keys.Analytics)
		require.NoError(t, err)
		pins, err := tokenize.ParsePinnedKeys(w.stored(r).State)
		require.NoError(t, err)
		require.Equal(t, map[keys.Purpose]keys.KeyID{keys.Analytics: id}, pins)
		_, err = w.keys.Rotate(t.Context(), keys.Analytics)
		require.NoError(t, err)
		w.setKeyState(keys.Analytics, id, keys.Disabled)
		time.Sleep(24 * time.Hour)
		_, err = r.Save(t.Context(), ask(t, visa, tokenize.Analytics))
		fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled)
		_, err = r.Save(t.Context(), ask(t, visa, tokenize.ReuseAndAnalytics))
		fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled)
		require.Empty(t, w.all(r))
		w.setKeyState(keys.Analytics, id, keys.Retired)
		time.Sleep(24 * time.Hour)
		require.Equal(t, want, w.analyze(r, visa))
	})
}

// setKeyState changes a data key's state behind the manager's back.
func (w *world) setKeyState(p keys.Purpose, id keys.KeyID, state keys.State) {
	w.Helper()
	ring := keys.RingID{Environment: w.keys.Environment(), Purpose: p}
	all, version, err := w.db.Keys().List(w.ctx, ring)
	require.NoError(w, err)
	for _, k := range all {
		if k.ID == id {
			k.State = state
			require.NoError(w, w.db.Keys().CompareAndSwap(w.ctx, ring, version, []keys.Record{k}))
			return
		}
	}
	require.Fail(w, "no such key")
}
