// Command embed is a whole card vault: a key file for development in place of a
// KMS, one database file, one repository. It saves a published test card and gets
// it back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: embed KEYFOLDER VAULTFOLDER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run keeps the key apart from the vault that it protects.
func run(ctx context.Context, out io.Writer, keyFolder, vaultFolder string) (err error) {
	keyFile := filepath.Join(keyFolder, "development.key")
	if err := local.CreateKeyFile(keyFile); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	kek, err := local.OpenKeyFile(keyFile)
	if err != nil {
		return err
	}
	db, err := bolt.Open(ctx, filepath.Join(vaultFolder, "vault.db"), &bolt.Options{Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := keys.Open(ctx, db.Keys(), kek, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	v, err := tokenize.Open(ctx, db.Cards(), m, &tokenize.Options{AllowDevelopmentKEK: true})
	if err != nil {
		return err
	}
	repo, err := v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard,
	})
	if err != nil {
		return err
	}
	pan, err := card.ParsePAN("4111111111111111")
	if err != nil {
		return err
	}
	me := tokenize.Caller{Owner: "embed", Permissions: tokenize.MaySave | tokenize.MayReveal}
	d, err := repo.Save(ctx, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: pan}})
	if err != nil {
		return err
	}
	full, err := repo.Reveal(ctx, me, d.Token, "demonstration")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, d.Outcome, d.Token, full.Number)
	return err
}
