// Package capturetest is the conformance suite of stores of capture keys
// ([RunKeys]; [RunFenced] for those beside a card store, [RunKeysDurable] for those
// that outlive their process) and of memories of messages ([RunReplays]). A store's
// own tests call it.
//
// When not to use it: outside tests. It imports package testing.
package capturetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

var now = time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)

func key(scope, alias string, sealed string) capture.Key {
	return capture.Key{
		Scope: scope, Alias: alias, ID: cryptocapture.NewKeyID(),
		Created: now, Retires: now.Add(time.Hour), Sealed: []byte(sealed),
	}
}

// record stands for a record in stored mode: its header, and no more that matters.
func record(id envelope.KeyID) string {
	return "\x01\x01" + string(id[:]) + strings.Repeat("r", 100)
}

// RunKeys tries a key store; each call of open gives an empty one.
func RunKeys(t *testing.T, open func(t *testing.T) capture.KeyStore) {
	t.Run("Get", func(t *testing.T) {
		s := open(t)
		k := key("scope", "alias", "sealed\x00\xff")
		sealed := slices.Clone(k.Sealed)
		must(t, s.Put(t.Context(), k, nil))
		clear(k.Sealed) // the store has a copy
		got, err := s.Get(t.Context(), "scope", "alias", k.ID)
		must(t, err)
		k.Sealed = sealed
		sameKey(t, k, got)
		clear(got.Sealed)
		got, err = s.Get(t.Context(), "scope", "alias", k.ID)
		must(t, err)
		sameKey(t, k, got)
		for _, other := range []capture.Key{
			{Scope: "scope2", Alias: "alias", ID: k.ID}, {Scope: "scope", Alias: "Alias", ID: k.ID}, {Scope: "SCOPE", Alias: "alias", ID: k.ID},
			{Scope: "scope", Alias: "alias", ID: cryptocapture.NewKeyID()}, {Scope: "scopea", Alias: "lias", ID: k.ID}, {Scope: "", Alias: "alias", ID: k.ID},
		} {
			_, err := s.Get(t.Context(), other.Scope, other.Alias, other.ID)
			mustBe(t, err, store.ErrNotFound)
		}
	})
	t.Run("Put replaces", func(t *testing.T) {
		s := open(t)
		k := key("scope", "alias", "one")
		mustBe(t, s.Put(t.Context(), k, []byte("one")), store.ErrConflict)
		must(t, s.Put(t.Context(), k, nil))
		mustBe(t, s.Put(t.Context(), k, nil), store.ErrConflict)
		next := k
		next.Sealed, next.Retires = []byte(strings.Repeat("two", 1000)), now.Add(time.Minute)
		for _, was := range []string{"", "ones", "on", "two"} {
			mustBe(t, s.Put(t.Context(), next, []byte(was)), store.ErrConflict)
		}
		got, err := s.Get(t.Context(), "scope", "alias", k.ID)
		must(t, err)
		sameKey(t, k, got)
		must(t, s.Put(t.Context(), next, k.Sealed))
		got, err = s.Get(t.Context(), "scope", "alias", k.ID)
		must(t, err)
		sameKey(t, next, got)
		all, err := s.List(t.Context(), "scope", "alias")
		must(t, err)
		equal(t, "keys", 1, len(all))
	})
	t.Run("Put at once", func(t *testing.T) {
		s := open(t)
		k := key("scope", "alias", "one")
		must(t, s.Put(t.Context(), k, nil))
		var wg sync.WaitGroup
		var done, changed atomic.Int64
		for i := range 16 {
			wg.Go(func() {
				next := k
				next.Sealed = []byte{byte(i)}
				switch err := s.Put(t.Context(), next, k.Sealed); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, store.ErrConflict):
					changed.Add(1)
				}
			})
		}
		wg.Wait()
		equal(t, "done, changed", [2]int64{1, 15}, [2]int64{done.Load(), changed.Load()})
	})
	t.Run("List", func(t *testing.T) {
		s := open(t)
		a, b, c, d := key("scope", "alias", "a"), key("scope", "alias", "b"), key("scope", "alias2", "c"), key("scope2", "alias", "d")
		for _, k := range []capture.Key{a, b, c, d} {
			must(t, s.Put(t.Context(), k, nil))
		}
		for _, c := range []struct {
			scope, alias string
			want         []capture.Key
		}{
			{"scope", "alias", []capture.Key{a, b}}, {"scope", "", []capture.Key{a, b, c}}, {"scope2", "", []capture.Key{d}},
			{"scope", "alia", nil}, {"", "", nil}, {"", "alias", nil}, {"scope2", "alias2", nil},
		} {
			got, err := s.List(t.Context(), c.scope, c.alias)
			must(t, err)
			equal(t, "keys", len(c.want), len(got))
			for _, want := range c.want {
				i := slices.IndexFunc(got, func(k capture.Key) bool { return k.ID == want.ID })
				if i < 0 {
					t.Fatal("a key is missing")
				}
				sameKey(t, want, got[i])
			}
		}
	})
	t.Run("refused", func(t *testing.T) {
		s := open(t)
		long := strings.Repeat("x", store.MaxName+1)
		for _, k := range []capture.Key{key("", "alias", "one"), key("scope", "", "one"), key(long, "alias", "one"), key("scope", long, "one")} {
			var e *store.InvalidError
			if err := s.Put(t.Context(), k, nil); !errors.As(err, &e) {
				t.Errorf("Put: %v, want an InvalidError", err)
			}
		}
	})
	t.Run("CountByKey", func(t *testing.T) {
		s := open(t)
		a, b := envelope.NewKeyID(), envelope.NewKeyID()
		one := key("scope", "alias", record(a))
		for _, k := range []capture.Key{
			one, key("scope", "alias", record(a)), key("scope2", "alias", record(a)), key("scope", "alias", record(b)),
			key("scope", "alias", "no record in stored mode"),
		} {
			must(t, s.Put(t.Context(), k, nil))
		}
		next := one
		next.Sealed = []byte(record(b))
		must(t, s.Put(t.Context(), next, one.Sealed))
		for id, want := range map[envelope.KeyID]uint64{a: 2, b: 2, envelope.NewKeyID(): 0} {
			n, err := s.CountByKey(t.Context(), id)
			must(t, err)
			equal(t, "keys under a data key", want, n)
		}
	})
	t.Run("ended context", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		k := key("scope", "alias", "one")
		mustBe(t, s.Put(ctx, k, nil), context.Canceled)
		_, err := s.Get(ctx, "scope", "alias", k.ID)
		mustBe(t, err, context.Canceled)
		_, err = s.List(ctx, "scope", "alias")
		mustBe(t, err, context.Canceled)
		_, err = s.CountByKey(ctx, envelope.NewKeyID())
		mustBe(t, err, context.Canceled)
		_, err = s.Get(t.Context(), "scope", "alias", k.ID)
		mustBe(t, err, store.ErrNotFound)
	})
}

func sameKey(t *testing.T, want, got capture.Key) {
	t.Helper()
	equal(t, "scope", want.Scope, got.Scope)
	equal(t, "alias", want.Alias, got.Alias)
	equal(t, "ID", want.ID, got.ID)
	equal(t, "created", want.Created.UnixNano(), got.Created.UnixNano())
	equal(t, "retires", want.Retires.UnixNano(), got.Retires.UnixNano())
	equal(t, "sealed", string(want.Sealed), string(got.Sealed))
}

func equal[T comparable](t *testing.T, what string, want, got T) {
	t.Helper()
	if want != got {
		t.Fatalf("%s: want %v, got %v", what, want, got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("want %v, got %v", want, err)
	}
}

// RunReplays tries a memory of messages; each call of open gives an empty one.
func RunReplays(t *testing.T, open func(t *testing.T) capture.ReplayStore) {
	replay := func(digest byte) capture.Replay {
		r := capture.Replay{Scope: "scope", Until: time.Now().Add(capture.ReplayLife)}
		r.Digest[31] = digest
		return r
	}
	t.Run("once", func(t *testing.T) {
		s := open(t)
		must(t, s.Insert(t.Context(), replay(1)))
		must(t, s.Insert(t.Context(), replay(2)))
		for range 2 {
			mustBe(t, s.Insert(t.Context(), replay(1)), capture.ErrReplayed)
			mustBe(t, s.Insert(t.Context(), replay(2)), capture.ErrReplayed)
		}
		longer := replay(1)
		longer.Until = longer.Until.Add(time.Hour)
		mustBe(t, s.Insert(t.Context(), longer), capture.ErrReplayed)
	})
	t.Run("opened long ago", func(t *testing.T) {
		s := open(t)
		slow := replay(1)
		slow.Until = slow.Until.Add(-capture.Skew - time.Second)
		mustBe(t, s.Insert(t.Context(), slow), capture.ErrStale)
		must(t, s.Insert(t.Context(), replay(1)))
	})
	t.Run("ended context", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		mustBe(t, s.Insert(ctx, replay(1)), context.Canceled)
		must(t, s.Insert(t.Context(), replay(1)))
	})
	t.Run("at once", func(t *testing.T) {
		s := open(t)
		var wg sync.WaitGroup
		var taken, refused, failed atomic.Int64
		for range 16 {
			wg.Go(func() {
				switch err := s.Insert(t.Context(), replay(3)); {
				case err == nil:
					taken.Add(1)
				case errors.Is(err, capture.ErrReplayed):
					refused.Add(1)
				default:
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		equal(t, "taken, refused, failed", [3]int64{1, 15, 0}, [3]int64{taken.Load(), refused.Load(), failed.Load()})
	})
}
