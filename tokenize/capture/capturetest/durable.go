package capturetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

// RunKeysDurable tries a key store that outlives its process. create makes an empty
// one and returns a function that opens it; each call of that function closes what
// the one before it opened.
func RunKeysDurable(t *testing.T, create func(t *testing.T) (reopen func() capture.KeyStore)) {
	reopen := create(t)
	a, b := key("scope", "alias", "a"), key("scope", "alias", "b")
	s := reopen()
	must(t, s.Put(t.Context(), a, nil))
	must(t, s.Put(t.Context(), b, nil))
	was := b.Sealed
	b.Sealed, b.Retires = []byte("changed"), now
	must(t, s.Put(t.Context(), b, was))
	s = reopen()
	for _, want := range []capture.Key{a, b} {
		got, err := s.Get(t.Context(), "scope", "alias", want.ID)
		must(t, err)
		sameKey(t, want, got)
	}
	all, err := s.List(t.Context(), "scope", "")
	must(t, err)
	equal(t, "keys", 2, len(all))
}

// RunFenced tries a key store that shares its fences with a card store. open gives
// both, empty.
func RunFenced(t *testing.T, open func(t *testing.T) (capture.KeyStore, store.Cards)) {
	t.Run("closed", func(t *testing.T) {
		s, cards := open(t)
		id, other := envelope.NewKeyID(), envelope.NewKeyID()
		k := key("scope", "alias", record(id))
		must(t, s.Put(t.Context(), k, nil))
		must(t, cards.CloseFence(t.Context(), id))
		must(t, cards.CloseFence(t.Context(), other)) // one that nothing opened
		mustBe(t, s.Put(t.Context(), key("scope", "alias", record(id)), nil), store.ErrFenced)
		mustBe(t, s.Put(t.Context(), key("scope", "alias", record(other)), nil), store.ErrFenced)
		got, err := s.Get(t.Context(), "scope", "alias", k.ID)
		must(t, err)
		sameKey(t, k, got)
		n, err := s.CountByKey(t.Context(), id)
		must(t, err)
		equal(t, "keys under the closed data key", 1, n)
		next := k // may still be moved to another data key
		next.Sealed = []byte(record(envelope.NewKeyID()))
		must(t, s.Put(t.Context(), next, k.Sealed))
		n, err = s.CountByKey(t.Context(), id)
		must(t, err)
		equal(t, "keys under the closed data key", 0, n)
	})
	// After CloseFence the count can only fall.
	t.Run("at once", func(t *testing.T) {
		s, cards := open(t)
		for range 8 {
			id := envelope.NewKeyID()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for {
						switch err := s.Put(t.Context(), key("scope", "alias", record(id)), nil); {
						case errors.Is(err, store.ErrFenced):
							return
						case err != nil:
							t.Errorf("Put: %v", err)
							return
						}
					}
				})
			}
			must(t, cards.CloseFence(t.Context(), id))
			n, err := s.CountByKey(t.Context(), id)
			must(t, err)
			wg.Wait()
			after, err := s.CountByKey(t.Context(), id)
			must(t, err)
			equal(t, "keys under the closed data key", n, after)
		}
	})
}
