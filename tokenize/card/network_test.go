package card

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cardseal/cardseal/tokenize/card/internal/brandgen"
	"github.com/stretchr/testify/require"
)

func TestGeneratedTableIsCurrent(t *testing.T) {
	brands, err := os.ReadFile("data/brands.json")
	require.NoError(t, err)
	overlay, err := os.ReadFile("data/overlay.json")
	require.NoError(t, err)
	want, err := brandgen.Generate(brands, overlay)
	require.NoError(t, err)
	got, err := os.ReadFile("network_table.go")
	require.NoError(t, err)
	require.True(t, string(want) == string(got), "network_table.go is not what go generate writes")
}

// brandRow is a brand as data/brands.json has it, read here apart from the generator.
type brandRow struct {
	ID, Name     string
	PrefixRanges [][2]string
	Lengths      []int
	CvcLengths   []int
	Luhn         string
}

func brandRows(t testing.TB) []brandRow {
	t.Helper()
	b, err := os.ReadFile("data/brands.json")
	require.NoError(t, err)
	var f struct{ Brands []brandRow }
	require.NoError(t, json.Unmarshal(b, &f))
	require.Len(t, f.Brands, 28)
	return f.Brands
}

// byTheBook is the algorithm that brands.json describes, word by word, on text.
func byTheBook(rows []brandRow, number string) (best brandRow) {
	longest := 0
	for _, r := range rows {
		for _, p := range r.PrefixRanges {
			n := len(p[0])
			if head := number[:n]; n > longest && p[0] <= head && head <= p[1] {
				best, longest = r, n
			}
		}
	}
	return best
}

// Every edge of every range and its neighbours, and numbers drawn from everywhere: the
// look-up answers as the list does, through bytes and through PAN.
func TestLookUpAgainstTheList(t *testing.T) {
	rows := brandRows(t)
	var heads []int
	for _, r := range rows {
		for _, p := range r.PrefixRanges {
			var lo, hi int
			_, err := fmt.Sscan(strings.TrimLeft(p[0], "0")+strings.Repeat("0", 8-len(p[0])), &lo)
			require.NoError(t, err)
			_, err = fmt.Sscan(p[1]+strings.Repeat("9", 8-len(p[1])), &hi)
			require.NoError(t, err)
			heads = append(heads, lo-1, lo, lo+1, (lo+hi)/2, hi-1, hi, hi+1)
		}
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		heads = append(heads, rnd.IntN(100_000_000))
	}
	for head := range 100_000 { // every five digits
		heads = append(heads, head*1000+rnd.IntN(1000))
	}
	seen := map[string]bool{}
	for _, h := range heads {
		if h > 99_999_999 {
			continue
		}
		head := fmt.Sprintf("%08d", h)
		want := byTheBook(rows, head)
		n := NetworkOf([]byte(head))
		if n.ID() != want.ID || n.Name() != want.Name {
			t.Fatalf("prefix %s: %s, want %s", head, n.ID(), want.ID)
		}
		p, err := ParsePAN(head + "00000000")
		if err != nil || p.Network() != n {
			t.Fatalf("prefix %s: a PAN's network is %s, want %s", head, p.Network(), n)
		}
		seen[n.ID()] = true
		if !n.Known() {
			continue
		}
		if (want.Luhn == "true") != (n.Luhn() == LuhnRequired) || n.CVCLengths() != LengthsOf(want.CvcLengths...) {
			t.Fatalf("prefix %s: Luhn rule or code lengths differ", head)
		}
		if n.Lengths() != LengthsOf(want.Lengths...) && want.ID != "jcb" { // see TestJCBLengths
			t.Fatalf("prefix %s: lengths differ", head)
		}
	}
	require.Len(t, seen, 29, "all networks and none")
}

// The one tie of the list: Elo stands before Troy.
func TestTieGoesToTheFirstListed(t *testing.T) {
	require.Equal(t, "elo", NetworkOf([]byte("65092300")).ID())
	require.Equal(t, "troy", NetworkOf([]byte("65098700")).ID())
}

// Fifteen digits belong to JCB's two old prefixes alone.
func TestJCBLengths(t *testing.T) {
	for head, want := range map[string]bool{"21310000": true, "18000000": true, "35280000": false, "30880000": false} {
		n := NetworkOf([]byte(head))
		require.Equal(t, "jcb", n.ID())
		require.Equal(t, want, n.Lengths().Has(15), head)
		require.True(t, n.Lengths().Has(16) && n.Lengths().Has(19), head)
	}
}

func TestCoBadges(t *testing.T) {
	for head, want := range map[string]struct {
		id, badge string
		local     LocalBrand
	}{
		"45710000": {"visa", "visa_dankort", LocalOther},
		"45720000": {"visa", "", 0},
		"50758999": {"maestro", "cartes_bancaires", LocalCarteBancaire},
		"50759100": {"maestro", "", 0},
		"58557700": {"maestro", "cartes_bancaires", LocalCarteBancaire},
	} {
		n := NetworkOf([]byte(head))
		require.Equal(t, want.id, n.ID(), head)
		require.Equal(t, want.badge, n.CoBadge(), head)
		require.Equal(t, want.local, n.LocalBrand(), head)
	}
}

func TestNetworkOfFewDigits(t *testing.T) {
	for head, want := range map[string]string{
		"41": "visa", "411111": "visa", "4": "" /* Elo has parts of it */, "401178": "elo", "37": "amex", "3": "",
		"63737423": "hiper", "637374": "" /* two answers */, "0": "", "9792": "troy", "979": "",
		"": "", "4a": "", "411111x1": "", "41111111x": "visa" /* reads eight */, "4111111/": "",
	} {
		require.Equal(t, want, NetworkOf([]byte(head)).ID(), head)
	}
}

func TestRanges(t *testing.T) {
	last := -1
	ids := map[string]int{}
	for r, n := range Ranges() {
		require.Greater(t, int(r.First), last, "ascending and disjoint")
		require.GreaterOrEqual(t, r.Last, r.First)
		require.LessOrEqual(t, r.Last, uint32(99_999_999))
		for _, v := range []uint32{r.First, r.Last} {
			require.Equal(t, n, NetworkOf(fmt.Appendf(nil, "%08d", v)))
		}
		require.True(t, n.Known())
		last = int(r.Last)
		ids[n.ID()]++
	}
	require.Len(t, ids, 28)
	for range Ranges() {
		break // stops when told to
	}
}

func TestNetworkZero(t *testing.T) {
	var n Network
	require.False(t, n.Known())
	require.Equal(t, "", n.ID()+n.Name()+n.String()+n.CoBadge())
	require.Equal(t, BrandUnknown, n.Brand())
	require.Equal(t, SchemeOther, n.Scheme())
	require.Zero(t, n.Lengths()|n.CVCLengths())
	require.Zero(t, n.Luhn())
	require.Equal(t, "required optional LuhnRule(0)", LuhnRequired.String()+" "+LuhnOptional.String()+" "+LuhnRule(0).String())
}

func TestLengths(t *testing.T) {
	l := LengthsOf(13, 16, 19, -1, 32, 500)
	require.Equal(t, []int{13, 16, 19}, slices.Collect(l.All()))
	for n := -40; n < 80; n++ {
		require.Equal(t, n == 13 || n == 16 || n == 19, l.Has(n), "%d", n)
	}
	for n := range l.All() {
		require.Equal(t, 13, n)
		break
	}
	require.Empty(t, slices.Collect(Lengths(0).All()))
}
