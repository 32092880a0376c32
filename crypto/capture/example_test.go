package capture_test

import (
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/crypto/capture"
)

// The vault makes a key pair and publishes the public half; the client seals; the
// vault opens.
func Example() {
	private, err := capture.Generate(capture.HPKEP256)
	if err != nil {
		fmt.Println(err)
		return
	}
	where := capture.Binding{Environment: "production", Scope: "shop-eu", Alias: "web-2026"}

	// The client has the key's bytes, its ID and suite, and where it belongs.
	public, err := capture.ParsePublicKey(private.Suite(), private.ID(), private.Public().Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := public.Seal(nil, []byte("a form"), where)
	if err != nil {
		fmt.Println(err)
		return
	}

	message, err := capture.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := private.Open(message, where)
	fmt.Println(string(plain), err)

	where.Scope = "shop-us"
	_, err = private.Open(message, where)
	fmt.Println(errors.Is(err, capture.ErrOpen))
	// Output:
	// a form <nil>
	// true
}

// A private key is kept sealed: as bytes it goes to keys.Scope.Seal, or another
// place that keeps secrets.
func ExampleParsePrivateKey() {
	private, err := capture.Generate(capture.JWEECDH)
	if err != nil {
		fmt.Println(err)
		return
	}
	raw, err := private.Append(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := capture.ParsePrivateKey(raw)
	clear(raw)
	fmt.Println(back.ID() == private.ID(), back.Suite(), back, err)
	// Output: true jwe-ecdh-es capture.PrivateKey <nil>
}

// A message has the same digest however it came, by which it is known again.
func ExampleMessage_Digest() {
	private, err := capture.Generate(capture.HPKEP256)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := private.Public().Seal(nil, []byte("a form"), capture.Binding{})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := [capture.DigestSize]byte{1: 7} // in production a random one
	first, err := capture.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := capture.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first.Digest(&key) == second.Digest(&key))
	// Output: true
}

// A client with a JOSE library takes the key as JWK.
func ExamplePublicKey_JWK() {
	id, err := capture.ParseKeyID("000102030405060708090a0b0c0d0e0f")
	if err != nil {
		fmt.Println(err)
		return
	}
	generator := append([]byte{4}, // P-256's base point, to have a key that is known
		0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
		0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
		0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
		0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5)
	k, err := capture.ParsePublicKey(capture.JWEECDH, id, generator)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(k.JWK()))
	// Output: {"kty":"EC","use":"enc","alg":"ECDH-ES","kid":"000102030405060708090a0b0c0d0e0f","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}
}
