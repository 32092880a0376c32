package blindindex_test

import (
	"crypto/rand"
	"fmt"

	"github.com/cardseal/cardseal/crypto/blindindex"
)

func ExampleIndex_Append() {
	key := make([]byte, blindindex.KeySize) // in a vault: derived from a managed data key
	rand.Read(key)
	index, err := blindindex.New(key, "example shop cards")
	if err != nil {
		panic(err)
	}
	clear(key)
	defer index.Wipe()

	stored := map[[blindindex.Size]byte]string{}
	stored[index.Value([]byte("4111111111111111"))] = "token-1"

	var buf [blindindex.Size]byte
	found := index.Append(buf[:0], []byte("4111111111111111"))
	fmt.Println(stored[[blindindex.Size]byte(found)])
	fmt.Println(stored[index.Value([]byte("5555555555554444"))] == "")
	// Output:
	// token-1
	// true
}
