package open_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
)

// The URI comes from a configuration; here it names a key file, in production a
// key in a KMS.
func ExampleURI() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "dev.key")
	if err := local.CreateKeyFile(path); err != nil {
		panic(err)
	}

	kek, err := open.URI(ctx, "local://"+path, nil)
	if err != nil {
		panic(err)
	}
	defer kek.Close() // after the manager
	db := memory.New()
	defer db.Close()
	m, err := keys.Open(ctx, db.Keys(), kek, nil)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	if d, ok := kek.(keys.Development); ok {
		fmt.Println("not for production:", d.Development() != "")
	}
	// Output: not for production: true
}
