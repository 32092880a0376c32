package seal_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/internal/pad"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// A card that gateways publish for tests.
const (
	visa    = "4111111111111111"
	master  = "5555555555554444"
	maestro = "5000000000000000005"
	short   = "4911830000000"
)

// The pad of the tests has no zero nibble, so that a search of memory dumps finds
// faults alone.
func TestMain(m *testing.M) {
	for i := range pad.Value {
		pad.Value[i] = []byte{0x95, 0x3c, 0xe7, 0x51, 0xab, 0x6d, 0xf2}[i%7]
	}
	os.Exit(m.Run())
}

// vault is a key store with a KEK: what several managers share.
type vault struct {
	testing.TB
	db  *memory.DB
	kek *keystest.KEK
}

func newVault(t testing.TB) *vault { return &vault{t, memory.New(), keystest.NewKEK("test")} }

func (v *vault) manager(environment string) *keys.Manager {
	m, err := keys.Open(v.Context(), v.db.Keys(), v.kek, &keys.Options{Environment: environment})
	require.NoError(v, err)
	v.Cleanup(func() { m.Close() })
	return m
}

func newSealer(t testing.TB, scope string) *seal.Sealer {
	return seal.New(newVault(t).manager(""), scope)
}

func number(t testing.TB, digits string) card.PAN {
	t.Helper()
	pan, err := card.ParsePAN(digits)
	require.NoError(t, err)
	return pan
}

func code(t testing.TB, digits string) card.CVC {
	t.Helper()
	c, err := card.ParseCVC(digits)
	require.NoError(t, err)
	return c
}
