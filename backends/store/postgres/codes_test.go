package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

// openEphemeral opens the ephemeral store in a database.
func openEphemeral(t testing.TB, url string, change ...func(*pgxpool.Config)) *postgres.Ephemeral {
	t.Helper()
	e, err := postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, url, change...), nil)
	require.NoError(t, err)
	return e
}

func TestCodes(t *testing.T) {
	storetest.RunCodes(t, func(t *testing.T) store.Codes { return open(t, migrated.New(t), asService).Codes() })
}

func TestCodesEphemeral(t *testing.T) {
	storetest.RunCodes(t, func(t *testing.T) store.Codes { return openEphemeral(t, forgetful.New(t), asService) })
	// Any number of processes share it, and a clean end forgets nothing.
	storetest.RunCodesDurable(t, func(t *testing.T) func() store.Codes {
		url := forgetful.New(t)
		return func() store.Codes { return openEphemeral(t, url, asService) }
	})
	keystest.RunStore(t, func(t *testing.T) keys.Store { return openEphemeral(t, forgetful.New(t), asService).Keys() })
}
