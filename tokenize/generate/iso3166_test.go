package generate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCountryCodes(t *testing.T) {
	require.Len(t, assigned, 249)
	require.Len(t, withdrawn, 27)
	require.Equal(t, 1000-100-249-27, slots)
	for _, list := range [][]uint16{assigned[:], withdrawn[:]} {
		require.True(t, slices.IsSorted(list))
		require.Len(t, slices.Compact(slices.Clone(list)), len(list), "a code stands twice")
		require.Less(t, list[len(list)-1], uint16(userAssigned))
	}
	for name, code := range map[string]uint16{
		"Afghanistan": 4, "Armenia": 51, "Belarus": 112, "Brazil": 76, "Ethiopia": 231, "Germany": 276,
		"India": 356, "Kosovo has none, Montenegro": 499, "Kyrgyzstan": 417, "Panama": 591, "Saudi Arabia": 682,
		"Serbia": 688, "South Sudan": 728, "Sudan": 729, "Switzerland": 756, "Türkiye": 792, "United Kingdom": 826,
		"United States": 840, "Uzbekistan": 860, "Viet Nam": 704, "Yemen": 887, "Zambia": 894,
		"Åland": 248, "Curaçao": 531, "Sint Maarten": 534, "Bonaire": 535, "Guernsey": 831,
	} {
		require.Contains(t, assigned, code, name)
		require.False(t, codes.isOpen[code], name)
	}
	for name, code := range map[string]uint16{
		"Serbia and Montenegro": 891, "Netherlands Antilles": 530, "Sudan before 2011": 736,
		"Czechoslovakia": 200, "USSR": 810, "West Germany": 280,
	} {
		require.Contains(t, withdrawn, code, name)
		require.False(t, codes.isOpen[code], name)
	}
}

func TestOpenCodes(t *testing.T) {
	require.True(t, slices.IsSorted(codes.open[:]))
	for c := range uint16(1000) {
		shut := c >= userAssigned || slices.Contains(assigned[:], c) || slices.Contains(withdrawn[:], c)
		require.Equal(t, !shut, codes.isOpen[c], "code %03d", c)
		require.Equal(t, !shut, slices.Contains(codes.open[:], c), "code %03d", c)
	}
}
