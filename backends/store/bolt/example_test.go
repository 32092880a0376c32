package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cardseal/cardseal/backends/store/bolt"
)

func ExampleOpen() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "vault")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "vault.bolt")

	_, err = bolt.Open(ctx, path, nil)
	fmt.Println(errors.Is(err, fs.ErrNotExist))

	db, err := bolt.Open(ctx, path, &bolt.Options{Create: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	all, err := db.Cards().Repositories(ctx)
	fmt.Println(len(all), err)
	fmt.Println(db.Close())
	// Output:
	// true
	// 0 <nil>
	// <nil>
}
