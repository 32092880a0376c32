package needles

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A canary is found however it is written.
func TestOf(t *testing.T) {
	b := []byte(Packed("9074"))
	for _, verb := range []string{"%s", "%q", "%x", "%X", "% x", "%#x", "% #x", "%d", "%v", "%+v", "%#v", "%b", "%o", "%#o", "%U"} {
		require.NotEmpty(t, In(fmt.Sprintf(verb, b), Of(string(b))), verb)
		require.NotEmpty(t, In(fmt.Sprintf(verb, [2]byte(b)), Of(string(b))), verb)
	}
	require.Empty(t, In("9073", Of("9074", Packed("9074"))))
	require.Panics(t, func() { Packed("907") })
	require.Len(t, Of("1234"), len(Of("5678")))
}

// What is in one text by chance is passed over; what is in each is found, and what is
// in none ends the search.
func TestInAll(t *testing.T) {
	canaries := []string{"9074", "8396", "7518"}
	made := 0
	search := func(text func(canary int) string) []string {
		made = 0
		return InAll(len(canaries), func(c int) []string { return Of(canaries[c]) }, func(c int) string { made++; return text(c) })
	}
	require.Equal(t, []string{"7518"}, search(func(c int) string { return "code " + canaries[c] }))
	require.Empty(t, search(func(c int) string { return "at 9074" }))
	require.Equal(t, 2, made)
	require.Empty(t, search(func(int) string { return "" }))
	require.Equal(t, 1, made)
	// Written in other ways each time, as chance does.
	require.Empty(t, search(func(c int) string { return fmt.Sprintf([]string{"%s", "%d", "%x"}[c], []byte(canaries[c])) }))
}
