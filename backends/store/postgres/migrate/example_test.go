package migrate_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
)

func Example() {
	ctx := context.Background()
	config, err := pgx.ParseConfig("postgres://owner@db.example.com/cards?sslmode=verify-full")
	if err != nil {
		log.Fatal(err)
	}
	done, err := migrate.Up(ctx, config, "")
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range done {
		fmt.Println("ran", m.Name)
	}
	list, err := migrate.Status(ctx, config, "")
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range list {
		fmt.Println(m.Version, m.Applied)
	}
}

func ExampleRoles() {
	fmt.Println(migrate.Roles()) // for psql, as an administrator of the database
}
