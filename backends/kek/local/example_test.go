package local_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/keys"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "kek")
	if err := local.CreateKeyFile(path); err != nil {
		panic(err)
	}
	kek, err := local.OpenKeyFile(path)
	if err != nil {
		panic(err)
	}
	defer kek.Close()

	ctx := context.Background()
	dataKey := make([]byte, keys.DataKeySize)
	rand.Read(dataKey)
	pan := keys.Binding{Environment: "test", Purpose: keys.PAN}
	wrapped, err := kek.Wrap(ctx, nil, dataKey, pan)
	fmt.Println(len(wrapped), err)

	cvc := keys.Binding{Environment: "test", Purpose: keys.CVC}
	_, err = kek.Unwrap(ctx, nil, wrapped, cvc)
	fmt.Println(errors.Is(err, keys.ErrCorrupt))
	// Output:
	// 61 <nil>
	// true
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "kek.json")
	// Little cost, for a test: leave the parameters out elsewhere.
	little := &local.Params{Time: 1, MemoryKiB: 64, Threads: 1}
	if err := local.CreatePassphraseFile(path, []byte("correct horse battery staple"), little); err != nil {
		panic(err)
	}
	uri, err := local.URI(path)
	if err != nil {
		panic(err)
	}
	ask := func(answer string) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(answer), nil }
	}
	_, err = local.Open(uri, ask("correct horse battery stable"))
	fmt.Println(err)
	kek, err := local.Open(uri, ask("correct horse battery staple"))
	if err != nil {
		panic(err)
	}
	defer kek.Close()
	fmt.Println(kek.Check(context.Background()))
	// Output:
	// local: wrong passphrase, or the passphrase file was altered
	// <nil>
}
