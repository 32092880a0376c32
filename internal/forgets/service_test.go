//go:build linux

package forgets

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

var (
	me  = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}
	own = code.Owner{}
)

// short is the shortest life of everything but of codes, which are to be read.
var short = code.TransientOptions{
	TTL: 2 * time.Second, MaxReads: 2, Epoch: time.Second, Sweep: 100 * time.Millisecond,
	SealLease: time.Second, CacheLife: time.Second, Skew: time.Second, AllowDevelopmentKEK: true,
}

// db is a durable store.
type db interface {
	Keys() keys.Store
	Cards() store.Cards
	Codes() store.Codes
}

// keyFile makes a KEK, which everybody in a test has.
func keyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, local.CreateKeyFile(path))
	return path
}

func kek(t *testing.T, path string) keys.KEK {
	t.Helper()
	k, err := local.OpenKeyFile(path)
	require.NoError(t, err)
	return k
}

// vault is a vault as one process has it: a shop's cards, and those of an issuer.
type vault struct {
	t            *testing.T
	keys         *keys.Manager
	shop, issued *tokenize.Repository
}

func openVault(t *testing.T, d db, kekPath string) *vault {
	t.Helper()
	m, err := keys.Open(t.Context(), d.Keys(), kek(t, kekPath), nil)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	v, err := tokenize.Open(t.Context(), d.Cards(), m, &tokenize.Options{IssuerCodes: d.Codes(), AllowDevelopmentKEK: true})
	require.NoError(t, err)
	w := &vault{t: t, keys: m}
	c := tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueToken}
	w.shop, err = v.EnsureRepository(t.Context(), c)
	require.NoError(t, err)
	c.ID, c.IssuerCodes = "ISSUED", true
	w.issued, err = v.EnsureRepository(t.Context(), c)
	require.NoError(t, err)
	return w
}

func openPostgres(t *testing.T, url string) *postgres.DB {
	t.Helper()
	d, err := postgres.Open(t.Context(), pgtest.Pool(t, url), nil)
	require.NoError(t, err)
	return d
}

func openEphemeral(t *testing.T, url string) *postgres.Ephemeral {
	t.Helper()
	e, err := postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, url), nil)
	require.NoError(t, err)
	return e
}

// save stores n cards and returns their tokens.
func (v *vault) save(r *tokenize.Repository, n int) (tokens []string) {
	v.t.Helper()
	for i := range n {
		pan, err := chaostest.Number(i)
		require.NoError(v.t, err)
		d, err := r.Save(v.t.Context(), tokenize.SaveRequest{Caller: me, Card: card.Details{Number: pan}})
		require.NoError(v.t, err)
		tokens = append(tokens, d.Token)
	}
	return tokens
}

// opens demands that the cards can be opened: keys and KEK are at hand.
func (v *vault) opens(r *tokenize.Repository, tokens []string) {
	v.t.Helper()
	got, err := r.RevealBatch(v.t.Context(), me, tokens, "test")
	require.NoError(v.t, err)
	for i := range got {
		require.Nil(v.t, got[i].Err)
	}
}

// serve serves a repository's codes under a policy.
func serve(t *testing.T, r *tokenize.Repository, p code.Policy) *code.Codes {
	t.Helper()
	c, err := code.Open(t.Context(), r, p, nil)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// number is a code of three digits.
func number(t testing.TB, i int) card.CVC {
	t.Helper()
	c, err := card.ParseCVC([]byte{'0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10)})
	require.NoError(t, err)
	return c
}

// witness is an ephemeral store that remembers whatever was to be kept in it.
type witness struct {
	code.EphemeralStore
	mu    sync.Mutex
	codes []store.Code
	keys  []keys.Record
}

func (w *witness) PutCodes(ctx context.Context, codes []store.Code) error {
	w.mu.Lock()
	w.codes = append(w.codes, codes...)
	w.mu.Unlock()
	return w.EphemeralStore.PutCodes(ctx, codes)
}

func (w *witness) Keys() keys.Store { return witnessKeys{w.EphemeralStore.Keys(), w} }

type witnessKeys struct {
	keys.Store
	w *witness
}

func (k witnessKeys) CompareAndSwap(ctx context.Context, ring keys.RingID, version uint64, put []keys.Record) error {
	k.w.mu.Lock()
	k.w.keys = append(k.w.keys, put...)
	k.w.mu.Unlock()
	return k.Store.CompareAndSwap(ctx, ring, version, put)
}

// epochs is how many data keys were to be kept.
func (w *witness) epochs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[keys.KeyID]bool{}
	for i := range w.keys {
		seen[w.keys[i].ID] = true
	}
	return len(seen)
}

// search is for all that was to be kept.
func (s *shop) search() *search {
	epochs := s.epochs()
	look := &search{}
	for i := range s.witness.codes {
		look.addCode("a code", &s.witness.codes[i])
	}
	for i := range s.witness.keys {
		look.addKey("an epoch", &s.witness.keys[i])
	}
	s.Logf("%d codes in %d epochs are looked for", len(s.witness.codes), epochs)
	return look
}

// tagSize is how long the end of a sealed value is that no other has, behind what it
// seals: a data key of keySize, or a code.
const (
	tagSize = pieceSize
	keySize = 32
)

func (s *search) addCode(what string, c *store.Code) {
	s.add(what+"'s sealed record", c.Record[len(c.Record)-tagSize:])
	s.add(what+"'s record ID", c.RecordID[:])
}

func (s *search) addKey(what string, r *keys.Record) {
	s.add(what+"'s ID", r.ID[:])
	for _, w := range r.Wrapped { // the sealed key and its tag
		s.add(what+"'s wrapped key", w.Bytes[len(w.Bytes)-keySize-tagSize:])
	}
}

// robber is a copy of an ephemeral store whose codes expire no more.
type robber struct{ code.EphemeralStore }

func (r robber) Code(ctx context.Context, id store.CodeID, _ int64) (store.Code, error) {
	return r.EphemeralStore.Code(ctx, id, 0)
}

func (r robber) ReadCode(ctx context.Context, id store.CodeID, _ int64) (store.Code, error) {
	return r.EphemeralStore.ReadCode(ctx, id, 0)
}

func (r robber) SweepCodes(context.Context, int64, int) (int, error) { return 0, nil }

// rob asks a copy of an ephemeral store for the tokens' codes, as somebody does who
// waits for nothing to be forgotten; he may have a second store too.
func rob(t *testing.T, r *tokenize.Repository, e code.EphemeralStore, kekPath string, tokens []string, second ...code.EphemeralKeys) []code.Retrieved {
	t.Helper()
	o := code.TransientOptions{TTL: 24 * time.Hour, Epoch: 24 * time.Hour, AllowDevelopmentKEK: true}
	if len(second) > 0 {
		o.Second = second[0]
	}
	tr, err := code.OpenTransient(t.Context(), robber{e}, kek(t, kekPath), &o)
	require.NoError(t, err)
	defer tr.Close()
	codes, err := code.Open(t.Context(), r, tr, nil)
	require.NoError(t, err)
	defer codes.Close()
	got, err := codes.RetrieveBatch(t.Context(), me, refs(tokens))
	require.NoError(t, err)
	return got
}

func refs(tokens []string) (all []code.Ref) {
	for _, token := range tokens {
		all = append(all, code.Ref{Owner: own, Token: token})
	}
	return all
}

// none demands that nothing failed.
func none(t testing.TB, errs []*tokenize.Error, err error) {
	t.Helper()
	require.NoError(t, err)
	for _, err := range errs {
		require.Nil(t, err)
	}
}

// nothing demands that no code was given out, because none is there.
func nothing(t testing.TB, got []code.Retrieved) {
	t.Helper()
	require.NotEmpty(t, got)
	for i := range got {
		require.NotNil(t, got[i].Err, "code %d was given out", i)
		require.ErrorIs(t, got[i].Err, tokenize.ErrTokenNotFound)
	}
}

// gives demands that each code was given out.
func gives(t testing.TB, got []code.Retrieved) {
	t.Helper()
	require.NotEmpty(t, got)
	for i := range got {
		require.Nil(t, got[i].Err)
		require.True(t, got[i].Code.Equal(number(t, i)), "code %d came back as another", i)
	}
}
