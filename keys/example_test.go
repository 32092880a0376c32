package keys_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// One KMS and no database: each record carries its wrapped data key.
func ExampleInline() {
	ctx := context.Background()
	kek := keystest.NewKEK("example") // in production one of backends/kek
	kekID := keys.NewKEKID()          // drawn once, kept with the KEK's configuration

	m, err := keys.Inline(ctx, kekID, kek, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.Scope(keys.PAN, "shop-eu")
	if err != nil {
		fmt.Println(err)
		return
	}
	place := &envelope.Additional{Field: 1, Record: envelope.NewRecordID(), Owner: "merchant-7"}
	record, err := s.Seal(ctx, nil, []byte("4111111111111111"), place)
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := s.Open(ctx, nil, record, place)
	fmt.Println(string(plain), err)

	place.Owner = "merchant-8"
	_, err = s.Open(ctx, nil, record, place)
	fmt.Println(err)
	// Output:
	// 4111111111111111 <nil>
	// envelope: record does not open
}

// Wrapped data keys live in a store, where they can be rotated and destroyed.
func ExampleOpen() {
	ctx := context.Background()
	store := memory.New().Keys() // in production bolt's or postgres's
	m, err := keys.Open(ctx, store, keystest.NewKEK("example"), &keys.Options{Environment: "test"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.Scope(keys.CVC, "issuer")
	if err != nil {
		fmt.Println(err)
		return
	}
	place := &envelope.Additional{Field: 2, Record: envelope.NewRecordID()}
	record, err := s.Seal(ctx, nil, []byte("a code"), place)
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := s.Open(ctx, nil, record, place)
	fmt.Println(string(plain), err, len(record)-envelope.Overhead)
	// Output: a code <nil> 6
}

// After a rotation new records are sealed under the new key, and old ones open.
func ExampleManager_Rotate() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.Scope(keys.PAN, "shop-eu")
	if err != nil {
		fmt.Println(err)
		return
	}
	place := &envelope.Additional{Field: 1, Record: envelope.NewRecordID()}
	old, err := s.Seal(ctx, nil, []byte("sealed before"), place)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := m.Rotate(ctx, keys.PAN); err != nil {
		fmt.Println(err)
		return
	}
	plain, err := s.Open(ctx, nil, old, place)
	fmt.Println(string(plain), err)
	list, err := m.Records(ctx, keys.PAN)
	if err != nil {
		fmt.Println(err)
		return
	}
	states := map[keys.State]int{}
	for _, k := range list {
		states[k.State]++
	}
	fmt.Println(states[keys.Active], states[keys.Retired])
	// Output:
	// sealed before <nil>
	// 1 1
}

// A new index key finds nothing until every value was computed anew under it; the
// old one goes on giving the subkey that the old values were computed with.
func ExampleManager_RotateIndex() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.Scope(keys.Index, "shop-eu")
	if err != nil {
		fmt.Println(err)
		return
	}
	old, err := s.ActiveKey(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := m.RotateIndex(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, errA := s.Subkey(ctx, old, "blind index")
	b, errB := s.Subkey(ctx, next, "blind index")
	fmt.Println(len(a), len(b), string(a) != string(b), errA, errB)
	// Output: 32 32 true <nil> <nil>
}

// A scope with keys of its own. They are loaded when the scope is used, and its
// ring is rotated apart from all others.
func ExampleManager_ScopeIn() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.ScopeIn(keys.PerScope, keys.PAN, "merchant-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := s.Seal(ctx, nil, []byte("a number"), &envelope.Additional{Field: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := s.Rotate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	plain, err := s.Open(ctx, nil, record, &envelope.Additional{Field: 1})
	fmt.Println(string(plain), err)
	list, err := s.Records(ctx)
	fmt.Println(len(list), list[0].Ring.Scope, err)
	// Output:
	// a number <nil>
	// 2 merchant-7 <nil>
}

// A key that must not be used for now, and then may open again.
func ExampleManager_Disable() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.Scope(keys.PAN, "shop-eu")
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := s.Seal(ctx, nil, []byte("a number"), &envelope.Additional{Field: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, _ := envelope.StoredKeyID(record)
	if err := m.Disable(ctx, id); err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Open(ctx, nil, record, &envelope.Additional{Field: 1})
	fmt.Println(errors.Is(err, keys.ErrDisabled))
	if err := m.Enable(ctx, id); err != nil {
		fmt.Println(err)
		return
	}
	plain, err := s.Open(ctx, nil, record, &envelope.Additional{Field: 1})
	fmt.Println(string(plain), err)
	// Output:
	// true
	// a number <nil>
}

// A key is destroyed some minutes after it was retired, once no record needs it.
func ExampleManager_Destroy() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	old, err := m.Rotate(ctx, keys.PAN)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := m.Retire(ctx, old); err != nil {
		fmt.Println(err)
		return
	}
	_, err = m.Destroy(ctx, old, keys.DestroyOptions{
		CloseFence: func(context.Context, keys.KeyID) error { return nil },              // the card store's
		Census:     func(context.Context, keys.KeyID) (uint64, error) { return 0, nil }, // as well
	})
	var early *keys.EarlyError
	fmt.Println(errors.As(err, &early), early.Key == old)
	// Output: true true
}

// From one KMS to another: open with both, rewrap, and drop the old one once no
// process is left that has it alone.
func ExampleManager_Rewrap() {
	ctx := context.Background()
	store, from, to := memory.New().Keys(), keystest.NewKEK("from"), keystest.NewKEK("to")
	before, err := keys.Open(ctx, store, from, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer before.Close()
	if _, err := before.Rotate(ctx, keys.PAN); err != nil {
		fmt.Println(err)
		return
	}
	m, err := keys.Open(ctx, store, to, &keys.Options{OldKEKs: []keys.KEK{from}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	report, err := m.Rewrap(ctx, keys.PAN, nil)
	fmt.Println(report.Keys, report.Moved, len(report.Others), err)
	report, err = m.Rewrap(ctx, keys.PAN, &keys.RewrapOptions{DropOthers: true})
	fmt.Println(report.Keys, report.Moved, len(report.Others), err)
	// Output:
	// 1 1 1 <nil>
	// 1 1 0 <nil>
}

type printer struct{}

func (printer) Observe(_ context.Context, e keys.Event) { fmt.Println(e.Kind, e.Op, e.Err) }

// An observer counts and times; adapters for logs and metrics live above this
// package.
func ExampleObserver() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), &keys.Options{Observer: printer{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	if _, err := m.Rotate(ctx, keys.PAN); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ring read  <nil>
	// kms call wrap <nil>
}
