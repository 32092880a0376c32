package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/internal/pad"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// Cards that gateways publish for tests.
const (
	visa   = "4111111111111111"
	master = "5555555555554444"
	canary = "6011000990139424"
	hidden = "099013" // what the canary's mask hides
)

// The pad of the tests has no zero nibble: with a random one a digit would sometimes
// lie in memory as it is.
func TestMain(m *testing.M) {
	for i := range pad.Value {
		pad.Value[i] = []byte{0x95, 0x3c, 0xe7, 0x51, 0xab, 0x6d, 0xf2}[i%7]
	}
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var me = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}

// world is a vault on a memory store. Each process of it has keys of its own in memory.
type world struct {
	testing.TB
	db    *memory.DB
	kek   *keystest.KEK
	cards *failing
	sink  *events
}

func newWorld(t testing.TB) *world {
	db := memory.New()
	return &world{TB: t, db: db, kek: keystest.NewKEK("test"), cards: &failing{Cards: db.Cards()}, sink: &events{}}
}

// repo is the repository as a process that has just started has it.
func (w *world) repo(g tokenize.Generation, m tokenize.Management) *tokenize.Repository {
	w.Helper()
	k, err := keys.Open(w.Context(), w.db.Keys(), w.kek, nil)
	require.NoError(w, err)
	w.Cleanup(func() { k.Close() })
	v, err := tokenize.Open(w.Context(), w.cards, k, &tokenize.Options{Audit: w.sink})
	require.NoError(w, err)
	r, err := v.EnsureRepository(w.Context(), tokenize.Config{ID: fmt.Sprintf("SHOP-%d-%d", g, m), Generation: g, Management: m})
	require.NoError(w, err)
	return r
}

// failing is a card store whose call number at fails, before or after it took effect.
type failing struct {
	store.Cards
	mu    sync.Mutex
	calls int
	at    int
	after bool
}

var (
	errInjected = fmt.Errorf("disk %s: %w", canary, store.ErrUnavailable)
	errLost     = fmt.Errorf("wire %s: %w", canary, store.ErrOutcomeUnknown)
)

func (f *failing) set(at int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.at, f.after = 0, at, after
}

// spent reports whether the fault has come.
func (f *failing) spent() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls >= f.at
}

func (f *failing) enter() (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	switch {
	case f.calls != f.at:
		return nil, nil
	case f.after:
		return nil, errLost
	}
	return errInjected, nil
}

func through[T any](f *failing, call func() (T, error)) (v T, err error) {
	before, after := f.enter()
	if before != nil {
		return v, before
	}
	if v, err = call(); after != nil {
		var zero T
		return zero, after
	}
	return v, err
}

func (f *failing) Write(ctx context.Context, w []store.Write, j *store.Job) ([]store.Outcome, error) {
	return through(f, func() ([]store.Outcome, error) { return f.Cards.Write(ctx, w, j) })
}

func (f *failing) Get(ctx context.Context, s store.ScopeID, tokens []string) ([]store.Row, error) {
	return through(f, func() ([]store.Row, error) { return f.Cards.Get(ctx, s, tokens) })
}

func (f *failing) ByIndex(ctx context.Context, s store.ScopeID, v []store.IndexValue) ([][]string, error) {
	return through(f, func() ([][]string, error) { return f.Cards.ByIndex(ctx, s, v) })
}

func (f *failing) Job(ctx context.Context, id store.JobID) ([]byte, error) {
	return through(f, func() ([]byte, error) { return f.Cards.Job(ctx, id) })
}

func (f *failing) Scan(ctx context.Context, s store.ScopeID, after string) iter.Seq2[store.Row, error] {
	if before, late := f.enter(); before != nil || late != nil {
		return func(yield func(store.Row, error) bool) { yield(store.Row{}, errInjected) }
	}
	return f.Cards.Scan(ctx, s, after)
}

// events is an audit sink that can be told to fail.
type events struct {
	mu  sync.Mutex
	all []audit.Event
	err error
}

func (s *events) Record(_ context.Context, e []audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.all = append(s.all, e...)
	}
	return s.err
}

// list is a source of records in memory. The call of yield numbered at fails.
type list struct {
	records []transfer.Record
	yields  int
	at      int
}

var errSource = errors.New("source is away, it was at " + canary)

func (l *list) Records(ctx context.Context, after []byte) iter.Seq2[transfer.Record, error] {
	return func(yield func(transfer.Record, error) bool) {
		for i := l.behind(after); i < len(l.records) && ctx.Err() == nil; i++ {
			if l.yields++; l.yields == l.at {
				yield(transfer.Record{}, errSource)
				return
			}
			if !yield(l.records[i], nil) {
				return
			}
		}
	}
}

func (l *list) behind(after []byte) int {
	if after == nil {
		return 0
	}
	return 1 + slices.IndexFunc(l.records, func(r transfer.Record) bool { return string(r.Position) == string(after) })
}

// row is the position of record n.
func row(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

// counted is the n-th of many Luhn-valid numbers of a test range.
func counted(n int) card.PAN {
	digits := fmt.Appendf(nil, "400000%09d", n)
	check, err := card.CheckDigit(digits)
	if err != nil {
		panic(err)
	}
	return number(string(append(digits, check)))
}

func number(digits string) card.PAN {
	pan, err := card.ParsePAN(digits)
	if err != nil {
		panic(err)
	}
	return pan
}

// results keeps what an import tells, and demands that what comes twice is the same.
type results struct {
	testing.TB
	order  []string
	tokens map[string]string
	errs   map[string]*tokenize.Error
	calls  int
	at     int // the call that fails, having kept what it was given
}

func newResults(t testing.TB) *results {
	return &results{TB: t, tokens: map[string]string{}, errs: map[string]*tokenize.Error{}}
}

// address is where the error behind a printed one lies, which may be anywhere.
var address = regexp.MustCompile(`(\(\*[^()]*\)\(|err:)0x[0-9a-f]+`)

var errResults = errors.New("results are away: " + canary)

func (s *results) take(_ context.Context, batch []transfer.Result) error {
	for _, r := range batch {
		p := string(r.Position)
		if i := slices.Index(s.order, p); i < 0 {
			s.order = append(s.order, p)
		} else {
			require.Equal(s, s.tokens[p], r.Token, "record %s has another token", p)
			require.Equal(s, s.errs[p] == nil, r.Err == nil)
			if r.Err != nil {
				require.Equal(s, s.errs[p].Error(), r.Err.Error())
			}
		}
		s.tokens[p], s.errs[p] = r.Token, r.Err
		if r.Err != nil {
			require.Empty(s, r.Token)
			require.NotContains(s, address.ReplaceAllString(fmt.Sprintf("%+v %#v", *r.Err, r.Err), "${1}"), hidden)
		}
	}
	if s.calls++; s.calls == s.at {
		return errResults
	}
	return nil
}

// all are the repository's tokens.
func all(t testing.TB, r *tokenize.Repository) (tokens []string) {
	t.Helper()
	require.NoError(t, r.Each(t.Context(), me, "", func(d tokenize.Details) bool { tokens = append(tokens, d.Token); return true }))
	return tokens
}

// holds demands that a token's card is the one with this number.
func holds(t testing.TB, r *tokenize.Repository, token string, pan card.PAN) {
	t.Helper()
	got, err := r.Reveal(t.Context(), me, token, "test")
	require.NoError(t, err)
	require.True(t, got.Number.Equal(pan), "%s holds another card", token)
}
