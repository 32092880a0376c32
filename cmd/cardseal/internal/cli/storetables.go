package cli

import (
	"context"
	"io"

	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
)

// tables are those of a store, or of a database for security codes.
type tables struct {
	place vaultdir.Place
	codes bool
}

// tables are those that options name, or the vault's.
func (a *app) tables(store, codes string) (list []tables, err error) {
	dir, _, err := a.locate()
	if err != nil {
		return nil, err
	}
	var found vaultdir.Found
	switch {
	case store == "" && codes == "":
		if found, err = vaultdir.Find(dir); err != nil {
			return nil, inFolder(dir, err)
		}
		list = append(list, tables{found.Store, false})
	case store != "":
		if found.Store, err = vaultdir.ParseStore(dir, store); err != nil {
			return nil, err
		}
		list = append(list, tables{found.Store, false})
	}
	if codes != "" {
		if found.Codes, err = vaultdir.ParseCodes(codes, ""); err != nil {
			return nil, err
		}
	}
	for _, p := range found.Codes {
		list = append(list, tables{p, true})
	}
	return list, nil
}

func (t *tables) migrate(ctx context.Context) ([]migrate.Migration, error) {
	if t.codes {
		return migrate.UpEphemeral(ctx, t.place.Pool.ConnConfig, t.place.Schema)
	}
	return migrate.Up(ctx, t.place.Pool.ConnConfig, t.place.Schema)
}

func (t *tables) status(ctx context.Context) ([]migrate.Migration, error) {
	if t.codes {
		return migrate.StatusEphemeral(ctx, t.place.Pool.ConnConfig, t.place.Schema)
	}
	return migrate.Status(ctx, t.place.Pool.ConnConfig, t.place.Schema)
}

func (t *tables) open(ctx context.Context) (io.Closer, error) {
	if t.codes {
		return t.place.OpenEphemeral(ctx)
	}
	return t.place.Open(ctx, nil)
}
