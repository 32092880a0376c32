package tokenize_test

import (
	"errors"
	"flag"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/store"
)

var ff1Cards = flag.Int("ff1cards", 5_000, "how many cards TestFF1EndToEnd takes there and back")

func (w *world) ff1(change ...func(*tokenize.Config)) *tokenize.Repository {
	w.Helper()
	return w.repo(tokenize.FF1, tokenize.UniqueCard, change...)
}

// computes demands that the token's number is computed to be this one.
func (w *world) computes(r *tokenize.Repository, token, digits string) {
	w.Helper()
	pan, err := r.RevealVaultless(w.ctx, me, token, "settlement")
	require.NoError(w, err)
	require.Equal(w, digits, string(pan.AppendDigits(nil)))
}

func TestFF1Tokens(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.ff1()
		elsewhere := w.ff1(func(c *tokenize.Config) { c.ID = "OTHER" })
		var here, there []string
		for digits, first := range map[string]int{visa: 6, amex: 5, maestro: 6} {
			n := len(digits)
			q := req(t, digits)
			q.Card.Holder = "A HOLDER"
			d := w.save(r, q)
			require.Equal(t, tokenize.Created, d.Outcome)
			require.Len(t, d.Token, n)
			require.Equal(t, digits[:first], d.Token[:first])
			require.Equal(t, digits[n-4:], d.Token[n-4:])
			require.False(t, card.Luhn([]byte(d.Token)))
			require.False(t, d.Token == digits)

			again := w.save(r, req(t, digits))
			require.Equal(t, d.Token, again.Token)
			require.Equal(t, tokenize.Existing, again.Outcome)
			require.Equal(t, "A HOLDER", w.reveal(r, d.Token).Holder)
			w.holds(r, d.Token, digits)
			w.computes(r, d.Token, digits)
			here, there = append(here, d.Token), append(there, w.save(elsewhere, req(t, digits)).Token)

			q.Token = d.Token
			q.Card.Holder = "NEW NAME"
			require.Equal(t, tokenize.Updated, w.save(r, q).Outcome)
			q.Card.Number = number(t, visa2)
			_, err := r.Save(t.Context(), q)
			fails(t, err, tokenize.RequestRejected, card.FieldNumber, nil)
		}
		require.NotEqual(t, here, there) // one of them alone may be the same by chance, once in 900,000 times
		_, err := w.keys.Rotate(t.Context(), keys.FPE)
		require.NoError(t, err)
		w.reindex(r, tokenize.ReindexOptions{NewKey: true})
		token := w.save(r, req(t, visa)).Token
		w.computes(w.other(r), token, visa)
	})
}

// In a batch the tokens are those of single saves, known cards and the same card
// twice included.
func TestFF1Batch(t *testing.T) {
	w := inMemory(t)
	r := w.ff1()
	known := w.save(r, req(t, visa))
	bad := req(t, diners)
	res := w.batch(r, req(t, visa2), req(t, amex), bad, req(t, visa), req(t, visa2), req(t, maestro))
	for i, want := range []tokenize.SaveOutcome{1: tokenize.Created, 3: tokenize.Existing, 4: tokenize.Existing, 5: tokenize.Created, 0: tokenize.Created} {
		if i == 2 {
			fails(t, res[i].Err, tokenize.InvalidRequest, card.FieldNumber, generate.ErrSmallDomain)
			continue
		}
		require.Nil(t, res[i].Err)
		require.Equal(t, want, res[i].Details.Outcome)
	}
	require.Equal(t, known.Token, res[3].Details.Token)
	for i, digits := range []string{visa2, amex, "", visa, visa2, maestro} {
		if digits != "" {
			w.holds(r, res[i].Details.Token, digits)
			w.computes(r, res[i].Details.Token, digits)
		}
	}
}

func TestFF1Refuses(t *testing.T) {
	w := inMemory(t)
	_, err := w.vault.EnsureRepository(t.Context(), tokenize.Config{ID: "BAD", Generation: tokenize.FF1, Management: tokenize.UniqueToken})
	fails(t, err, tokenize.InvalidRequest, "management", nil)
	r := w.ff1(verifyNone)
	for digits, is := range map[string]error{
		visa13: generate.ErrSmallDomain, diners: generate.ErrSmallDomain,
		"6200000000000006": generate.ErrFailsLuhn,
	} {
		_, err := r.Save(t.Context(), req(t, digits))
		fails(t, err, tokenize.InvalidRequest, card.FieldNumber, is)
	}
	require.Empty(t, w.all(r))
}

// A card that was deleted stays deleted: its only token is never given out again.
func TestFF1Deleted(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.ff1()
		d := w.save(r, req(t, visa))
		require.NoError(t, r.Delete(t.Context(), me, d.Token))
		for _, key := range []string{"", "r7"} {
			q := req(t, visa)
			q.IdempotencyKey = key
			_, err := r.Save(t.Context(), q)
			fails(t, err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrTokenDeleted)
			res := w.batch(r, q, req(t, visa2))
			fails(t, res[0].Err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrTokenDeleted)
			require.Nil(t, res[1].Err)
		}
		_, err := r.RevealVaultless(t.Context(), me, d.Token, "settlement")
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
		_, err = r.Reveal(t.Context(), me, d.Token, "settlement")
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
	})
}

// unsaved is the token of a card that was not saved.
func (w *world) unsaved(r *tokenize.Repository, digits string) string {
	w.Helper()
	token, err := r.FF1Token(w.ctx, number(w, digits))
	require.NoError(w, err)
	return token
}

// Without a row the number is computed; a row has the last word.
func TestRevealVaultless(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.ff1()
		token := w.save(r, req(t, visa)).Token
		for name, change := range map[string]func(row *store.Row){
			"suspended": func(row *store.Row) { row.Status = store.Suspended },
			"expired":   func(row *store.Row) { row.Expires = time.Now().UnixMilli() },
			"not good":  func(row *store.Row) { row.Invalid = true },
		} {
			old := w.row(r, token)
			w.rewrite(r, token, change)
			_, err := r.RevealVaultless(t.Context(), me, token, "settlement")
			require.Error(t, err, name)
			fails(t, err, tokenize.RequestRejected, "token", nil)
			w.rewrite(r, token, func(row *store.Row) { row.Status, row.Expires, row.Invalid = old.Status, old.Expires, old.Invalid })
			w.computes(r, token, visa)
		}

		lost := w.unsaved(r, canary)
		_, err := r.Reveal(t.Context(), me, lost, "settlement")
		fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
		w.sink.take()
		w.computes(r, lost, canary)
		e := w.sink.take()
		require.Len(t, e, 1)
		require.Regexp(t, `^[0-9a-f]{32}$`, e[0].Unknown)
		e[0].Unknown = ""
		require.Equal(t, []audit.Event{{
			Action: audit.RevealVaultless, Outcome: audit.Done, Repository: r.Config().ID,
			Merchant: me.Merchant, Owner: me.Owner, Reason: "settlement",
		}}, untimed(e))

		out, err := r.RevealVaultlessBatch(t.Context(), me, []string{token, lost, visa, "x", ""}, "settlement")
		require.NoError(t, err)
		require.Nil(t, out[0].Err)
		require.Nil(t, out[1].Err)
		for _, o := range out[2:] {
			fails(t, o.Err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
		}
		events := w.sink.take()
		require.Len(t, events, 5)
		require.Equal(t, token, events[0].Token)
		require.Equal(t, []audit.Outcome{audit.Done, audit.Done, audit.Refused, audit.Refused, audit.Refused},
			[]audit.Outcome{events[0].Outcome, events[1].Outcome, events[2].Outcome, events[3].Outcome, events[4].Outcome})
		for _, e := range events[1:] {
			require.Empty(t, e.Token)
		}
		text := told(t, events[1:])
		noDigits(t, text)
		require.NotContains(t, text, lost, "a token that was not found")

		w.sink.fail(errors.New("full"))
		got, err := r.RevealVaultless(t.Context(), me, token, "settlement")
		fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
		require.True(t, got.IsZero())
	})
}

func TestRevealVaultlessIsRefused(t *testing.T) {
	w := inMemory(t)
	r, other := w.ff1(), w.repo(tokenize.UUID, tokenize.UniqueCard)
	token := w.save(r, req(t, visa)).Token
	w.sink.take()
	for name, c := range map[string]struct {
		r      *tokenize.Repository
		may    tokenize.Permission
		reason string
		cause  tokenize.Cause
		field  string
	}{
		"without MayReveal":    {r, tokenize.MayAll &^ tokenize.MayReveal, "x", tokenize.RequestRejected, "caller"},
		"without MayRevealFF1": {r, tokenize.MayAll &^ tokenize.MayRevealFF1, "x", tokenize.RequestRejected, "caller"},
		"without reason":       {r, tokenize.MayAll, "", tokenize.InvalidRequest, "reason"},
		"another strategy":     {other, tokenize.MayAll, "x", tokenize.InvalidRequest, "generation"},
	} {
		caller := me
		caller.Permissions = c.may
		got, err := c.r.RevealVaultless(t.Context(), caller, token, c.reason)
		require.Error(t, err, name)
		fails(t, err, c.cause, c.field, nil)
		require.True(t, got.IsZero())
		e := w.sink.take()
		require.Len(t, e, 1, name)
		require.Equal(t, audit.Refused, e[0].Outcome)
		require.Equal(t, c.field, e[0].Field)
	}
	caller := me
	caller.Permissions = tokenize.MayReveal
	_, err := r.Reveal(t.Context(), caller, token, "x")
	require.NoError(t, err, "what was saved needs MayReveal alone")
}

// Many cards there and back; and of made-up tokens one in nine opens.
func TestFF1EndToEnd(t *testing.T) {
	w := inMemory(t)
	r := w.ff1()
	const step = 5_000
	seen := make(map[string]bool, *ff1Cards)
	made, opened := 0, 0
	for from := 0; from < *ff1Cards; from += step {
		n := min(step, *ff1Cards-from)
		reqs := make([]tokenize.SaveRequest, n)
		for i := range reqs {
			reqs[i] = tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, from+i)}}
		}
		tokens, guesses := make([]string, n), make([]string, n)
		for i, res := range w.batch(r, reqs...) {
			require.Nil(t, res.Err)
			digits := reqs[i].Card.Number.AppendDigits(nil)
			token := res.Details.Token
			if len(token) != 16 || card.Luhn([]byte(token)) || token == string(digits) ||
				token[:6] != string(digits[:6]) || token[12:] != string(digits[12:]) || seen[token] {
				require.Fail(t, "a token that must not be")
			}
			seen[token], tokens[i] = true, token
			// Another middle that fails Luhn.
			space, err := generate.Space64Of(digits)
			require.NoError(t, err)
			guesses[i] = string(space.AppendToken(nil, space.Draw()))
		}
		back, err := r.RevealVaultlessBatch(t.Context(), me, tokens, "settlement")
		require.NoError(t, err)
		kept, err := r.RevealBatch(t.Context(), me, tokens, "settlement")
		require.NoError(t, err)
		for i := range back {
			want := reqs[i].Card.Number
			if back[i].Err != nil || !back[i].Card.Number.Equal(want) || kept[i].Err != nil || !kept[i].Card.Number.Equal(want) {
				require.Fail(t, "a token of another card")
			}
		}
		out, err := r.RevealVaultlessBatch(t.Context(), me, guesses, "settlement")
		require.NoError(t, err)
		for i := range out {
			if made++; out[i].Err == nil {
				opened++
			}
		}
	}
	t.Logf("of %d made-up tokens %d opened: one in %.3f", made, opened, float64(made)/float64(opened))
	// Within six standard deviations of a binomial with 1/9, here over-estimated.
	dev := 6 * 0.32 * math.Sqrt(float64(made))
	require.InDelta(t, float64(made)/9, opened, dev)
}

// One card saved by many at once has one token, which all of them get.
func TestFF1Concurrently(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.ff1()
		var tokens [12]string
		var wg sync.WaitGroup
		for i := range tokens {
			o := w.other(r)
			wg.Go(func() {
				d, err := o.Save(t.Context(), req(t, visa))
				if err == nil {
					tokens[i] = d.Token
				}
			})
		}
		wg.Wait()
		for _, token := range tokens {
			require.NotEmpty(t, token)
			require.Equal(t, tokens[0], token)
		}
		require.Len(t, w.all(r), 1)
		w.computes(r, tokens[0], visa)
	})
}
