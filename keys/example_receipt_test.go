package keys_test

import (
	"context"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/chain"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// Receipts in a chain of their own, under a key of the audit ring. Whoever can write to
// where they lie can change none unseen, and the head, kept where he cannot write, shows
// that none was cut off the end.
func ExampleReceipt() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	audit, err := m.Scope(keys.Audit, "receipts")
	if err != nil {
		fmt.Println(err)
		return
	}
	under, err := audit.ActiveKey(ctx) // kept beside each entry, as the ring may be rotated
	if err != nil {
		fmt.Println(err)
		return
	}
	secret, err := audit.Subkey(ctx, under, "example receipts")
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := chain.NewKey(secret, "example receipt", chain.NewID()) // the ID is kept with the log
	clear(secret)
	if err != nil {
		fmt.Println(err)
		return
	}

	id, err := m.Rotate(ctx, keys.PAN)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := m.Retire(ctx, id); err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := m.Destroy(ctx, id, keys.DestroyOptions{
		Shred: true, SealLease: time.Nanosecond, Skew: time.Nanosecond, // to wait for nothing, in an example
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	entry := receipt.AppendTo(nil)
	var before chain.Head // of the entry before; there is none
	head := key.Next(before, entry)

	// Whoever reads the log later:
	fmt.Println(head.Sequence, key.Follows(before, head, entry))
	entry[len(entry)-3] ^= 1 // the number of records
	fmt.Println(key.Follows(before, head, entry))
	// Output:
	// 1 true
	// false
}

// A receipt has one encoding, for whoever chains and keeps it.
func ExampleParseReceipt() {
	r := keys.Receipt{
		Key:       keys.KeyID{1},
		Ring:      keys.RingID{Environment: "production", Purpose: keys.PAN},
		Destroyed: time.Unix(1_800_000_000, 0).UTC(), LastUse: time.Unix(1_800_003_660, 0).UTC(),
		Promise: keys.CopiesGone,
	}
	again, err := keys.ParseReceipt(r.AppendTo(nil))
	fmt.Println(again.Promise, again.LastUse.Sub(again.Destroyed), err)
	// Output: once all older copies of the key store are gone 1h1m0s <nil>
}
