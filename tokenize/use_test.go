package tokenize_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A reveal is a use: it is written down once a minute and token, and not at all
// where nothing was given out.
func TestRevealIsAUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		a, b := w.save(r, req(t, visa)), w.save(r, req(t, amex))
		frozen := w.save(r, req(t, master))
		frozen, err := r.Suspend(t.Context(), me, frozen.Token)
		require.NoError(t, err)
		writes := func() int {
			w.cards.set(nil, nil)
			out, err := r.RevealBatch(t.Context(), me, []string{a.Token, b.Token, frozen.Token, a.Token, "?"}, "settlement")
			require.NoError(t, err)
			require.Nil(t, out[0].Err)
			require.Nil(t, out[3].Err)
			n := 0
			for _, op := range w.cards.made() {
				if op == "Write" {
					n++
				}
			}
			return n
		}
		require.Zero(t, writes(), "saved within the minute")
		time.Sleep(time.Minute - time.Millisecond)
		require.Zero(t, writes())
		time.Sleep(time.Millisecond)
		require.Equal(t, 2, writes(), "once, and once more without the token that came twice")
		require.Zero(t, writes())
		for _, d := range []tokenize.Details{a, b} {
			got, err := r.Get(t.Context(), me, d.Token)
			require.NoError(t, err)
			require.Equal(t, d.LastUsed.Add(time.Minute), got.LastUsed)
			require.Equal(t, d.Version+1, got.Version)
			require.Equal(t, d.Updated, got.Updated, "a use is no update")
		}
		got, err := r.Get(t.Context(), me, frozen.Token)
		require.NoError(t, err)
		require.Equal(t, frozen.Version, got.Version)
		require.Equal(t, frozen.LastUsed, got.LastUsed)
	})
}

// Whatever becomes of the note, the card is given out; others are not undone by it.
func TestUseThatIsNotNoted(t *testing.T) {
	for name, broken := range map[string]error{
		"away": store.ErrUnavailable, "read-only": store.ErrReadOnly, "lost": store.ErrOutcomeUnknown, "full": store.ErrFull,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, memory.New(), nil)
				r := w.repo(tokenize.UUID, tokenize.UniqueToken)
				d := w.save(r, req(t, visa))
				time.Sleep(time.Hour)
				w.cards.set(func(op string, _ int) error {
					if op == "Write" {
						return broken
					}
					return nil
				}, nil)
				w.holds(r, d.Token, visa)
				require.Contains(t, w.cards.made(), "Write")
			})
		})
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		other := w.other(r)
		a, b := w.save(r, req(t, visa)), w.save(r, req(t, amex))
		time.Sleep(time.Hour)
		once := true
		w.cards.set(func(op string, _ int) error {
			if op == "Write" && once {
				once = false
				_, err := other.Suspend(t.Context(), me, a.Token)
				return err
			}
			return nil
		}, nil)
		out, err := r.RevealBatch(t.Context(), me, []string{a.Token, b.Token}, "settlement")
		require.NoError(t, err)
		require.Nil(t, out[0].Err, "it was active when it was looked at")
		require.False(t, once)
		require.Equal(t, tokenize.Suspended, tokenize.Status(w.row(r, a.Token).Status), "the note undid a suspension")
		require.Equal(t, a.LastUsed.UnixMilli(), w.row(r, a.Token).LastUsed)
		require.Equal(t, b.LastUsed.Add(time.Hour).UnixMilli(), w.row(r, b.Token).LastUsed, "the other token's note")
	})
}

// A Get uses no key; the holder's name does, is recorded, and is given out only then.
func TestGetWithHolder(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	q := req(t, visa)
	q.Card.Holder, q.Card.Email = canaryHolder, "q@example.com"
	d := w.save(r, q)
	bare := w.save(r, req(t, amex))
	fresh := w.other(r) // has no key yet
	w.kek.SetError(keys.ErrUnavailable)
	_, err := fresh.Get(t.Context(), me, d.Token)
	require.NoError(t, err)
	_, _, err = fresh.GetWithHolder(t.Context(), me, d.Token)
	fails(t, err, tokenize.ServerBusy, "", keys.ErrUnavailable)
	w.kek.SetError(nil)
	_, holder, err := fresh.GetWithHolder(t.Context(), me, d.Token)
	require.NoError(t, err)
	require.Equal(t, canaryHolder, holder)

	w.sink.take()
	got, holder, err := r.GetWithHolder(t.Context(), me, bare.Token)
	require.NoError(t, err)
	require.Empty(t, holder)
	require.Equal(t, bare.Token, got.Token)
	_, _, err = r.GetWithHolder(t.Context(), me, d.Token)
	require.NoError(t, err)
	events := w.sink.take()
	require.True(t, slices.ContainsFunc(events, func(e audit.Event) bool {
		return e.Action == audit.Holder && e.Outcome == audit.Done && e.Token == d.Token && e.Owner == "clerk"
	}))
	w.sink.fail(store.ErrUnavailable)
	got, holder, err = r.GetWithHolder(t.Context(), me, d.Token)
	fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
	require.Empty(t, holder)
	require.Zero(t, got)
	w.sink.fail(nil)
	_, _, err = r.GetWithHolder(t.Context(), tokenize.Caller{Permissions: tokenize.MayReveal}, d.Token)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
}

// The details that an updater called bad are good once number or expiry come anew,
// and not for any other change.
func TestInvalidUntilUpdated(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	q := req(t, visa)
	d := w.save(r, q)
	for name, c := range map[string]struct {
		change func(q *tokenize.SaveRequest)
		valid  bool
	}{
		"refresh":      {func(*tokenize.SaveRequest) {}, false},
		"holder":       {func(q *tokenize.SaveRequest) { q.Card.Holder = "X" }, false},
		"e-mail":       {func(q *tokenize.SaveRequest) { q.Card.Email = "a@b" }, false},
		"token expiry": {func(q *tokenize.SaveRequest) { q.TokenExpiry = tokenize.Date{Year: 2090, Month: 1, Day: 1} }, false},
		"expiry":       {func(q *tokenize.SaveRequest) { q.Card.Expiry.Month, q.Card.Expiry.Year = 2, 2040 }, true},
		"number":       {func(q *tokenize.SaveRequest) { q.Card.Number = number(t, visa) }, true},
	} {
		_, err := r.SetValid(t.Context(), me, d.Token, false)
		require.NoError(t, err)
		u := tokenize.SaveRequest{Caller: me, Token: d.Token}
		c.change(&u)
		require.Equal(t, c.valid, w.save(r, u).Valid, name)
		_, err = r.Reveal(t.Context(), me, d.Token, "settlement")
		if c.valid {
			require.NoError(t, err, name)
			continue
		}
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenInvalid)
	}
}
