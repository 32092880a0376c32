package tokenize_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

func TestPreserveRefuses(t *testing.T) {
	w := inMemory(t)
	for _, m := range managements {
		r := w.repo(tokenize.Preserve64, m, verifyNone)
		for digits, is := range map[string]error{
			visa13:             generate.ErrTooShort,
			"6200000000000006": generate.ErrFailsLuhn, // UnionPay lets it
		} {
			q := req(t, digits)
			q.CorrelationID = "c-1"
			_, err := r.Save(t.Context(), q)
			e := fails(t, err, tokenize.InvalidRequest, card.FieldNumber, is)
			require.Equal(t, "c-1", e.CorrelationID)
		}
		require.Empty(t, w.all(r))
	}
}

// fill takes every token of a 14-digit card but the last n.
func fill(w *world, r *tokenize.Repository, leave int) map[string]bool {
	w.Helper()
	qs := slices.Repeat([]tokenize.SaveRequest{req(w, diners)}, 9000-leave)
	seen := map[string]bool{}
	for chunk := range slices.Chunk(qs, 3000) {
		for _, res := range w.batch(r, chunk...) {
			require.Nil(w, res.Err)
			token := res.Details.Token
			require.Len(w, token, 14)
			require.Equal(w, "360066", token[:6])
			require.Equal(w, "3344", token[10:])
			require.False(w, card.Luhn([]byte(token)))
			require.False(w, seen[token], "a token was given out twice")
			seen[token] = true
		}
	}
	return seen
}

// All 9,000 tokens of a 14-digit card are given out, each once, and then no more.
func TestPreserveExhausted(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.Preserve64, tokenize.UniqueToken)
	w.cards.set(nil, nil)
	seen := fill(w, r, 2)
	require.Contains(t, w.cards.made(), "Ordered", "crowded: probes gave way to a scan")

	// A tombstone keeps its place: it is no token that could be drawn again.
	var gone string
	for gone = range seen {
		break
	}
	require.NoError(t, r.Delete(t.Context(), me, gone))

	w.cards.set(nil, nil)
	last := req(t, diners)
	last.IdempotencyKey = "the last"
	for _, q := range []tokenize.SaveRequest{req(t, diners), last} {
		d := w.save(r, q)
		require.False(t, seen[d.Token])
		seen[d.Token] = true
		last.Token = d.Token
	}
	probes := 0
	for _, op := range w.cards.made() {
		if op == "Get" {
			probes++
		}
	}
	require.LessOrEqual(t, probes, 2*generate.MaxProbes, "probes are bounded")
	require.Len(t, seen, 9000)

	_, err := r.Save(t.Context(), req(t, diners))
	e := fails(t, err, tokenize.RequestRejected, "", tokenize.ErrExhausted)
	require.Equal(t, "EXHAUSTED", e.SupportCode)
	res := w.batch(r, req(t, diners), req(t, visa))
	require.ErrorIs(t, res[0].Err, tokenize.ErrExhausted)
	require.Nil(t, res[1].Err, "another card has room")

	// The call that took the last one can be repeated all the same.
	again := req(t, diners)
	again.IdempotencyKey = "the last"
	d := w.save(r, again)
	require.Equal(t, last.Token, d.Token)
	require.Equal(t, tokenize.Replayed, d.Outcome)
}

// In a crowded UNIQUE_CARD space a card that is there keeps its token.
func TestPreserveExhaustedUniqueCard(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.Preserve64, tokenize.UniqueCard)
	// Card after card with the same six and four digits, each deleted again: the
	// tombstones fill the space.
	d := w.save(r, req(t, diners))
	for range 8999 {
		require.NoError(t, r.Delete(t.Context(), me, d.Token))
		d = w.save(r, req(t, diners))
	}
	require.Equal(t, d.Token, w.save(r, req(t, diners)).Token)
	require.NoError(t, r.Delete(t.Context(), me, d.Token))
	_, err := r.Save(t.Context(), req(t, diners))
	fails(t, err, tokenize.RequestRejected, "", tokenize.ErrExhausted)
}
