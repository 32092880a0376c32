package keys_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// message is what most tests seal.
const message = "Qz7#kW9~xV2^jB5&"

func additional() *envelope.Additional {
	return &envelope.Additional{
		Field: 1, Record: envelope.RecordID{1, 2, 3}, Owner: "owner-1", Generation: 7,
		Pairs: []envelope.Pair{{Name: "a", Value: "1"}},
	}
}

// world is what outlives a process: a store (none in inline mode) and a KEK.
type world struct {
	store keys.Store
	kek   *keystest.KEK
	kekID envelope.KEKID
}

func newWorld() *world {
	return &world{store: memory.New().Keys(), kek: keystest.NewKEK("kek-1"), kekID: keys.NewKEKID()}
}

func inlineWorld() *world {
	w := newWorld()
	w.store = nil
	return w
}

// worlds are the two modes, by name.
func worlds() map[string]*world {
	return map[string]*world{"stored": newWorld(), "inline": inlineWorld()}
}

// manager is a process of the world. It closes when the test ends.
func (w *world) manager(t testing.TB, o *keys.Options) *keys.Manager {
	return w.managerWith(t, w.kek, o)
}

func (w *world) managerWith(t testing.TB, kek keys.KEK, o *keys.Options) *keys.Manager {
	t.Helper()
	var m *keys.Manager
	var err error
	if w.store == nil {
		m, err = keys.Inline(t.Context(), w.kekID, kek, o)
	} else {
		m, err = keys.Open(t.Context(), w.store, kek, o)
	}
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func (w *world) calls() int { return w.kek.Wraps() + w.kek.Unwraps() }

func scopeOf(t testing.TB, m *keys.Manager, p keys.Purpose, scope string) *keys.Scope {
	t.Helper()
	s, err := m.Scope(p, scope)
	require.NoError(t, err)
	return s
}

// pan is a scope most tests use.
func pan(t testing.TB, m *keys.Manager) *keys.Scope { return scopeOf(t, m, keys.PAN, "shop") }

func seal(t testing.TB, s *keys.Scope) []byte {
	t.Helper()
	record, err := s.Seal(t.Context(), nil, []byte(message), additional())
	require.NoError(t, err)
	return record
}

// opens expects a record to open.
func opens(t testing.TB, s *keys.Scope, record []byte) {
	t.Helper()
	got, err := s.Open(t.Context(), nil, record, additional())
	require.NoError(t, err)
	require.Equal(t, message, string(got))
}

// refuses expects a record not to open, with the kinds given.
func refuses(t testing.TB, s *keys.Scope, record []byte, a *envelope.Additional, kinds ...error) {
	t.Helper()
	got, err := s.Open(t.Context(), []byte("kept"), record, a)
	assert.Nil(t, got)
	for _, kind := range append(kinds, envelope.ErrOpen) {
		assert.ErrorIs(t, err, kind)
	}
}

func header(t testing.TB, record []byte) envelope.Header {
	t.Helper()
	h, err := envelope.Inspect(record)
	require.NoError(t, err)
	return h
}

func keyOf(t testing.TB, record []byte) keys.KeyID { return header(t, record).Reference.KeyID }
func saltOf(t testing.TB, record []byte) envelope.Salt {
	return envelope.Salt(header(t, record).Salt)
}

// records lists a ring and expects at most one active key in it.
func records(t testing.TB, s keys.Store, p keys.Purpose) (all []keys.Record, active int) {
	t.Helper()
	all, _, err := s.List(context.WithoutCancel(t.Context()), keys.RingID{Environment: "production", Purpose: p})
	require.NoError(t, err)
	for _, r := range all {
		if r.State == keys.Active {
			active++
		}
	}
	require.LessOrEqual(t, active, 1, "active keys")
	return all, active
}

// setState changes a key's state in the store, as an operator would.
func setState(t testing.TB, s keys.Store, id keys.KeyID, to keys.State) {
	t.Helper()
	rec, err := s.Get(t.Context(), id)
	require.NoError(t, err)
	_, version, err := s.List(t.Context(), rec.Ring)
	require.NoError(t, err)
	rec.State = to
	require.NoError(t, s.CompareAndSwap(t.Context(), rec.Ring, version, []keys.Record{rec}))
}

// hookStore counts the calls to a key store and lets a test fail or delay them,
// before they happen or after they did.
type hookStore struct {
	keys.Store
	mu            sync.Mutex
	ops           []string
	before, after func(ctx context.Context, op string, call int) error
}

func (h *hookStore) count(op string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.ops {
		if o == op {
			n++
		}
	}
	return n
}

func (h *hookStore) hooks(before, after func(ctx context.Context, op string, call int) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.after = before, after
}

// fail makes every call fail; nil ends that.
func (h *hookStore) fail(err error) {
	h.hooks(func(context.Context, string, int) error { return err }, nil)
}

func (h *hookStore) call(ctx context.Context, op string, f func() error) error {
	h.mu.Lock()
	h.ops = append(h.ops, op)
	n, before, after := len(h.ops), h.before, h.after
	h.mu.Unlock()
	if before != nil {
		if err := before(ctx, op, n); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	if after != nil {
		return after(ctx, op, n)
	}
	return nil
}

func (h *hookStore) Get(ctx context.Context, id keys.KeyID) (rec keys.Record, err error) {
	err = h.call(ctx, "get", func() (err error) { rec, err = h.Store.Get(ctx, id); return })
	return rec, err
}

func (h *hookStore) List(ctx context.Context, ring keys.RingID) (list []keys.Record, version uint64, err error) {
	err = h.call(ctx, "list", func() (err error) { list, version, err = h.Store.List(ctx, ring); return })
	return list, version, err
}

func (h *hookStore) CompareAndSwap(ctx context.Context, ring keys.RingID, version uint64, put []keys.Record) error {
	return h.call(ctx, "swap", func() error { return h.Store.CompareAndSwap(ctx, ring, version, slices.Clone(put)) })
}

// hooked puts a hookStore before the world's store.
func (w *world) hooked() *hookStore {
	h := &hookStore{Store: w.store}
	w.store = h
	return h
}

// patient are options under which nothing ends while a test runs in a bubble.
func patient() *keys.Options {
	return &keys.Options{SealLease: time.Hour, CacheLife: 24 * time.Hour, RenewAge: 24 * time.Hour}
}
