package tokenize_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A token is good through the last moment of its last day in UTC, and then resolves
// no more; what it was is told still.
func TestTokenExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) { // midnight UTC, 1 January 2000
		w := newWorld(t, memory.New(), nil)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		q := req(t, visa)
		q.TokenExpiry = tokenize.Date{Year: 2000, Month: 1, Day: 2}
		d := w.save(r, q)
		require.Equal(t, q.TokenExpiry, d.TokenExpiry)
		time.Sleep(48*time.Hour - time.Millisecond)
		w.holds(r, d.Token, visa)
		time.Sleep(time.Millisecond)
		_, err := r.Reveal(t.Context(), me, d.Token, "settlement")
		require.Equal(t, "EXPIRED", fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenExpired).SupportCode)
		got, err := r.Get(t.Context(), me, d.Token)
		require.NoError(t, err)
		require.Equal(t, q.TokenExpiry, got.TokenExpiry)
		require.Equal(t, tokenize.Active, got.Status)
		require.True(t, got.TokenExpiry.Over(time.Now()))

		// Its card finds it, and a save without a day leaves it as it is.
		same := w.save(r, req(t, visa))
		require.Equal(t, d.Token, same.Token)
		require.Equal(t, q.TokenExpiry, same.TokenExpiry)
		// Put off, taken away, set again.
		for _, change := range []tokenize.UpdateRequest{
			{TokenExpiry: tokenize.Date{Year: 2000, Month: 1, Day: 3}}, {Clear: tokenize.ClearTokenExpiry},
			{TokenExpiry: tokenize.Date{Year: 9999, Month: 12, Day: 31}},
		} {
			change.Caller, change.Token = me, d.Token
			u, err := r.Update(t.Context(), change)
			require.NoError(t, err)
			require.Equal(t, tokenize.Updated, u.Outcome)
			require.Equal(t, change.TokenExpiry, u.TokenExpiry)
			w.holds(r, d.Token, visa)
			again, err := r.Update(t.Context(), change)
			require.NoError(t, err)
			require.Equal(t, tokenize.Existing, again.Outcome)
		}
		q.TokenExpiry = tokenize.Date{Year: 2000, Month: 1, Day: 1}
		require.Equal(t, q.TokenExpiry, w.save(r, q).TokenExpiry)
		_, err = r.Reveal(t.Context(), me, d.Token, "settlement")
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenExpired)
	})
}

func TestDate(t *testing.T) {
	for text, want := range map[string]tokenize.Date{
		"2000-01-01": {Year: 2000, Month: 1, Day: 1}, "2028-02-29": {Year: 2028, Month: 2, Day: 29},
		"9999-12-31": {Year: 9999, Month: 12, Day: 31},
	} {
		d, err := tokenize.ParseDate(text)
		require.NoError(t, err)
		require.Equal(t, want, d)
		require.Equal(t, text, d.String())
		b, err := json.Marshal(d)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &want))
		require.Equal(t, d, want)
		midnight := time.Date(d.Year, time.Month(d.Month), d.Day+1, 0, 0, 0, 0, time.UTC)
		require.False(t, d.Over(midnight.Add(-1).In(time.FixedZone("east", 14*3600))))
		require.True(t, d.Over(midnight.In(time.FixedZone("west", -12*3600))))
	}
	for _, text := range []string{
		"", "2027-02-29", "2027-13-01", "2027-00-10", "2027-01-00", "2027-1-1", "1999-12-31", "10000-01-01", "27-01-01",
		"2027/01/01", "2027-01-01T00:00:00Z", " 2027-01-01", "2027-01-01 ", "２０２７-01-01", canary, strings.Repeat("2", 1<<16),
	} {
		_, err := tokenize.ParseDate(text)
		e := fails(t, err, tokenize.InvalidRequest, "tokenExpiry", nil)
		require.NotContains(t, e.Error(), "2027-")
		noDigits(t, e.Error())
	}
	var zero tokenize.Date
	require.True(t, zero.IsZero())
	require.Empty(t, zero.String())
	require.False(t, zero.Over(time.Now()))
	require.NoError(t, (&zero).UnmarshalText(nil))
	require.Empty(t, tokenize.Date{Year: 2027, Month: 2, Day: 30}.String())
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"2027-01-31", "2028-02-29", "2027-02-29", "", "9999-12-31"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := tokenize.ParseDate(s)
		if err != nil {
			require.Zero(t, d)
			return
		}
		require.Equal(t, s, d.String(), "two spellings of one day")
		require.True(t, d.Over(time.Date(d.Year, time.Month(d.Month), d.Day+1, 0, 0, 0, 0, time.UTC)))
		require.False(t, d.Over(time.Date(d.Year, time.Month(d.Month), d.Day, 23, 59, 59, 999999999, time.UTC)))
	})
}

// Every new field over its limit, on a save and on an update: refused by its name,
// and nothing is written.
func TestDetailsOverTheirLimits(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		d := w.save(r, req(t, visa))
		before := w.dump(r)
		day := tokenize.Date{Year: 2030, Month: 1, Day: 1}
		for name, c := range map[string]struct {
			card  card.Details
			day   tokenize.Date
			clear tokenize.Clear
			field string
		}{
			"no e-mail":          {card: card.Details{Email: "@x"}, field: card.FieldEmail},
			"255 bytes":          {card: card.Details{Email: strings.Repeat("x", 253) + "@y"}, field: card.FieldEmail},
			"no at sign":         {card: card.Details{Email: "somebody"}, field: card.FieldEmail},
			"nobody":             {card: card.Details{Email: "@host"}, field: card.FieldEmail},
			"nowhere":            {card: card.Details{Email: "some@"}, field: card.FieldEmail},
			"line break":         {card: card.Details{Email: "a@b\nc"}, field: card.FieldEmail},
			"space":              {card: card.Details{Email: "a b@c"}, field: card.FieldEmail},
			"wide space":         {card: card.Details{Email: "a\u3000b@c"}, field: card.FieldEmail},
			"not UTF-8":          {card: card.Details{Email: "a\xff@c"}, field: card.FieldEmail},
			"31 characters":      {card: card.Details{Holder: strings.Repeat("é", 31)}, field: card.FieldHolder},
			"30 February":        {day: tokenize.Date{Year: 2030, Month: 2, Day: 30}, field: "tokenExpiry"},
			"month 13":           {day: tokenize.Date{Year: 2030, Month: 13, Day: 1}, field: "tokenExpiry"},
			"year 1999":          {day: tokenize.Date{Year: 1999, Month: 12, Day: 31}, field: "tokenExpiry"},
			"year 10000":         {day: tokenize.Date{Year: 10000, Month: 1, Day: 1}, field: "tokenExpiry"},
			"day alone":          {day: tokenize.Date{Day: 1}, field: "tokenExpiry"},
			"unknown detail":     {clear: 1 << 7, field: "clear"},
			"expiry given":       {card: card.Details{Expiry: card.Expiry{Month: 1, Year: 2030}}, clear: tokenize.ClearExpiry, field: card.FieldExpiry},
			"holder given":       {card: card.Details{Holder: "X"}, clear: tokenize.ClearHolder, field: card.FieldHolder},
			"e-mail given":       {card: card.Details{Email: "a@b"}, clear: tokenize.ClearEmail, field: card.FieldEmail},
			"token expiry given": {day: day, clear: tokenize.ClearTokenExpiry, field: "tokenExpiry"},
		} {
			_, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: c.card, TokenExpiry: c.day, Clear: c.clear})
			e := fails(t, err, tokenize.InvalidRequest, c.field, nil)
			c.card.Number = number(t, amex)
			_, err = r.Save(t.Context(), tokenize.SaveRequest{Caller: me, Card: c.card, TokenExpiry: c.day, Clear: c.clear})
			require.Equal(t, e, fails(t, err, tokenize.InvalidRequest, c.field, nil), name)
		}
		require.Equal(t, before, w.dump(r))
		for _, longest := range []card.Details{
			{Email: strings.Repeat("x", 252) + "@y"}, {Email: "a@b"}, {Holder: strings.Repeat("é", 30)},
		} {
			_, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: longest})
			require.NoError(t, err)
		}
	})
}

// Holder and e-mail come back with the card; each is changed and taken away alone.
func TestHolderAndEmail(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		q := req(t, visa)
		q.Card.Holder, q.Card.Email, q.Card.Expiry = "ONE", "one@example.com", card.Expiry{Month: 1, Year: 2030}
		d := w.save(r, q)
		for _, step := range []struct {
			give          card.Details
			clear         tokenize.Clear
			holder, email string
			outcome       tokenize.SaveOutcome
		}{
			{card.Details{}, 0, "ONE", "one@example.com", tokenize.Existing},
			{card.Details{Email: "two@example.com"}, 0, "ONE", "two@example.com", tokenize.Updated},
			{card.Details{}, tokenize.ClearHolder, "", "two@example.com", tokenize.Updated},
			{card.Details{Holder: "THREE"}, tokenize.ClearEmail, "THREE", "", tokenize.Updated},
			{card.Details{Holder: "FOUR", Email: "four@example.com"}, tokenize.ClearExpiry, "FOUR", "four@example.com", tokenize.Updated},
		} {
			u, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: step.give, Clear: step.clear})
			require.NoError(t, err)
			require.Equal(t, step.outcome, u.Outcome)
			full := w.reveal(r, d.Token)
			require.Equal(t, step.holder, full.Holder)
			require.Equal(t, step.email, full.Email)
			got, holder, err := r.GetWithHolder(t.Context(), me, d.Token)
			require.NoError(t, err)
			require.Equal(t, step.holder, holder)
			require.Equal(t, u.Version, got.Version)
		}
		require.True(t, w.reveal(r, d.Token).Expiry.IsZero())

		// What was taken away opens no more under the value that came after it.
		old := w.row(r, d.Token)
		for _, change := range []tokenize.UpdateRequest{{Clear: tokenize.ClearEmail}, {Card: card.Details{Email: "new@example.com"}}} {
			change.Caller, change.Token = me, d.Token
			_, err := r.Update(t.Context(), change)
			require.NoError(t, err)
		}
		w.rewrite(r, d.Token, func(row *store.Row) { row.Sealed[2].Record = old.Sealed[2].Record })
		w.doesNotOpen(r, d.Token)

		// A repository that demands an expiry keeps it.
		strict := w.repo(tokenize.UUID, tokenize.UniqueToken, func(c *tokenize.Config) { c.RequireExpiry = true })
		q.Token = ""
		d = w.save(strict, q)
		_, err := strict.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Clear: tokenize.ClearExpiry})
		fails(t, err, tokenize.InvalidRequest, card.FieldExpiry, nil)
		// There was nothing to take away.
		d = w.save(r, req(t, amex))
		u, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token,
			Clear: tokenize.ClearEmail | tokenize.ClearExpiry | tokenize.ClearHolder | tokenize.ClearTokenExpiry})
		require.NoError(t, err)
		require.Equal(t, tokenize.Existing, u.Outcome)
		require.Equal(t, d.Version, u.Version)
	})
}

// An e-mail does not open where it does not belong.
func TestTamperedEmail(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	q := req(t, visa)
	q.Card.Holder, q.Card.Email = "ONE", "one@example.com"
	other := w.row(r, w.save(r, q).Token)
	for name, change := range map[string]func(row *store.Row){
		"of another token":  func(row *store.Row) { row.Sealed[2].Record = other.Sealed[2].Record },
		"holder as e-mail":  func(row *store.Row) { row.Sealed[2].Record = row.Sealed[1].Record },
		"e-mail as holder":  func(row *store.Row) { row.Sealed[1].Record = row.Sealed[2].Record },
		"generation raised": func(row *store.Row) { row.Sealed[2].Generation++ },
		"a bit":             func(row *store.Row) { row.Sealed[2].Record[len(row.Sealed[2].Record)-1] ^= 1 },
	} {
		d := w.save(r, q)
		require.Equal(t, "one@example.com", w.reveal(r, d.Token).Email, name)
		w.rewrite(r, d.Token, change)
		w.doesNotOpen(r, d.Token)
	}
	// The holder alone is told as damaged as well, and the failure is recorded.
	d := w.save(r, q)
	w.rewrite(r, d.Token, func(row *store.Row) { row.Sealed[1] = other.Sealed[1] })
	w.sink.take()
	_, holder, err := r.GetWithHolder(t.Context(), me, d.Token)
	require.Equal(t, "RECORD_DAMAGED", fails(t, err, tokenize.ServerFailed, "", nil).SupportCode)
	require.Empty(t, holder)
	require.EqualValues(t, "failed", w.sink.take()[0].Outcome)
}
