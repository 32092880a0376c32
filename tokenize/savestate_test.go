package tokenize_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// A save that brings a state along leaves no moment in which the token gives its
// card, whether it is new or was there.
func TestSaveBringsState(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
		for name, c := range map[string]struct {
			set   func(q *tokenize.SaveRequest)
			is    error
			event audit.Action
			needs tokenize.Permission
		}{
			"suspended": {func(q *tokenize.SaveRequest) { q.Suspended = true }, tokenize.ErrTokenSuspended, audit.Suspend, tokenize.MaySuspend},
			"invalid":   {func(q *tokenize.SaveRequest) { q.Invalid = true }, tokenize.ErrTokenInvalid, audit.Validity, tokenize.MayUpdate},
		} {
			for _, there := range []bool{false, true} {
				q := with(t, name, visa)
				if there {
					w.save(r, q)
				}
				c.set(&q)
				w.sink.take()
				d := w.save(r, q)
				require.Equal(t, c.is != tokenize.ErrTokenInvalid, d.Valid)
				require.Equal(t, c.is == tokenize.ErrTokenSuspended, d.Status == tokenize.Suspended)
				events := w.sink.take()
				require.Len(t, events, 2)
				require.Equal(t, c.event, events[1].Action)
				require.Equal(t, audit.Done, events[1].Outcome)
				require.Equal(t, name, events[1].Token)
				got, err := r.Get(t.Context(), me, name)
				require.NoError(t, err)
				require.Equal(t, d.Valid, got.Valid)
				require.Equal(t, d.Status, got.Status)
				require.Equal(t, d.Version, got.Version)
				_, err = r.Reveal(t.Context(), me, name, "settlement")
				require.ErrorIs(t, err, c.is)
				w.sink.take()

				// The same again changes nothing, and is told as such.
				require.Equal(t, tokenize.Existing, w.save(r, q).Outcome)
				require.Len(t, w.sink.take(), 1)

				q.Caller.Permissions &^= c.needs
				_, err = r.Save(t.Context(), q)
				fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)

				_, err = r.Activate(t.Context(), me, name)
				require.NoError(t, err)
				w.save(r, with(t, name, visa))
				w.holds(r, name, visa)
			}
			require.NoError(t, r.Delete(t.Context(), me, name))
		}
	})
}

// The state is part of what an idempotency key stands for.
func TestStateUnderIdempotencyKey(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	q := req(t, visa)
	q.IdempotencyKey, q.Suspended = "k", true
	d := w.save(r, q)
	require.Equal(t, d.Token, w.save(r, q).Token)
	for _, change := range []func(){func() { q.Suspended, q.Invalid = false, true }, func() { q.Invalid = false }} {
		change()
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
	}
}

// A step that the rate hook refuses is not carried out: written down as refused, its
// row would be passed over for good.
func TestStepWaitsForSaveLimit(t *testing.T) {
	slow := errors.New("slow down")
	w := newWorld(t, memory.New(), &tokenize.Options{SaveLimit: func(_ context.Context, _ tokenize.Caller, _, lastFour string) error {
		if lastFour == "4444" {
			return slow
		}
		return nil
	}})
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	j, err := r.JobOf(t.Context(), me, "import", strings.NewReader("file"))
	require.NoError(t, err)
	_, err = r.SaveStep(t.Context(), j, []byte{1}, []tokenize.SaveRequest{req(t, visa), req(t, master)})
	fails(t, err, tokenize.ServerBusy, "", slow)
	_, found, err := r.LastStep(t.Context(), me, j)
	require.NoError(t, err)
	require.False(t, found)
	require.Empty(t, w.all(r))
}
