package secret_test

import (
	"fmt"

	"github.com/cardseal/cardseal/crypto/secret"
)

func Example() {
	passphrase := secret.New([]byte("correct horse battery staple"))
	defer passphrase.Wipe()

	fmt.Println("opening with", passphrase)

	var buf [64]byte
	raw := passphrase.Reveal(buf[:0])
	defer clear(raw)
	fmt.Println(len(raw), "bytes")
	// Output:
	// opening with [secret]
	// 28 bytes
}

func ExampleBytes_Equal() {
	key, other := secret.Random(32), secret.Random(32)
	fmt.Println(key.Equal(key), key.Equal(other))
	key.Wipe()
	fmt.Println(key.Equal(key))
	// Output:
	// true false
	// false
}
