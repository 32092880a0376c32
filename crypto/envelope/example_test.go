package envelope_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// demo is a fixed key: real ones come from a KMS through package keys.
var demo = bytes.Repeat([]byte{7}, 32)

func demoScope() *envelope.ScopeKey {
	scope, err := envelope.Derive(demo,
		envelope.Reference{KeyID: envelope.KeyID{15: 1}},
		envelope.Place{Environment: "production", Scope: "shop-eu", Purpose: "x-notes"})
	if err != nil {
		panic(err)
	}
	return scope
}

// Sealing needs a sealing key, made once, and the record's additional data.
func ExampleSealingKey_Seal() {
	sealing, err := demoScope().SealingKey(envelope.NewSalt())
	if err != nil {
		panic(err)
	}
	a := envelope.Additional{Field: 128, Record: envelope.NewRecordID(), Owner: "merchant-17"}
	aad, err := a.AppendTo(nil)
	if err != nil {
		panic(err)
	}
	record := sealing.Seal(nil, []byte("a note"), aad)
	plaintext, err := sealing.Open(nil, record, aad)
	fmt.Println(len(record), string(plaintext), err)

	a.Owner = "merchant-18"
	aad, _ = a.AppendTo(nil)
	_, err = sealing.Open(nil, record, aad)
	fmt.Println(errors.Is(err, envelope.ErrOpen))
	// Output:
	// 96 a note <nil>
	// true
}

// A record that another process sealed opens under the sealing key its header
// asks for.
func ExampleScopeKey_SealingKeyFor() {
	theirs, _ := demoScope().SealingKey(envelope.NewSalt())
	record := theirs.Seal(nil, []byte("a note"), nil)

	ours, err := demoScope().SealingKeyFor(record)
	if err != nil {
		panic(err)
	}
	plaintext, err := ours.Open(nil, record, nil)
	fmt.Println(string(plaintext), err)
	// Output: a note <nil>
}

// A cache saves making the sealing keys of other processes' records again. It
// keeps a key once a second record opened under it.
func ExampleCache() {
	var cache envelope.Cache // one for each environment and purpose
	scope := demoScope()
	open := func(record, aad []byte) (plaintext []byte, from string, err error) {
		if key := cache.Get(record, "shop-eu"); key != nil {
			plaintext, err = key.Open(nil, record, aad)
			return plaintext, "held", err
		}
		plaintext, kept, err := cache.OpenWith(scope, nil, record, aad)
		return plaintext, fmt.Sprint("made, kept: ", kept != nil), err
	}
	sealing, _ := scope.SealingKey(envelope.NewSalt())
	for _, note := range []string{"one", "two", "three"} {
		plaintext, from, err := open(sealing.Seal(nil, []byte(note), nil), nil)
		fmt.Println(string(plaintext), from, err)
	}
	// Output:
	// one made, kept: false <nil>
	// two made, kept: true <nil>
	// three held <nil>
}

func ExampleInspect() {
	sealing, _ := demoScope().SealingKey(envelope.NewSalt())
	record := sealing.Seal(nil, []byte("a note"), nil)
	header, err := envelope.Inspect(record)
	fmt.Println(header.Reference.KeyID, header.Inline(), header.PlaintextSize(), err)

	record[0] = 9
	_, err = envelope.Inspect(record)
	fmt.Println(err)
	// Output:
	// 00000000000000000000000000000001 false 6 <nil>
	// envelope: record does not open: unknown format version
}

func ExampleStoredKeyID() {
	sealing, _ := demoScope().SealingKey(envelope.NewSalt())
	id, ok := envelope.StoredKeyID(sealing.Seal(nil, []byte("a note"), nil))
	fmt.Println(id, ok)
	// Output: 00000000000000000000000000000001 true
}

func ExampleDerive() {
	scope, err := envelope.Derive(demo, envelope.Reference{KeyID: envelope.KeyID{15: 1}},
		envelope.Place{Environment: "production", Scope: "shop-eu", Purpose: "pan"})
	fmt.Println(scope.KeyID(), scope.Place().Scope, len(scope.Commitment()), err)
	fmt.Println(scope) // no key shows
	// Output:
	// 00000000000000000000000000000001 shop-eu 32 <nil>
	// envelope.ScopeKey
}

func ExampleSubkey() {
	place := envelope.Place{Environment: "production", Scope: "shop-eu", Purpose: "index"}
	a, err := envelope.Subkey(demo, envelope.KeyID{15: 1}, place, "example one")
	b, _ := envelope.Subkey(demo, envelope.KeyID{15: 1}, place, "example two")
	fmt.Println(len(a), bytes.Equal(a, b), err)
	// Output: 32 false <nil>
}

func ExampleAppendText() {
	text := envelope.AppendText(nil, []byte{1, 1, 255})
	fmt.Println(string(text))
	record, err := envelope.ParseText(nil, "cs1.AQH_")
	fmt.Println(record, err)
	_, err = envelope.ParseText(nil, "cs1.AQH_\n")
	fmt.Println(err)
	// Output:
	// cs1.AQH_
	// [1 1 255] <nil>
	// envelope: record does not open: malformed text form
}

func ExampleAdditional_AppendTo() {
	a := envelope.Additional{Field: 1, Owner: "m", Generation: 2, Pairs: []envelope.Pair{{Name: "a", Value: "b"}}}
	aad, err := a.AppendTo(nil)
	fmt.Printf("%x %v\n", aad, err)
	// Output: 01010000000000000000000000000000000000016d0000000000000002000161000162 <nil>
}
