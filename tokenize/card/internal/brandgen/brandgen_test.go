package brandgen

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const brandsHead = `{"brands":[{"id":"a","name":"A","prefixRanges":[["4","4"]],"lengths":[16],"cvcLengths":[3],"luhn":"true"},
 {"id":"b","name":"B","prefixRanges":%s,"lengths":[13,16],"cvcLengths":[],"luhn":"either"}],"coBadges":%s}`

const overlayBoth = `{"networks":{"a":{"brand":"BrandVisa"},"b":{"brand":"BrandMaestro"}}%s}`

func input(ranges, badges, more string) (brands, overlay []byte) {
	s := strings.Replace(brandsHead, "%s", ranges, 1)
	return []byte(strings.Replace(s, "%s", badges, 1)), []byte(strings.Replace(overlayBoth, "%s", more, 1))
}

func TestBuild(t *testing.T) {
	brands, overlay := input(`[["42","43"],["4400","4400"],["49","49"]]`, `[{"id":"c","pureRanges":[["421","421"]]}]`,
		`,"coBadges":{"c":{"local":"LocalElo"}},"lengths":[{"network":"b","ranges":[["49","49"]],"only":[13]}]`)
	got, err := Generate(brands, overlay)
	require.NoError(t, err)
	for _, want := range []string{
		// none, a, b, b with its co-badge, b (4400 joins it), a, b with thirteen digits, none
		"0x00000000, 0x40000000, 0x42000000, 0x42100000, 0x42200000, 0x44010000, 0x49000000, 0x50000000,\n",
		"0, 1, 2, 3, 2, 1, 4, 0,\n",
		`{brand: BrandMaestro, scheme: SchemeMastercard, id: "b", name: "B", lengths: 1 << 16, luhn: LuhnOptional}`,
		`id: "b", name: "B", local: LocalElo, coBadge: "c"`,
		`id: "b", name: "B", lengths: 1<<13 | 1<<16`,
		"0x00000100, 0x00000100", // 000 and 001: range 0, one of them, row 0
	} {
		require.Contains(t, string(got), want)
	}
	again, err := Generate(brands, overlay)
	require.NoError(t, err)
	require.Equal(t, string(got), string(again))
}

func TestLongestPrefixThenFirstListed(t *testing.T) {
	a, err := prefixes{"4", "4"}.span()
	require.NoError(t, err)
	b, err := prefixes{"41", "43"}.span()
	require.NoError(t, err)
	c, err := prefixes{"43", "44"}.span()
	require.NoError(t, err)
	nets := []network{{row: row{id: "a"}, spans: []span{a}}, {row: row{id: "b"}, spans: []span{b}}, {row: row{id: "c"}, spans: []span{c}}}
	for v, want := range map[int]string{40000000: "a", 41000000: "b", 43999999: "b", 44000000: "c", 44999999: "c", 45000000: "a"} {
		require.Equal(t, want, longest(nets, v).id, "%d", v)
	}
	require.Nil(t, longest(nets, 50000000))
}

func TestGenerateRefuses(t *testing.T) {
	for _, c := range []struct{ ranges, badges, more, what string }{
		{`[["4","40"]]`, `[]`, ``, "lengths differ"},
		{`[["",""]]`, `[]`, ``, "lengths differ"},
		{`[["123456789","123456789"]]`, `[]`, ``, "not 1 to 8"},
		{`[["5","4"]]`, `[]`, ``, "not digits in order"},
		{`[["4x","4x"]]`, `[]`, ``, "not digits in order"},
		{`[["5","5"]]`, `[{"id":"c","pureRanges":[["421","421"]]}]`, ``, "don't agree"},
		{`[["5","5"]]`, `[{"id":"c"}]`, `,"coBadges":{"c":{}}`, "don't agree"},
		{`[["5","5"]]`, `[{"id":"c","pureRanges":[["x","x"]]}]`, `,"coBadges":{"c":{}}`, "co-badge c"},
		{`[["5","5"]]`, `[]`, `,"lengths":[{"network":"b","ranges":[["9","8"]]}]`, "network b"},
	} {
		_, err := Generate(input(c.ranges, c.badges, c.more))
		require.ErrorContains(t, err, c.what)
	}
	brands, overlay := input(`[["5","5"]]`, `[]`, ``)
	_, err := Generate(brands, []byte(`{"networks":{"a":{"brand":"BrandVisa"}}}`))
	require.ErrorContains(t, err, "network b")
	_, err = Generate(brands, []byte(strings.Replace(string(overlay), `"b":`, `"z":{},"b":`, 1)))
	require.ErrorContains(t, err, "3 in the overlay")
	_, err = Generate([]byte(strings.Replace(string(brands), `"either"`, `"false"`, 1)), overlay)
	require.ErrorContains(t, err, `luhn "false"`)
	_, err = Generate([]byte(`{`), overlay)
	require.Error(t, err)
	_, err = Generate(brands, []byte(`{`))
	require.Error(t, err)
}

// The committed data is what the tests of package card hold the look-up against; here
// it only has to be taken.
func TestCommittedData(t *testing.T) {
	brands, err := os.ReadFile("../../data/brands.json")
	require.NoError(t, err)
	overlay, err := os.ReadFile("../../data/overlay.json")
	require.NoError(t, err)
	got, err := Generate(brands, overlay)
	require.NoError(t, err)
	require.Contains(t, string(got), "DO NOT EDIT")
}
