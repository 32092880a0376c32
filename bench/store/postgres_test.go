package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/pgtest"
)

// bare inserts what a save stores, without anything around it.
type bare struct {
	pool    *pgxpool.Pool
	columns []string
	like    []any // a card's row as ours stored it
}

// rows makes n rows like it, of other tokens and index values.
func (p *bare) rows(n int) (cards, values [][]any) {
	at := func(column string) int { return slices.Index(p.columns, column) }
	for range n {
		row := slices.Clone(p.like)
		var random [8]byte
		_, _ = rand.Read(random[:])
		token := fmt.Sprintf("9%015d", binary.BigEndian.Uint64(random[:])%1e15)
		index := slices.Clone(row[at("index_values")].([]byte))
		_, _ = rand.Read(index[len(index)-32:])
		row[at("token")], row[at("index_values")] = token, index
		cards = append(cards, row)
		values = append(values, []any{row[at("scope")], index[1:17], index[17:], token})
	}
	return cards, values
}

var valueColumns = []string{"scope", "key", "value", "token"}

// copyIn is one transaction of two COPYs.
func (p *bare) copyIn(ctx context.Context, n int) error {
	cards, values := p.rows(n)
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"cardseal", "cards"}, p.columns, pgx.CopyFromRows(cards)); err != nil {
			return err
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"cardseal", "unique_values"}, valueColumns, pgx.CopyFromRows(values))
		return err
	})
}

// insert is one transaction of an INSERT a row, all sent together.
func (p *bare) insert(ctx context.Context, n int) error {
	statement := func(table string, columns []string) string {
		s, marks := "INSERT INTO cardseal."+table+" (", ""
		for i, c := range columns {
			if i > 0 {
				s, marks = s+", ", marks+", "
			}
			s, marks = s+c, fmt.Sprintf("%s$%d", marks, i+1)
		}
		return s + ") VALUES (" + marks + ")"
	}
	card, value := statement("cards", p.columns), statement("unique_values", valueColumns)
	cards, values := p.rows(n)
	b := &pgx.Batch{}
	for i := range cards {
		b.Queue(card, cards[i]...)
		b.Queue(value, values[i]...)
	}
	return p.pool.SendBatch(ctx, b).Close() // a transaction by itself
}

func openBench(b *testing.B) (*pgxpool.Pool, *postgres.DB) {
	url := pgtest.New(b)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := migrate.Up(b.Context(), config, ""); err != nil {
		b.Fatal(err)
	}
	pool := pgtest.Pool(b, url)
	s, err := postgres.Open(b.Context(), pool, nil)
	if err != nil {
		b.Fatal(err)
	}
	return pool, s
}

func BenchmarkSavePostgres(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			pool, s := openBench(b)
			floorPool, _ := openBench(b) // the same server, another database
			f := newSaver(b, s)
			if err := f.save(b.Context(), 1); err != nil {
				b.Fatal(err)
			}
			rows, err := pool.Query(b.Context(), "SELECT * FROM cardseal.cards")
			if err != nil {
				b.Fatal(err)
			}
			p := &bare{pool: floorPool}
			p.like, err = pgx.CollectExactlyOneRow(rows, func(r pgx.CollectableRow) ([]any, error) {
				for _, c := range r.FieldDescriptions() {
					p.columns = append(p.columns, c.Name)
				}
				return r.Values()
			})
			if err != nil {
				b.Fatal(err)
			}
			turns(b, n, func() error { return f.save(b.Context(), n) }, map[string]func() error{
				"copy":   func() error { return p.copyIn(b.Context(), n) },
				"insert": func() error { return p.insert(b.Context(), n) },
			})
		})
	}
}
