package postgres_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/faultproxy"
	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

var scope = store.ScopeID{1}

func plain(token string) store.Write {
	return store.Write{Row: store.Row{Scope: scope, Token: token, RecordID: envelope.NewRecordID(), Status: store.Active}}
}

func TestReadOnly(t *testing.T) {
	address := migrated.New(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	_, err = open(t, address).Cards().Write(t.Context(), []store.Write{plain("a")}, nil)
	require.NoError(t, err)
	pgtest.Exec(t, address, "ALTER DATABASE "+strings.TrimPrefix(u.Path, "/")+" SET default_transaction_read_only = on")

	db := open(t, address)
	_, err = db.Cards().Write(t.Context(), []store.Write{plain("b")}, nil)
	require.ErrorIs(t, err, store.ErrReadOnly)
	require.ErrorIs(t, db.Cards().AssignMerchant(t.Context(), "m", scope), store.ErrReadOnly)
	require.ErrorIs(t, db.Keys().CompareAndSwap(t.Context(), keys.RingID{Environment: "e"}, 0, nil), store.ErrReadOnly)
	rows, err := db.Cards().Get(t.Context(), scope, []string{"a", "b"})
	require.NoError(t, err)
	require.EqualValues(t, 1, rows[0].Version)
	require.EqualValues(t, 0, rows[1].Version)
}

// A trigger has the server itself refuse: each SQLSTATE becomes its kind, and
// nothing of what it quotes is in any form of the error.
func TestErrorsByCode(t *testing.T) {
	const secret = "4111111111111111"
	for code, want := range map[string]error{
		"53100": store.ErrFull, "53200": store.ErrUnavailable, "57014": store.ErrUnavailable,
		"25006": store.ErrReadOnly, "42501": postgres.ErrPermission, "XX001": store.ErrCorrupt,
		"58030": store.ErrUnavailable, "22023": nil, "23514": nil, "P0001": nil,
	} {
		t.Run(code, func(t *testing.T) {
			address := migrated.New(t)
			message := "refused"
			if strings.HasPrefix(code, "22") {
				message = "bad value " + secret
			}
			pgtest.Exec(t, address, fmt.Sprintf(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				RAISE EXCEPTION '%s' USING ERRCODE = '%s', DETAIL = 'Key (token)=(%s)', HINT = '%s'; END $$`, message, code, secret, secret),
				"CREATE TRIGGER refuse BEFORE INSERT ON cardseal.cards FOR EACH ROW EXECUTE FUNCTION refuse()")
			db := open(t, address)
			_, err := db.Cards().Write(t.Context(), []store.Write{plain(secret)}, nil)
			require.Error(t, err)
			if want != nil {
				require.ErrorIs(t, err, want)
			}
			e, ok := errors.AsType[*pgconn.PgError](err)
			require.True(t, ok, "the server's error is not wrapped")
			require.Equal(t, code, e.Code)
			for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				require.NotContains(t, fmt.Sprintf(form, err), secret)
				require.NotContains(t, fmt.Sprintf(form, *e), secret)
			}
			require.NotErrorIs(t, err, store.ErrOutcomeUnknown)
		})
	}
}

func TestNotText(t *testing.T) {
	db := open(t, migrated.New(t))
	for _, bad := range []string{"a\x00", "\xff"} {
		_, err := db.Cards().Write(t.Context(), []store.Write{plain(bad)}, nil)
		e, ok := errors.AsType[*store.InvalidError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "Row.Token", e.Field)
		rows, err := db.Cards().Get(t.Context(), scope, []string{bad})
		require.NoError(t, err)
		require.EqualValues(t, 0, rows[0].Version)
	}
}

// A server that is killed and started again has what was committed, and the same
// pool serves again.
func TestKilledServer(t *testing.T) {
	own := kmstest.StartOwn(t, kmstest.Postgres)
	address := own.URL
	c, err := pgx.ParseConfig(address)
	require.NoError(t, err)
	_, err = migrate.Up(t.Context(), c, "")
	require.NoError(t, err)
	db := open(t, address)
	for i := range 50 {
		_, err := db.Cards().Write(t.Context(), []store.Write{plain(fmt.Sprint(i))}, nil)
		require.NoError(t, err)
	}
	own.Stop()
	_, err = db.Cards().Write(t.Context(), []store.Write{plain("lost")}, nil)
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = db.Cards().Get(t.Context(), scope, []string{"1"})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, _, err = db.Keys().List(t.Context(), keys.RingID{Environment: "e"})
	require.ErrorIs(t, err, keys.ErrUnavailable)
	own.Start()
	n := 0
	for _, err := range db.Cards().Scan(t.Context(), scope, "") {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 50, n)
	_, err = db.Cards().Write(t.Context(), []store.Write{plain("after")}, nil)
	require.NoError(t, err)
}

// atCommit sets a fault as the next COMMIT is about to be sent, or the next statement
// that begins with sql.
type atCommit struct {
	proxy *faultproxy.Proxy
	sql   string
	fault atomic.Pointer[faultproxy.Fault]
	hit   func()
}

func (a *atCommit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(q.SQL, cmp.Or(a.sql, "COMMIT")) {
		if f := a.fault.Swap(nil); f != nil {
			a.proxy.Set(*f)
			if a.hit != nil {
				a.hit()
			}
		}
	}
	return ctx
}

func (a *atCommit) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// The answer to a commit is lost: the caller is told that nobody knows, and the
// same idempotency key tells what became of it.
func TestCommitAnswerLost(t *testing.T) {
	for name, c := range map[string]struct {
		fault faultproxy.Fault
		leave bool // the caller does, while it waits for the answer
		then  tokenize.SaveOutcome
	}{
		"committed":     {faultproxy.Fault{Mode: faultproxy.Reset, Keep: true}, false, tokenize.Replayed},
		"not committed": {faultproxy.Fault{Mode: faultproxy.HalfOpen, Keep: true}, true, tokenize.Created},
	} {
		t.Run(name, func(t *testing.T) {
			address := migrated.New(t)
			u, err := url.Parse(address)
			require.NoError(t, err)
			proxy, err := faultproxy.New(u.Host)
			require.NoError(t, err)
			t.Cleanup(func() { proxy.Close() })
			u.Host = proxy.Addr()
			at := &atCommit{proxy: proxy}
			db := open(t, u.String(), func(c *pgxpool.Config) { c.ConnConfig.Tracer = at })

			m, err := keys.Open(t.Context(), db.Keys(), keystest.NewKEK("k"), nil)
			require.NoError(t, err)
			t.Cleanup(func() { m.Close() })
			v, err := tokenize.Open(t.Context(), db.Cards(), m, nil)
			require.NoError(t, err)
			repo, err := v.EnsureRepository(t.Context(), tokenize.Config{ID: "SHOP", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueToken})
			require.NoError(t, err)
			save := func(ctx context.Context, number, key string) (tokenize.Details, error) {
				pan, err := card.ParsePAN(number)
				require.NoError(t, err)
				return repo.Save(ctx, tokenize.SaveRequest{
					Caller: tokenize.Caller{Owner: "o", Permissions: tokenize.MayAll}, IdempotencyKey: key, Card: card.Details{Number: pan},
				})
			}
			_, err = save(t.Context(), "5555555555554444", "first") // makes keys and fences
			require.NoError(t, err)

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.leave {
				at.hit = func() { time.AfterFunc(50*time.Millisecond, cancel) }
			}
			at.fault.Store(&c.fault)
			_, err = save(ctx, "4111111111111111", "r7")
			require.ErrorIs(t, err, tokenize.ErrOutcomeUnknown)
			require.ErrorIs(t, err, store.ErrOutcomeUnknown)
			require.NotContains(t, fmt.Sprintf("%v %+v", err, err), "4111111111111111")

			proxy.Set(faultproxy.Fault{})
			d, err := save(t.Context(), "4111111111111111", "r7")
			require.NoError(t, err)
			require.Equal(t, c.then, d.Outcome)
			again, err := save(t.Context(), "4111111111111111", "r7")
			require.NoError(t, err)
			require.Equal(t, d.Token, again.Token)
			n := 0
			require.NoError(t, repo.Each(t.Context(), tokenize.Caller{Owner: "o", Permissions: tokenize.MayAll}, "", func(tokenize.Details) bool { n++; return true }))
			require.Equal(t, 2, n)
		})
	}
}
