package tokenize_test

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/internal/pad"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Cards that gateways publish for tests.
const (
	visa    = "4111111111111111"
	visa2   = "4242424242424242"
	visa13  = "4911830000000"
	master  = "5555555555554444"
	amex    = "378282246310005"
	diners  = "36006666333344"
	maestro = "5000000000000000005"
	canary  = "6011000990139424"
	hidden  = "099013" // what the canary's mask hides, and its BIN has no more than the beginning of
)

// The pad of the tests has no zero nibble: with a random one a digit would
// sometimes lie in memory as it is, and a search of dumps would find it.
func TestMain(m *testing.M) {
	for i := range pad.Value {
		pad.Value[i] = []byte{0x95, 0x3c, 0xe7, 0x51, 0xab, 0x6d, 0xf2}[i%7]
	}
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir, os.Getenv(childWork)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// me is the service itself: a merchant may use one repository alone.
var me = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}

// db is a store of keys and cards.
type db interface {
	Keys() keys.Store
	Cards() store.Cards
	Close() error
}

// world is a vault and what it stands on. Cards and sink can be told to fail.
type world struct {
	testing.TB
	ctx   context.Context
	db    db
	kek   *keystest.KEK
	keys  *keys.Manager
	cards *hooked
	sink  *sink
	vault *tokenize.Vault

	capture capture.KeyStore // of the vault, or nil
}

func newWorld(t testing.TB, d db, o *tokenize.Options) *world {
	w := &world{TB: t, ctx: t.Context(), db: d, kek: keystest.NewKEK("test"), sink: &sink{}}
	w.cards = &hooked{Cards: d.Cards()}
	if o == nil {
		o = &tokenize.Options{}
	}
	o.Audit, w.capture = w.sink, o.CaptureKeys
	w.keys = w.manager()
	var err error
	w.vault, err = tokenize.Open(w.ctx, w.cards, w.keys, o)
	require.NoError(t, err)
	return w
}

// in is the world in a subtest.
func (w *world) in(t *testing.T) *world {
	sub := *w
	sub.TB, sub.ctx = t, t.Context()
	return &sub
}

// manager opens another process's view of the keys.
func (w *world) manager() *keys.Manager {
	m, err := keys.Open(w.ctx, w.db.Keys(), w.kek, nil)
	require.NoError(w, err)
	w.Cleanup(func() { m.Close() })
	return m
}

// inMemory is a world on the memory store.
func inMemory(t testing.TB) *world { return newWorld(t, memory.New(), nil) }

// stores runs a test on every store.
func stores(t *testing.T, test func(t *testing.T, w *world)) {
	for name, open := range map[string]func(t *testing.T) db{
		"memory": func(*testing.T) db { return memory.New() },
		"bolt": func(t *testing.T) db {
			d, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"), &bolt.Options{Create: true})
			require.NoError(t, err)
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			t.Cleanup(func() { d.Close() })
			test(t, newWorld(t, d, nil))
		})
	}
}

// repo makes a repository, with changes to its configuration.
func (w *world) repo(g tokenize.Generation, m tokenize.Management, change ...func(*tokenize.Config)) *tokenize.Repository {
	w.Helper()
	c := tokenize.Config{ID: fmt.Sprintf("SHOP-%d-%d", g, m), Generation: g, Management: m}
	for _, f := range change {
		f(&c)
	}
	r, err := w.vault.EnsureRepository(w.ctx, c)
	require.NoError(w, err)
	return r
}

func verifyNone(c *tokenize.Config) { c.Verification = tokenize.None }

// merchant is me on behalf of a merchant that belongs to a repository.
func (w *world) merchant(r *tokenize.Repository, id string) tokenize.Caller {
	w.Helper()
	require.NoError(w, w.vault.AssignMerchant(w.ctx, id, r.Config().ID))
	c := me
	c.Merchant = id
	return c
}

// save saves and expects no error.
func (w *world) save(r *tokenize.Repository, q tokenize.SaveRequest) tokenize.Details {
	w.Helper()
	d, err := r.Save(w.ctx, q)
	require.NoError(w, err)
	return d
}

// batch saves a batch that itself must not fail.
func (w *world) batch(r *tokenize.Repository, qs ...tokenize.SaveRequest) []tokenize.SaveResult {
	w.Helper()
	res, err := r.SaveBatch(w.ctx, qs)
	require.NoError(w, err)
	require.Len(w, res, len(qs))
	return res
}

// reveal returns the digits behind a token.
func (w *world) reveal(r *tokenize.Repository, token string) card.Details {
	w.Helper()
	d, err := r.Reveal(w.ctx, me, token, "settlement")
	require.NoError(w, err)
	return d
}

// holds demands that the token's card is the one with these digits.
func (w *world) holds(r *tokenize.Repository, token, digits string) {
	w.Helper()
	require.Equal(w, digits, string(w.reveal(r, token).Number.AppendDigits(nil)))
}

// req asks for a card to be saved.
func req(t testing.TB, digits string) tokenize.SaveRequest {
	t.Helper()
	return tokenize.SaveRequest{Caller: me, Card: card.Details{Number: number(t, digits)}}
}

// with asks for a card to be saved under a token.
func with(t testing.TB, token, digits string) tokenize.SaveRequest {
	t.Helper()
	q := req(t, digits)
	q.Token = token
	return q
}

func number(t testing.TB, digits string) card.PAN {
	t.Helper()
	pan, err := card.ParsePAN(digits)
	require.NoError(t, err)
	return pan
}

// counted is the n-th of many Luhn-valid numbers of a test range.
func counted(t testing.TB, n int) card.PAN {
	t.Helper()
	digits := fmt.Appendf(nil, "400000%09d", n)
	check, err := card.CheckDigit(digits)
	require.NoError(t, err)
	pan, err := card.ParsePAN(append(digits, check))
	require.NoError(t, err)
	return pan
}

func publishedCards(t testing.TB) []string {
	f, err := os.Open("card/testdata/testcards.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var out []string
	for _, row := range rows[1:] {
		out = append(out, row[0])
	}
	require.Len(t, out, 40)
	return out
}

// fails demands an *Error about a field, of a kind, wrapping is where that is not
// nil, and without a digit of a number in it.
func fails(t testing.TB, err error, cause tokenize.Cause, field string, is error) *tokenize.Error {
	t.Helper()
	var e *tokenize.Error
	require.ErrorAs(t, err, &e)
	require.NotNil(t, e)
	require.Equal(t, cause.String(), e.Cause.String(), "%v", e)
	require.Equal(t, field, e.Field, "%v", e)
	if is != nil {
		require.ErrorIs(t, err, is)
	}
	require.NotRegexp(t, `\d{7}`, e.Error())
	return e
}

// sink keeps events, and fails when told to.
type sink struct {
	mu     sync.Mutex
	events []audit.Event
	err    error
}

func (s *sink) Record(_ context.Context, events []audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.events = append(s.events, slices.Clone(events)...)
	return nil
}

// take returns the events since it was called last.
func (s *sink) take() []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.events
	s.events = nil
	return all
}

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// scopeID is the repository's scope as the store has it.
func scopeID(t testing.TB, r *tokenize.Repository) (id store.ScopeID) {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(r.Scope(), "-", ""))
	require.NoError(t, err)
	require.Len(t, raw, len(id))
	return store.ScopeID(raw)
}

// stored is the repository's row.
func (w *world) stored(r *tokenize.Repository) store.Repository {
	w.Helper()
	all, err := w.db.Cards().Repositories(w.ctx)
	require.NoError(w, err)
	for _, s := range all {
		if s.Scope == scopeID(w, r) {
			return s
		}
	}
	require.Fail(w, "the repository is not stored")
	return store.Repository{}
}
