//go:build linux

package chaos

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// end is what is left when all processes are gone, seen by one that comes after.
type end struct {
	*plan
	db   db
	repo *tokenize.Repository
	keys *keys.Manager
	rows []store.Row
	ops  []op           // histories, and what this one asks
	of   map[string]int // card of each token that anybody was told of
}

// check holds the store and the histories against what was promised.
func (p *plan) check(t *testing.T, d db, took time.Duration) {
	t.Helper()
	e := &end{plan: p, db: d, of: map[string]int{}}
	all := chaostest.ReadHistories[op](t, p.Dir)
	e.ops = slices.DeleteFunc(slices.Clone(all), func(o op) bool { return o.Do == rotate || o.Got == busy })
	p.report(t, all, took)
	var err error
	e.repo, e.keys, err = p.openVault(t.Context(), d)
	require.NoError(t, err)
	defer e.keys.Close()

	e.checkTokens(t)
	e.checkRows(t)
	e.checkIndex(t)
	if p.Management == tokenize.UniqueCard {
		e.checkFound(t)
	}
	t.Logf("porcupine took %v for %d operations", checkLinearizable(t, e.ops, p.Management).Round(time.Millisecond), len(e.ops))
}

// checkTokens: no token was given out for two cards.
func (e *end) checkTokens(t *testing.T) {
	t.Helper()
	for i := range e.ops {
		o := &e.ops[i]
		if token := o.Is.Token; token != "" {
			other, known := e.of[token]
			require.True(t, !known || other == o.Card, "token %s was given to cards %d and %d", token, other, o.Card)
			e.of[token] = o.Card
		}
	}
}

// checkRows reads all rows, as a last operation on each token: acknowledged cards
// are there and can be revealed, and nothing is there that nobody was told of.
func (e *end) checkRows(t *testing.T) {
	t.Helper()
	began := chaostest.Clock()
	holder := map[int]string{}
	var live []string
	for row, err := range e.db.Cards().Scan(t.Context(), e.scope(t), "") {
		require.NoError(t, err)
		place, known := e.of[row.Token]
		require.True(t, known, "nobody was told of token %s", row.Token)
		e.rows = append(e.rows, row)
		if row.Status == store.Deleted {
			continue
		}
		other, held := holder[place]
		require.False(t, held && e.Management == tokenize.UniqueCard, "card %d has tokens %s and %s", place, other, row.Token)
		holder[place] = row.Token
		live = append(live, row.Token)
	}
	expiries := map[string]int{}
	for part := range slices.Chunk(live, 1000) {
		got, err := e.repo.RevealBatch(t.Context(), me, part, "test")
		require.NoError(t, err)
		for i := range got {
			require.Nil(t, got[i].Err, "token %s", part[i])
			require.Equal(t, e.of[part[i]], cardOf(got[i].Card.Number, e.Cards), "token %s reveals another card", part[i])
			expiries[part[i]] = months(got[i].Card.Expiry)
		}
	}
	ended := chaostest.Clock()
	there := map[string]bool{}
	for i := range e.rows {
		row := &e.rows[i]
		there[row.Token] = true
		o := op{Do: get, Card: e.of[row.Token], Token: row.Token, Call: began, Return: ended, Got: deleted}
		if row.Status != store.Deleted {
			o.Got, o.Is = active, details{row.Token, row.Version, expiries[row.Token]}
		}
		e.ops = append(e.ops, o)
	}
	for token, place := range e.of {
		require.True(t, there[token], "token %s of card %d was acknowledged and is missing", token, place)
	}
}

// checkIndex: each live row is found by one value under the new key, and by no
// other.
func (e *end) checkIndex(t *testing.T) {
	t.Helper()
	st, err := e.repo.IndexStatus(t.Context())
	require.NoError(t, err)
	require.Equal(t, tokenize.Settled, st.Phase)
	records, err := e.keys.Records(t.Context(), keys.Index)
	require.NoError(t, err)
	require.Greater(t, len(records), 1, "the index key was not rotated")
	at := slices.IndexFunc(records, func(r keys.Record) bool { return r.State == keys.Active })
	require.Equal(t, records[at].ID, st.Key, "the repository was not brought to the new key")

	holders := map[store.IndexValue][]string{}
	for i := range e.rows {
		row := &e.rows[i]
		if row.Status == store.Deleted {
			require.Empty(t, row.Index, "tombstone %s", row.Token)
			continue
		}
		require.Len(t, row.Index, 1, "token %s", row.Token)
		require.Equal(t, st.Key, row.Index[0].Key, "token %s", row.Token)
		holders[row.Index[0]] = append(holders[row.Index[0]], row.Token) // ascending, as rows are
	}
	values := make([]store.IndexValue, 0, len(holders))
	for v := range holders {
		values = append(values, v)
	}
	for part := range slices.Chunk(values, 1000) {
		found, err := e.db.Cards().ByIndex(t.Context(), e.scope(t), part)
		require.NoError(t, err)
		for i := range part {
			require.Equal(t, holders[part[i]], found[i])
		}
	}
}

// checkFound saves every live card once more, which must find its token.
func (e *end) checkFound(t *testing.T) {
	t.Helper()
	var reqs []tokenize.SaveRequest
	var want []string
	for i := range e.rows {
		if row := &e.rows[i]; row.Status != store.Deleted {
			pan, err := chaostest.Number(e.of[row.Token])
			require.NoError(t, err)
			reqs = append(reqs, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: pan}})
			want = append(want, row.Token)
		}
	}
	for len(reqs) > 0 {
		n := min(1000, len(reqs))
		began := chaostest.Clock()
		got, err := e.repo.SaveBatch(t.Context(), reqs[:n])
		ended := chaostest.Clock()
		require.NoError(t, err)
		for i := range got {
			require.Nil(t, got[i].Err)
			d := got[i].Details
			require.Equal(t, want[i], d.Token, "card %d is not found by its number", e.of[want[i]])
			e.ops = append(e.ops, op{Do: save, Card: e.of[d.Token], Call: began, Return: ended, Got: d.Outcome.String(),
				Is: details{d.Token, d.Version, months(d.Expiry)}})
		}
		reqs, want = reqs[n:], want[n:]
	}
}

func (e *end) scope(t *testing.T) store.ScopeID {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(e.repo.Scope(), "-", ""))
	require.NoError(t, err)
	return store.ScopeID(raw)
}

// checkTables looks past the store: its index tables hold one value per live card,
// all under one key, and none that leads nowhere.
func (p *plan) checkTables(t *testing.T) {
	t.Helper()
	values, other := "unique_values", "plain_values"
	if p.Management == tokenize.UniqueToken {
		values, other = other, values
	}
	conn, err := pgx.Connect(t.Context(), p.URL)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for what, sql := range map[string]string{
		"live cards without exactly one value": `SELECT count(*) FROM cardseal.cards c WHERE c.status <> 3 AND
			1 <> (SELECT count(*) FROM cardseal.` + values + ` v WHERE v.scope = c.scope AND v.token = c.token)`,
		"values without live card": `SELECT count(*) FROM cardseal.` + values + ` v WHERE NOT EXISTS
			(SELECT FROM cardseal.cards c WHERE c.scope = v.scope AND c.token = v.token AND c.status <> 3)`,
		"keys beside the first":     `SELECT count(DISTINCT key) - 1 FROM cardseal.` + values,
		"values in the other table": `SELECT count(*) FROM cardseal.` + other,
		"calls of unknown tokens": `SELECT count(*) FROM cardseal.calls k WHERE NOT EXISTS
			(SELECT FROM cardseal.cards c WHERE c.scope = k.scope AND c.token = k.token)`,
	} {
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&n), what)
		require.Zero(t, n, what)
	}
}
