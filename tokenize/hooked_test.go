package tokenize_test

import (
	"context"
	"iter"
	"sync"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// hooked is a card store that calls a function before each call and after it. An
// error of before stops the call, one of after replaces its answer.
type hooked struct {
	store.Cards
	mu     sync.Mutex
	calls  []string
	before func(op string, call int) error
	after  func(op string, call int) error
}

func (h *hooked) set(before, after func(op string, call int) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls, h.before, h.after = nil, before, after
}

func (h *hooked) made() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls
}

func (h *hooked) enter(op string) (after func() error, err error) {
	h.mu.Lock()
	h.calls = append(h.calls, op)
	n, before, behind := len(h.calls), h.before, h.after
	h.mu.Unlock()
	if before != nil {
		err = before(op, n)
	}
	return func() error {
		if behind == nil {
			return nil
		}
		return behind(op, n)
	}, err
}

// through makes one call with its hooks.
func through[T any](h *hooked, op string, call func() (T, error)) (T, error) {
	var zero T
	after, err := h.enter(op)
	if err != nil {
		return zero, err
	}
	v, err := call()
	if err != nil {
		return zero, err
	}
	if err := after(); err != nil {
		return zero, err
	}
	return v, nil
}

func (h *hooked) Write(ctx context.Context, w []store.Write, j *store.Job) ([]store.Outcome, error) {
	return through(h, "Write", func() ([]store.Outcome, error) { return h.Cards.Write(ctx, w, j) })
}

func (h *hooked) Get(ctx context.Context, s store.ScopeID, tokens []string) ([]store.Row, error) {
	return through(h, "Get", func() ([]store.Row, error) { return h.Cards.Get(ctx, s, tokens) })
}

func (h *hooked) ByIndex(ctx context.Context, s store.ScopeID, v []store.IndexValue) ([][]string, error) {
	return through(h, "ByIndex", func() ([][]string, error) { return h.Cards.ByIndex(ctx, s, v) })
}

func (h *hooked) Ordered(ctx context.Context, s store.ScopeID, prefix string) iter.Seq2[string, error] {
	if _, err := h.enter("Ordered"); err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return h.Cards.Ordered(ctx, s, prefix)
}

func (h *hooked) OpenFence(ctx context.Context, key envelope.KeyID) error {
	_, err := through(h, "OpenFence", func() (struct{}, error) { return struct{}{}, h.Cards.OpenFence(ctx, key) })
	return err
}

func (h *hooked) Job(ctx context.Context, id store.JobID) ([]byte, error) {
	return through(h, "Job", func() ([]byte, error) { return h.Cards.Job(ctx, id) })
}

func (h *hooked) Repositories(ctx context.Context) ([]store.Repository, error) {
	return through(h, "Repositories", func() ([]store.Repository, error) { return h.Cards.Repositories(ctx) })
}

func (h *hooked) CreateRepository(ctx context.Context, r store.Repository) (store.Repository, error) {
	return through(h, "CreateRepository", func() (store.Repository, error) { return h.Cards.CreateRepository(ctx, r) })
}

func (h *hooked) UpdateRepository(ctx context.Context, r store.Repository, needs ...envelope.KeyID) error {
	_, err := through(h, "UpdateRepository", func() (struct{}, error) { return struct{}{}, h.Cards.UpdateRepository(ctx, r, needs...) })
	return err
}

func (h *hooked) EndJob(ctx context.Context, id store.JobID) error {
	_, err := through(h, "EndJob", func() (struct{}, error) { return struct{}{}, h.Cards.EndJob(ctx, id) })
	return err
}

func (h *hooked) Scan(ctx context.Context, s store.ScopeID, after string) iter.Seq2[store.Row, error] {
	if _, err := h.enter("Scan"); err != nil {
		return func(yield func(store.Row, error) bool) { yield(store.Row{}, err) }
	}
	return h.Cards.Scan(ctx, s, after)
}

func (h *hooked) MerchantScope(ctx context.Context, merchant string) (store.ScopeID, error) {
	return through(h, "MerchantScope", func() (store.ScopeID, error) { return h.Cards.MerchantScope(ctx, merchant) })
}

func (h *hooked) AssignMerchant(ctx context.Context, merchant string, s store.ScopeID) error {
	_, err := through(h, "AssignMerchant", func() (struct{}, error) { return struct{}{}, h.Cards.AssignMerchant(ctx, merchant, s) })
	return err
}

func (h *hooked) CountByKey(ctx context.Context, key envelope.KeyID) (uint64, error) {
	return through(h, "CountByKey", func() (uint64, error) { return h.Cards.CountByKey(ctx, key) })
}

func (h *hooked) CloseFence(ctx context.Context, key envelope.KeyID) error {
	_, err := through(h, "CloseFence", func() (struct{}, error) { return struct{}{}, h.Cards.CloseFence(ctx, key) })
	return err
}
