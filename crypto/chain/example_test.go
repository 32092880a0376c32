package chain_test

import (
	"crypto/rand"
	"fmt"

	"github.com/cardseal/cardseal/crypto/chain"
)

func Example() {
	secret := make([]byte, chain.KeySize)
	rand.Read(secret)
	key, err := chain.NewKey(secret, "example log", chain.NewID())
	if err != nil {
		panic(err)
	}
	var heads []chain.Head
	var h chain.Head
	for _, entry := range []string{"door opened", "door closed"} {
		h = key.Next(h, []byte(entry))
		heads = append(heads, h)
	}
	fmt.Println(h.Sequence)
	fmt.Println(key.Follows(heads[0], heads[1], []byte("door closed")))
	fmt.Println(key.Follows(heads[0], heads[1], []byte("door broken")))
	// Output:
	// 2
	// true
	// false
}
