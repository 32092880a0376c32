package keys_test

import (
	"context"
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
