package tokenize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// tokenService is a network: it carries out what it is told, and keeps the state
// that it was told last.
type tokenService struct {
	mu     sync.Mutex
	asked  []tokenize.SchemeActionRequest
	answer func(context.Context, tokenize.SchemeActionRequest) error
}

func (s *tokenService) Act(ctx context.Context, q tokenize.SchemeActionRequest) error {
	s.mu.Lock()
	s.asked = append(s.asked, q)
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx, q)
}

func (s *tokenService) says(answer func(context.Context, tokenize.SchemeActionRequest) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *tokenService) take() []tokenize.SchemeActionRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// last is the action it was asked for last.
func (s *tokenService) last() tokenize.SchemeAction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1].Action
}

// acting is a vault with a token service and a token with a scheme token.
func acting(t *testing.T, w *world) (*world, *tokenService, *tokenize.Repository, string) {
	s := &tokenService{}
	w = newWorld(t, w.db, &tokenize.Options{TokenService: s, ServiceTimeout: 5 * time.Second})
	r := w.schemes()
	d := w.save(r, req(t, visa))
	w.set(r, attach(t, d.Token, netToken))
	w.sink.take()
	return w, s, r, d.Token
}

func TestSchemeActions(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		w, s, r, token := acting(t, w)
		want := tokenize.SchemeToken{Expiry: card.Expiry{Month: 3, Year: 2031}, PAR: par}
		for _, step := range []struct {
			action tokenize.SchemeAction
			status tokenize.SchemeStatus
		}{
			{tokenize.ActivateScheme, tokenize.SchemeActive}, {tokenize.SuspendScheme, tokenize.SchemeSuspended},
			{tokenize.SuspendScheme, tokenize.SchemeSuspended}, {tokenize.ActivateScheme, tokenize.SchemeActive},
		} {
			want.Status = step.status
			got, err := r.ActOnSchemeToken(t.Context(), requestor, token, step.action)
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = r.SchemeToken(t.Context(), requestor, token)
			require.NoError(t, err)
			require.Equal(t, want, got)
			asked := s.take()
			require.Len(t, asked, 1, "whatever is stored, the service is asked")
			require.True(t, asked[0].Number.Equal(number(t, netToken)))
			require.Equal(t, fmt.Sprint(step.action, want.Expiry, par, r.Config().ID, "SHOP1", token),
				fmt.Sprint(asked[0].Action, asked[0].Expiry, asked[0].PAR, asked[0].Repository, asked[0].Requestor, asked[0].Token))
			noDigits(t, strings.ReplaceAll(fmt.Sprintf("%v %+v %#v", asked, asked[0], asked[0]), token, "")) // which was drawn
			_, err = r.RevealSchemeToken(t.Context(), requestor, token, "payment")
			if step.status == tokenize.SchemeSuspended {
				require.Equal(t, "SUSPENDED", fails(t, err, tokenize.RequestRejected, "schemeToken", nil).SupportCode)
			} else {
				require.NoError(t, err)
			}
		}

		got, err := r.ActOnSchemeToken(t.Context(), requestor, token, tokenize.DeleteScheme)
		require.NoError(t, err)
		require.Equal(t, tokenize.SchemeToken{Status: tokenize.SchemeDeleted}, got)
		row := w.row(r, token)
		require.Len(t, row.Sealed, 1)
		require.Empty(t, row.Scheme.PAR)
		require.Zero(t, row.Scheme.Expiry)
		s.take()
		_, err = r.ActOnSchemeToken(t.Context(), requestor, token, tokenize.DeleteScheme)
		require.NoError(t, err, "sent again")
		for _, a := range []tokenize.SchemeAction{tokenize.ActivateScheme, tokenize.SuspendScheme} {
			_, err = r.ActOnSchemeToken(t.Context(), requestor, token, a)
			fails(t, err, tokenize.RequestRejected, "schemeToken", tokenize.ErrSchemeDeleted)
		}
		require.Empty(t, s.take())
		w.holds(r, token, visa)

		// Without a token service there are no actions.
		w.set(r, attach(t, token, netToken2))
		_, err = w.other(r).ActOnSchemeToken(t.Context(), requestor, token, tokenize.SuspendScheme)
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "schemeAction", nil).Kind)
	})
}

// What the service does not confirm is not written, and its words are not passed on.
func TestTokenServiceFails(t *testing.T) {
	w, s, r, token := acting(t, inMemory(t))
	before := w.dump(r)
	for name, c := range map[string]struct {
		answer func(context.Context, tokenize.SchemeActionRequest) error
		cause  tokenize.Cause
		field  string
		is     error
	}{
		"error": {func(_ context.Context, q tokenize.SchemeActionRequest) error {
			return errors.New(string(q.Number.AppendDigits(nil)))
		}, tokenize.ServerBusy, "", nil},
		"panic": {func(_ context.Context, q tokenize.SchemeActionRequest) error {
			panic(string(q.Number.AppendDigits(nil)))
		}, tokenize.ServerBusy, "", nil},
		"refusal": {func(_ context.Context, q tokenize.SchemeActionRequest) error {
			return fmt.Errorf("%s: %w", q.Number.AppendDigits(nil), tokenize.ErrSchemeRefused)
		}, tokenize.RequestRejected, "schemeAction", tokenize.ErrSchemeRefused},
	} {
		s.says(c.answer)
		for _, a := range []tokenize.SchemeAction{tokenize.ActivateScheme, tokenize.DeleteScheme} {
			_, err := r.ActOnSchemeToken(t.Context(), requestor, token, a)
			fails(t, err, c.cause, c.field, c.is)
			noDigits(t, fmt.Sprintf("%v %+v %#v %v", err, err, err, unwrap(err)))
		}
		noDigits(t, name+told(t, w.sink.take()))
		require.Equal(t, before, w.dump(r))
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.says(func(context.Context, tokenize.SchemeActionRequest) error { cancel(); return ctx.Err() })
	_, err := r.ActOnSchemeToken(ctx, requestor, token, tokenize.SuspendScheme)
	fails(t, err, tokenize.ServerBusy, "", context.Canceled)
	require.Equal(t, before, w.dump(r))
}

func TestHangingTokenService(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, s, r, token := acting(t, &world{TB: t, db: memory.New()})
		s.says(func(ctx context.Context, _ tokenize.SchemeActionRequest) error { <-ctx.Done(); return nil })
		start := time.Now()
		_, err := r.ActOnSchemeToken(t.Context(), requestor, token, tokenize.SuspendScheme)
		require.Equal(t, "TOKEN_SERVICE", fails(t, err, tokenize.ServerBusy, "", nil).SupportCode)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

// The process dies between the service's answer and the write, at each of the
// store's calls: the stored status is the old one, and the same call mends it.
func TestSchemeActionInterrupted(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		w, s, r, token := acting(t, w)
		for _, a := range []tokenize.SchemeAction{tokenize.SuspendScheme, tokenize.ActivateScheme, tokenize.DeleteScheme} {
			sweep(t, w, r, func() error {
				_, err := r.ActOnSchemeToken(t.Context(), requestor, token, a)
				return err
			}, errInjected, tokenize.ServerFailed)
			require.GreaterOrEqual(t, len(s.take()), 2, "asked again")
			got, err := r.SchemeToken(t.Context(), requestor, token)
			require.NoError(t, err)
			require.Equal(t, map[tokenize.SchemeAction]tokenize.SchemeStatus{tokenize.SuspendScheme: tokenize.SchemeSuspended,
				tokenize.ActivateScheme: tokenize.SchemeActive, tokenize.DeleteScheme: tokenize.SchemeDeleted}[a], got.Status)
		}
	})
}

// Two actions at once: what is stored is what the service was told last.
func TestSchemeActionsAtOnce(t *testing.T) {
	w, s, r, token := acting(t, inMemory(t))
	done := map[tokenize.SchemeAction]tokenize.SchemeStatus{
		tokenize.SuspendScheme: tokenize.SchemeSuspended, tokenize.ActivateScheme: tokenize.SchemeActive,
	}
	for range 50 {
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			a := []tokenize.SchemeAction{tokenize.SuspendScheme, tokenize.ActivateScheme}[i%2]
			wg.Go(func() { _, errs[i] = r.ActOnSchemeToken(t.Context(), requestor, token, a) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		got, err := r.SchemeToken(t.Context(), requestor, token)
		require.NoError(t, err)
		require.Equal(t, done[s.last()], got.Status)
	}
	require.Equal(t, netToken, func() string {
		_, err := r.ActOnSchemeToken(t.Context(), requestor, token, tokenize.ActivateScheme)
		require.NoError(t, err)
		return w.network(r, token)
	}())
}
