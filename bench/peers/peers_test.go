package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Three implementations, one FF1.
func TestFF1Agrees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for digits := 6; digits <= 36; digits++ {
		e, err := newEncrypters(digits)
		require.NoError(t, err)
		for range 20 {
			text, tweak := "", fmt.Sprintf("%08d", r.IntN(100_000_000))
			for range digits {
				text += string(rune('0' + r.IntN(10)))
			}
			got, err := e.cardseal.Encrypt(nil, []byte(text), []byte(tweak))
			require.NoError(t, err)
			want, err := e.capitalone.EncryptWithTweak(text, []byte(tweak))
			require.NoError(t, err)
			require.Equal(t, want, string(got), digits)
			want, err = e.ubiq.Encrypt(text, []byte(tweak))
			require.NoError(t, err)
			require.Equal(t, want, string(got), digits)
		}
	}
}

// Every contender does its work.
func TestContests(t *testing.T) {
	all, err := contests()
	require.NoError(t, err)
	for _, c := range all {
		require.Equal(t, "cardseal", c.all[0].name)
		for _, p := range c.all {
			require.NotPanics(t, func() { p.loop(3) }, "%s by %s", c.what, p.name)
		}
	}
}
