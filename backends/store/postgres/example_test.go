package postgres_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

// A vault over a database whose tables cardseal store migrate (or package migrate)
// made. The password is in the environment or in a password file.
func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://vault@db.example.com/cards?sslmode=verify-full")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	db, err := postgres.Open(ctx, pool, nil) // checks the tables, never makes them
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	m, err := keys.Open(ctx, db.Keys(), kek, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	v, err := tokenize.Open(ctx, db.Cards(), m, nil)
	if err != nil {
		log.Fatal(err)
	}
	repo, err := v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(repo.Config().ID)
}

// Codes that must leave no copy behind, in a database of their own that
// migrate.UpEphemeral made the tables of. No other pool connects to it.
func ExampleOpenEphemeral() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://vault@db.example.com/codes?sslmode=verify-full")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	codes, err := postgres.OpenEphemeral(ctx, pool, nil)
	if err != nil {
		log.Fatal(err) // store.ErrDurable says what would keep them
	}
	defer codes.Close()
	n, err := codes.SweepCodes(ctx, time.Now().UnixMilli(), 1000)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
}

var kek keys.KEK // a key in a KMS, see backends/kek
