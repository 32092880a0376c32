package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// codeColumns are the columns of a code in the order of [codeRow.into].
const codeColumns = "scope, owner_type, owner, card, record_id, token, record, created, expires, reads, guesses, counters, taken, base, blocked"

// codeStatements is the SQL of codes for one schema. What counts reads and attempts is
// one statement each, and so one round trip: it locks the code's row, judges what
// it found there and changes it. A code's counters stand in its row, since a
// statement that waited for a lock sees the locked row as it is by then, and no
// other.
type codeStatements struct {
	put, code, read, attempt, settleRight, settleWrong, reset, replace string
	erase, eraseToken, sweep, scan, scanAll, count                     string
}

func newCodeStatements(schema string) codeStatements {
	q := pgx.Identifier{schema}.Sanitize() + "."
	s := func(text string) string {
		text = strings.ReplaceAll(text, "#ID", "scope = $1 AND owner_type = $2 AND owner = $3 AND card = $4")
		text = strings.ReplaceAll(text, "#SAME", "o.scope = j.scope AND o.owner_type = j.owner_type AND o.owner = j.owner AND o.card = j.card")
		text = strings.ReplaceAll(text, "#LIVE", "(expires = 0 OR expires > $5)")
		text = strings.ReplaceAll(text, "#COLUMNS", codeColumns)
		return strings.ReplaceAll(text, "@", q)
	}
	return codeStatements{
		put: s("INSERT INTO @codes (scope, owner_type, owner, card, record_id, token, record, key, created, expires, reads) " +
			"SELECT * FROM unnest($1::bytea[], $2::smallint[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::bytea[], $8::bytea[], $9::bigint[], $10::bigint[], $11::bigint[]) " +
			"ON CONFLICT (scope, owner_type, owner, card) DO UPDATE SET record_id = excluded.record_id, token = excluded.token, record = excluded.record, " +
			"key = excluded.key, created = excluded.created, expires = excluded.expires, reads = excluded.reads, " +
			"guesses = 0, counters = '{}', taken = '{}', base = '{}', blocked = '{}'"),
		code: s("SELECT #COLUMNS FROM @codes WHERE #ID AND #LIVE"),
		read: s("WITH j AS (SELECT #COLUMNS FROM @codes WHERE #ID AND #LIVE FOR UPDATE), " +
			"last AS (DELETE FROM @codes o USING j WHERE #SAME AND j.reads = 1), " +
			"other AS (UPDATE @codes o SET reads = j.reads - 1 FROM j WHERE #SAME AND j.reads > 1) " +
			"SELECT #COLUMNS FROM j"),
		// $6 is the counter, $7 and $8 are the limits. A counter that is not there yet
		// gets the next place in the arrays. Results are those of TryResult.
		attempt: s("WITH found AS (SELECT #COLUMNS FROM @codes WHERE #ID AND #LIVE FOR UPDATE), " +
			"placed AS (SELECT *, coalesce(array_position(counters, $6::integer), cardinality(counters) + 1) AS at FROM found), " +
			"j AS (SELECT *, CASE WHEN blocked[at] OR taken[at] - base[at] >= $7::bigint THEN 2 WHEN guesses >= $8::bigint THEN 3 ELSE 1 END AS result FROM placed), " +
			"taking AS (UPDATE @codes o SET guesses = j.guesses + 1, counters[j.at] = $6::integer, taken[j.at] = coalesce(j.taken[j.at], 0) + 1, " +
			"base[j.at] = coalesce(j.base[j.at], 0), blocked[j.at] = false FROM j WHERE #SAME AND j.result = 1), " +
			"blocking AS (UPDATE @codes o SET blocked[j.at] = true FROM j WHERE #SAME AND j.result = 2 AND NOT j.blocked[j.at]) " +
			"SELECT #COLUMNS, result FROM j"),
		settleRight: s("UPDATE @codes SET base[array_position(counters, $6::integer)] = greatest(base[array_position(counters, $6::integer)], $7::bigint), " +
			"guesses = greatest(guesses - 1, 0) WHERE #ID AND record_id = $5 AND $6::integer = ANY(counters)"),
		settleWrong: s("UPDATE @codes SET blocked[array_position(counters, $6::integer)] = true WHERE #ID AND record_id = $5 AND $6::integer = ANY(counters) " +
			"AND NOT blocked[array_position(counters, $6::integer)] AND $7::bigint - base[array_position(counters, $6::integer)] >= $8::bigint"),
		reset: s("UPDATE @codes SET " +
			"base = ARRAY(SELECT CASE WHEN w.id = ANY($6::integer[]) AND ($7::boolean OR w.taken - w.base < $8::bigint) THEN w.taken ELSE w.base END FROM unnest(counters, taken, base) WITH ORDINALITY AS w(id, taken, base, at) ORDER BY w.at), " +
			"blocked = ARRAY(SELECT w.blocked AND NOT ($7::boolean AND w.id = ANY($6::integer[])) FROM unnest(counters, blocked) WITH ORDINALITY AS w(id, blocked, at) ORDER BY w.at) " +
			"WHERE #ID AND #LIVE"),
		replace: s("UPDATE @codes SET record = $7, key = $8 WHERE #ID AND record_id = $5 AND record = $6"),
		erase:   s("DELETE FROM @codes WHERE #ID"),

		eraseToken: s("DELETE FROM @codes WHERE scope = $1 AND token = $2"),
		sweep: s("DELETE FROM @codes WHERE (scope, owner_type, owner, card) IN (SELECT scope, owner_type, owner, card FROM @codes " +
			"WHERE expires <> 0 AND expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)"),
		scan: s("SELECT #COLUMNS FROM @codes WHERE scope = $1 AND (owner_type, owner, card) > ($2, $3, $4) " +
			"ORDER BY owner_type, owner, card LIMIT $5"),
		scanAll: s("SELECT #COLUMNS FROM @codes WHERE (scope, owner_type, owner, card) > ($1, $2, $3, $4) " +
			"ORDER BY scope, owner_type, owner, card LIMIT $5"),
		count: s("SELECT count(*) FROM @codes WHERE key = $1"),
	}
}

// codeRow is a row of codes as it is scanned.
type codeRow struct {
	scope, card, recordID, record []byte
	ownerType                     int16
	owner, token                  string
	created, expires              int64
	reads, guesses                int64
	counters                      []int32
	taken, base                   []int64
	blocked                       []bool
}

func (r *codeRow) into() []any {
	return []any{&r.scope, &r.ownerType, &r.owner, &r.card, &r.recordID, &r.token, &r.record, &r.created, &r.expires,
		&r.reads, &r.guesses, &r.counters, &r.taken, &r.base, &r.blocked}
}

// code takes the row apart; its bytes are the caller's.
func (r *codeRow) code() (c store.Code, err error) {
	n := len(r.counters)
	if len(r.scope) != len(c.ID.Scope) || len(r.card) != len(c.ID.Card) || len(r.recordID) != len(c.RecordID) ||
		r.ownerType < 0 || r.ownerType > 255 || r.reads < 0 || r.reads > 1<<32-1 || r.guesses < 0 || r.guesses > 1<<32-1 ||
		len(r.taken) != n || len(r.base) != n || len(r.blocked) != n {
		return store.Code{}, corrupt("a security code")
	}
	c = store.Code{
		ID:       store.CodeID{Scope: store.ScopeID(r.scope), OwnerType: uint8(r.ownerType), Owner: r.owner, Card: [32]byte(r.card)},
		RecordID: envelope.RecordID(r.recordID), Token: r.token, Record: r.record, Created: r.created, Expires: r.expires,
		Reads: uint32(r.reads), Guesses: uint32(r.guesses),
	}
	for i, id := range r.counters {
		if id < 0 || id > 1<<16-1 {
			return store.Code{}, corrupt("a security code")
		}
		c.Counters = append(c.Counters, store.TryCounter{
			ID: uint16(id), Taken: uint64(r.taken[i]), Base: uint64(r.base[i]), Blocked: r.blocked[i],
		})
	}
	sortCounters(c.Counters)
	return c, nil
}

func codeArgs(id *store.CodeID, more ...any) []any {
	return append([]any{id.Scope[:], int16(id.OwnerType), id.Owner, id.Card[:]}, more...)
}
