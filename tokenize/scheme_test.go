package tokenize_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// A network token as networks make them: it looks like a card number. par has the
// form of EMVCo's references.
const (
	netToken  = canary
	netToken2 = "2223000048400011"
	par       = "5001A1BCDEFGHIJKLMNOPQRSTUVWX"
)

var (
	requestor = tokenize.Caller{Merchant: "SHOP1", Owner: "clerk", Permissions: tokenize.MayAll}
	neighbour = tokenize.Caller{Merchant: "SHOP2", Owner: "clerk", Permissions: tokenize.MayAll}
	nobody    = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}
)

// schemes is a repository with scheme tokens that both merchants belong to.
func (w *world) schemes() *tokenize.Repository {
	w.Helper()
	r := w.repo(tokenize.UUID, tokenize.UniqueCard, func(c *tokenize.Config) { c.ID, c.SchemeTokens = c.ID+"-NT", true })
	w.merchant(r, requestor.Merchant)
	w.merchant(r, neighbour.Merchant)
	return r
}

func attach(t testing.TB, token, digits string) tokenize.SchemeTokenRequest {
	t.Helper()
	return tokenize.SchemeTokenRequest{
		Caller: requestor, Token: token, Number: number(t, digits), Expiry: card.Expiry{Month: 3, Year: 2031}, PAR: par,
	}
}

// set sets a scheme token and expects no error.
func (w *world) set(r *tokenize.Repository, q tokenize.SchemeTokenRequest) tokenize.SchemeToken {
	w.Helper()
	s, err := r.SetSchemeToken(w.ctx, q)
	require.NoError(w, err)
	return s
}

// network is the network token behind a token.
func (w *world) network(r *tokenize.Repository, token string) string {
	w.Helper()
	pan, err := r.RevealSchemeToken(w.ctx, requestor, token, "payment")
	require.NoError(w, err)
	return string(pan.AppendDigits(nil))
}

func TestSchemeToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.schemes()
		d := w.save(r, req(t, visa))
		require.Zero(t, d.SchemeStatus)
		_, err := r.SchemeToken(t.Context(), requestor, d.Token)
		fails(t, err, tokenize.InvalidRequest, "schemeToken", tokenize.ErrSchemeNotFound)

		want := tokenize.SchemeToken{Status: tokenize.SchemeValid, Expiry: card.Expiry{Month: 3, Year: 2031}, PAR: par}
		require.Equal(t, want, w.set(r, attach(t, d.Token, netToken)))
		require.Equal(t, netToken, w.network(r, d.Token))
		row := w.row(r, d.Token)
		require.Len(t, row.Sealed[1].Record, seal.PANSize)
		require.Equal(t, byte(seal.NetworkToken), row.Sealed[1].Field)

		// One detail at a time; what is not given stays.
		want.Status = tokenize.SchemeActive
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, Status: tokenize.SchemeActive}))
		want.Expiry.Year = 2032
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, Expiry: want.Expiry}))
		want.PAR = strings.Repeat("P", 50)
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, PAR: want.PAR}))
		require.Equal(t, netToken, w.network(r, d.Token))
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, Number: number(t, "222300004840")}))
		require.Equal(t, "222300004840", w.network(r, d.Token))

		// Reading needs no KMS, and the card is untouched by it all.
		cold, unwraps := w.other(r), w.kek.Unwraps()
		got, err := cold.SchemeToken(t.Context(), requestor, d.Token)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, unwraps, w.kek.Unwraps())
		w.holds(r, d.Token, visa)
		row = w.row(r, d.Token)
		require.Equal(t, uint64(6), row.Version)

		q := attach(t, d.Token, netToken)
		q.ExpectVersion = 5
		_, err = r.SetSchemeToken(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrConflict)
		q.ExpectVersion = 6
		w.set(r, q)

		// A save of details leaves it, a new number takes it away.
		w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "H"}})
		require.Equal(t, netToken, w.network(r, d.Token))
		require.Equal(t, tokenize.SchemeActive, w.save(r, req(t, visa)).SchemeStatus)
		require.Zero(t, w.save(r, with(t, d.Token, master)).SchemeStatus)
		row = w.row(r, d.Token)
		require.Zero(t, row.Scheme)
		require.Len(t, row.Sealed, 2)

		// A tombstone has nothing of it.
		w.set(r, attach(t, d.Token, netToken))
		require.NoError(t, r.Delete(t.Context(), me, d.Token))
		row = w.row(r, d.Token)
		require.Zero(t, row.Scheme)
		require.Empty(t, row.Sealed)
		_, err = r.SchemeToken(t.Context(), requestor, d.Token)
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
		_, err = r.RevealSchemeToken(t.Context(), requestor, d.Token, "payment")
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
		_, err = r.SetSchemeToken(t.Context(), attach(t, d.Token, netToken))
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
	})
}

func TestSchemeRefused(t *testing.T) {
	w := newWorld(t, memory.New(), &tokenize.Options{TokenService: &tokenService{}})
	r := w.schemes()
	d := w.save(r, req(t, visa))
	before := w.dump(r)
	for name, c := range map[string]struct {
		change func(*tokenize.SchemeTokenRequest)
		field  string
		kind   tokenize.FieldKind
	}{
		"17 digits":            {func(q *tokenize.SchemeTokenRequest) { q.Number = number(t, "41111111111111111") }, "networkToken", tokenize.Invalid},
		"the card itself":      {func(q *tokenize.SchemeTokenRequest) { q.Number = number(t, visa) }, "networkToken", tokenize.Invalid},
		"none":                 {func(q *tokenize.SchemeTokenRequest) { q.Number = card.PAN{} }, "networkToken", tokenize.Missing},
		"PAR of 51":            {func(q *tokenize.SchemeTokenRequest) { q.PAR = strings.Repeat("P", 51) }, "paymentAccountReference", tokenize.Invalid},
		"PAR with hyphen":      {func(q *tokenize.SchemeTokenRequest) { q.PAR = "5001-A" }, "paymentAccountReference", tokenize.Invalid},
		"PAR not ASCII":        {func(q *tokenize.SchemeTokenRequest) { q.PAR = "É" }, "paymentAccountReference", tokenize.Invalid},
		"PAR is a card":        {func(q *tokenize.SchemeTokenRequest) { q.PAR = canary }, "paymentAccountReference", tokenize.Invalid},
		"PAR holds a card":     {func(q *tokenize.SchemeTokenRequest) { q.PAR = "A" + canary + "B" }, "paymentAccountReference", tokenize.Invalid},
		"month":                {func(q *tokenize.SchemeTokenRequest) { q.Expiry.Month = 13 }, card.FieldExpiry, tokenize.Invalid},
		"year":                 {func(q *tokenize.SchemeTokenRequest) { q.Expiry.Year = 1999 }, card.FieldExpiry, tokenize.Invalid},
		"status":               {func(q *tokenize.SchemeTokenRequest) { q.Status = 5 }, "schemeStatus", tokenize.Invalid},
		"deletion of none":     {func(q *tokenize.SchemeTokenRequest) { q.Status = tokenize.SchemeDeleted }, "schemeToken", tokenize.Invalid},
		"unknown token":        {func(q *tokenize.SchemeTokenRequest) { q.Token = unknownToken(tokenize.UUID) }, "token", tokenize.Invalid},
		"a card for the token": {func(q *tokenize.SchemeTokenRequest) { q.Token = canary }, "token", tokenize.Invalid},
		"merchant":             {func(q *tokenize.SchemeTokenRequest) { q.Caller.Merchant = canary + " " }, "merchant", tokenize.Invalid},
	} {
		w.sink.take()
		q := attach(t, d.Token, netToken)
		c.change(&q)
		_, err := r.SetSchemeToken(t.Context(), q)
		e := fails(t, err, tokenize.InvalidRequest, c.field, nil)
		require.Equal(t, c.kind, e.Kind, name)
		noDigits(t, fmt.Sprintf("%v %+v %#v %s", err, *e, e, told(t, w.sink.take())))
	}
	require.Equal(t, before, w.dump(r))
	_, err := r.ActOnSchemeToken(t.Context(), requestor, d.Token, tokenize.SuspendScheme)
	fails(t, err, tokenize.InvalidRequest, "schemeToken", tokenize.ErrSchemeNotFound)
	for _, a := range []tokenize.SchemeAction{0, 4, 255} {
		_, err := r.ActOnSchemeToken(t.Context(), requestor, d.Token, a)
		fails(t, err, tokenize.InvalidRequest, "schemeAction", nil)
	}
	_, err = r.RevealSchemeToken(t.Context(), requestor, d.Token, "")
	fails(t, err, tokenize.InvalidRequest, "reason", nil)
	_, err = r.RevealSchemeToken(t.Context(), requestor, d.Token, canary)
	fails(t, err, tokenize.InvalidRequest, "reason", nil)

	// A repository that does not allow them.
	plain := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.merchant(plain, requestor.Merchant)
	d = w.save(plain, req(t, visa))
	_, err = plain.SetSchemeToken(t.Context(), attach(t, d.Token, netToken))
	require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "schemeToken", nil).Kind)
	_, err = plain.ActOnSchemeToken(t.Context(), requestor, d.Token, tokenize.DeleteScheme)
	require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "schemeToken", nil).Kind)
}
