package tokenize_test

import (
	"context"
	"sync"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/store"
)

// faults counts the calls to KMS, key store and card store in one sequence and has
// the i-th fail: before it did anything or, with late, with its answer lost.
type faults struct {
	failing int
	late    bool

	mu     sync.Mutex
	calls  int
	struck error            // what the one call failed with
	where  map[string]error // what of each kind of call fails with
}

// hit counts a call, once, and returns what it fails with.
func (f *faults) hit(where string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls++; f.calls != f.failing {
		return nil
	}
	f.struck = f.where[where]
	return f.struck
}

func (f *faults) seen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.struck
}

// heal ends the faults and returns how many calls there were.
func (f *faults) heal() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = 0
	return f.calls
}

// kek stands before a KEK.
func (f *faults) kek(k keys.KEK) keys.KEK {
	faulty := keystest.NewFaulty(k)
	faulty.Each(func(keys.Op, int) keystest.Fault {
		switch err := f.hit("kek"); {
		case err == nil:
			return keystest.Fault{}
		case f.late:
			return keystest.Lost(err)
		default:
			return keystest.Fail(err)
		}
	})
	return faulty
}

// cards stands before a card store.
func (f *faults) cards(c store.Cards) store.Cards {
	h := &hooked{Cards: c}
	hook := func(op string, _ int) error {
		if op == "Write" || op == "UpdateRepository" {
			return f.hit("commit")
		}
		return f.hit("cards")
	}
	if f.late {
		h.set(nil, hook)
	} else {
		h.set(hook, nil)
	}
	return h
}

// faultyKeys is a key store.
type faultyKeys struct {
	keys.Store
	f *faults
}

func faulty[T any](f *faults, call func() (T, error)) (T, error) {
	var zero T
	if !f.late {
		if err := f.hit("keys"); err != nil {
			return zero, err
		}
		return call()
	}
	v, err := call()
	if err == nil {
		err = f.hit("keys")
	}
	if err != nil {
		return zero, err
	}
	return v, nil
}

func (k *faultyKeys) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	return faulty(k.f, func() (keys.Record, error) { return k.Store.Get(ctx, id) })
}

func (k *faultyKeys) List(ctx context.Context, id keys.RingID) ([]keys.Record, uint64, error) {
	type answer struct {
		records []keys.Record
		version uint64
	}
	a, err := faulty(k.f, func() (answer, error) {
		records, version, err := k.Store.List(ctx, id)
		return answer{records, version}, err
	})
	return a.records, a.version, err
}

func (k *faultyKeys) CompareAndSwap(ctx context.Context, id keys.RingID, version uint64, put []keys.Record) error {
	_, err := faulty(k.f, func() (struct{}, error) {
		return struct{}{}, k.Store.CompareAndSwap(ctx, id, version, put)
	})
	return err
}
