package tokenize_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/pgtest"
)

// A reseal in a database, where others write at the same moment.
func TestResealInPostgres(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, w *world){
		"all": resealAll, "cancelled": resealCancelled, "beside changes": resealBesideChanges,
		"behind a fence": resealBehindAFence, "beside all": resealBesideAll,
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.New(t)
			config, err := pgx.ParseConfig(url)
			require.NoError(t, err)
			_, err = migrate.Up(t.Context(), config, "")
			require.NoError(t, err)
			d, err := postgres.Open(t.Context(), pgtest.Pool(t, url), nil)
			require.NoError(t, err)
			t.Cleanup(func() { d.Close() })
			test(t, newWorld(t, d, nil))
		})
	}
}
