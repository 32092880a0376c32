package code_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

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

// hooked is a store in which a test comes between.
type hooked struct {
	code.EphemeralStore
	looked    func()       // after a code was looked up
	read      func()       // after a read was counted
	attempted func()       // after an attempt was counted
	put       func() error // before codes are stored
	wasPut    func(codes []store.Code)
	erase     func() error // before those of a token are erased
	check     error        // of CheckEphemeral
}

func (h *hooked) Code(ctx context.Context, id store.CodeID, now int64) (store.Code, error) {
	c, err := h.EphemeralStore.Code(ctx, id, now)
	if h.looked != nil {
		h.looked()
	}
	return c, err
}

func (h *hooked) ReadCode(ctx context.Context, id store.CodeID, now int64) (store.Code, error) {
	c, err := h.EphemeralStore.ReadCode(ctx, id, now)
	if h.read != nil {
		h.read()
	}
	return c, err
}

func (h *hooked) Attempt(ctx context.Context, id store.CodeID, counter uint16, l store.TryLimits, now int64) (store.Attempt, error) {
	a, err := h.EphemeralStore.Attempt(ctx, id, counter, l, now)
	if h.attempted != nil {
		h.attempted()
	}
	return a, err
}

func (h *hooked) PutCodes(ctx context.Context, codes []store.Code) error {
	if h.put != nil {
		if err := h.put(); err != nil {
			return err
		}
	}
	err := h.EphemeralStore.PutCodes(ctx, codes)
	if h.wasPut != nil {
		h.wasPut(codes)
	}
	return err
}

func (h *hooked) EraseToken(ctx context.Context, scope store.ScopeID, token string) error {
	if h.erase != nil {
		if err := h.erase(); err != nil {
			return err
		}
	}
	return h.EphemeralStore.EraseToken(ctx, scope, token)
}

func (h *hooked) CheckEphemeral(ctx context.Context) error {
	if h.check != nil {
		return h.check
	}
	return h.EphemeralStore.CheckEphemeral(ctx)
}

// all are the codes in a store.
func all(t testing.TB, s store.Codes) (codes []store.Code) {
	for c, err := range s.ScanCodes(t.Context(), store.ScopeID{}) {
		require.NoError(t, err)
		codes = append(codes, c)
	}
	return codes
}
