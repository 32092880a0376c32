package seal_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// exampleSealer stands for a service's own set-up, with a KMS and a durable store.
func exampleSealer(ctx context.Context) (*seal.Sealer, func() error) {
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		panic(err)
	}
	return seal.New(m, "shop-eu"), m.Close
}

func Example() {
	ctx := context.Background()
	s, done := exampleSealer(ctx)
	defer done()
	pan, err := card.ParsePAN("4111111111111111")
	if err != nil {
		panic(err)
	}
	id := seal.NewRecordID() // stored in clear beside the record, never changed
	record, err := s.SealPAN(ctx, nil, pan, id)
	if err != nil {
		panic(err)
	}
	got, err := s.OpenPAN(ctx, record, id)
	fmt.Println(len(record) == seal.PANSize, got, err)
	_, err = s.OpenPAN(ctx, record, seal.NewRecordID())
	fmt.Println(errors.Is(err, envelope.ErrOpen))
	// Output:
	// true 411111xxxxxx1111 <nil>
	// true
}

func ExampleSealer_SealText() {
	ctx := context.Background()
	s, done := exampleSealer(ctx)
	defer done()
	b := &seal.Binding{Record: seal.NewRecordID(), Owner: "merchant-7", Generation: 1}
	record, err := s.SealText(ctx, nil, seal.Holder, "A HOLDER", b)
	if err != nil {
		panic(err)
	}
	name, err := s.OpenText(ctx, record, seal.Holder, b)
	fmt.Println(name, err)
	b.Generation = 2 // an older value does not pass for the newer one
	_, err = s.OpenText(ctx, record, seal.Holder, b)
	fmt.Println(errors.Is(err, envelope.ErrOpen))
	// Output:
	// A HOLDER <nil>
	// true
}

func ExampleSealer_SealCVC() {
	ctx := context.Background()
	s, done := exampleSealer(ctx)
	defer done()
	code, err := card.ParseCVC("123")
	if err != nil {
		panic(err)
	}
	b := &seal.Binding{Record: seal.NewRecordID()}
	record, err := s.SealCVC(ctx, nil, code, b) // to be deleted on authorization
	if err != nil {
		panic(err)
	}
	got, err := s.OpenCVC(ctx, record, b)
	fmt.Println(got, got.Equal(code), err)
	// Output: card.CVC(hidden) true <nil>
}

func ExampleSealer_Reseal() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	s := seal.New(m, "shop-eu")
	b := &seal.Binding{Record: seal.NewRecordID(), Generation: 1}
	record, err := s.SealText(ctx, nil, seal.Holder, "A HOLDER", b)
	if err != nil {
		panic(err)
	}
	if _, err := m.Rotate(ctx, keys.PAN); err != nil {
		panic(err)
	}
	s.Refresh()
	active, err := s.ActiveKey(ctx)
	if err != nil {
		panic(err)
	}
	if id, _ := envelope.StoredKeyID(record); id != active {
		record, err = s.Reseal(ctx, nil, record, seal.Holder, b)
	}
	id, _ := envelope.StoredKeyID(record)
	fmt.Println(id == active, err)
	// Output: true <nil>
}

func ExampleSealer_SealPANs() {
	ctx := context.Background()
	s, done := exampleSealer(ctx)
	defer done()
	var pans []card.PAN
	var ids []seal.RecordID
	for _, digits := range []string{"4111111111111111", "5555555555554444"} {
		pan, err := card.ParsePAN(digits)
		if err != nil {
			panic(err)
		}
		pans, ids = append(pans, pan), append(ids, seal.NewRecordID())
	}
	records, err := s.SealPANs(ctx, pans, ids)
	if err != nil {
		panic(err)
	}
	got, errs := s.OpenPANs(ctx, records, ids)
	fmt.Println(got, errs)
	// Output: [411111xxxxxx1111 555555xxxxxx4444] [<nil> <nil>]
}
