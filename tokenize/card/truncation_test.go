package card

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// truncationFile is testdata/truncation.json: FAQ 1091 as data.
type truncationFile struct {
	Baseline struct{ First, Last int }
	Formats  []struct {
		PanLength  any // 16, "<15", ">16"
		Brands     []string
		MinRemoved *int
		MaxFirst   int
		MaxOther   int
	}
}

func readTruncation(t *testing.T) (f truncationFile) {
	t.Helper()
	b, err := os.ReadFile("testdata/truncation.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &f))
	require.Len(t, f.Formats, 4)
	return f
}

// allowed returns what the file allows for one network and length: the row that names
// both, or else the baseline.
func (f truncationFile) allowed(t *testing.T, network string, length int) (first, other, removed int) {
	t.Helper()
	for _, r := range f.Formats {
		in := false
		switch l := r.PanLength.(type) {
		case float64:
			in = length == int(l)
		case string:
			n, err := strconv.Atoi(l[1:])
			require.NoError(t, err)
			in = strings.HasPrefix(l, "<") && length < n || strings.HasPrefix(l, ">") && length > n
		}
		if in && (slices.Contains(r.Brands, network) || slices.Contains(r.Brands, "*")) {
			if r.MinRemoved != nil {
				removed = *r.MinRemoved
			}
			return r.MaxFirst, r.MaxOther, removed
		}
	}
	return f.Baseline.First, f.Baseline.Last, 0
}

// Every network and length: what we keep is what the FAQ allows, no more and, from 14
// digits on, no less.
func TestTruncationAgainstFAQ(t *testing.T) {
	f := readTruncation(t)
	wide := 0
	for _, n := range allNetworks() {
		for length := MinLen; length <= MaxLen; length++ {
			first, other, removed := f.allowed(t, n.ID(), length)
			got := n.Truncation(length)
			require.Equal(t, length, got.First+got.Last+got.Removed)
			require.LessOrEqual(t, got.First, first, "%s %d", n, length)
			require.LessOrEqual(t, got.Last, other, "%s %d", n, length)
			require.GreaterOrEqual(t, got.Removed, max(removed, minHidden), "%s %d", n, length)
			if length >= 14 {
				require.Equal(t, first, got.First, "%s %d", n, length)
				require.Equal(t, other, got.Last, "%s %d", n, length)
			}
			if got.First == 8 {
				wide++
			}
		}
	}
	require.NotZero(t, wide)
	require.Equal(t, Truncation{0, 0, 0}, Network{}.Truncation(-1))
	require.Equal(t, Truncation{0, 1, 4}, Network{}.Truncation(5))
}

// The widest mask shows nothing of any length that the FAQ allows to no brand.
func TestMaskAgainstFAQ(t *testing.T) {
	f := readTruncation(t)
	widest, err := NewMask(8, 4, 'x')
	require.NoError(t, err)
	for length := MinLen; length <= MaxLen; length++ {
		first, other, removed := f.allowed(t, "visa", length)
		if length == 15 {
			first, other, removed = f.allowed(t, "amex", length)
		}
		a, b := widest.Shows(length)
		require.LessOrEqual(t, a, first, "length %d", length)
		require.LessOrEqual(t, b, other, "length %d", length)
		require.GreaterOrEqual(t, length-a-b, removed, "length %d", length)
		require.Equal(t, first, BINLen(length), "length %d", length)
	}
}

// allNetworks returns one Network of every row of the table, and the zero one.
func allNetworks() (out []Network) {
	for row := range networkRows {
		out = append(out, Network{uint8(row)})
	}
	return out
}
