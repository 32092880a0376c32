package blindindex

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const testLabel = "cardseal index"

var (
	testKey = []byte("32 bytes of a key for tests only")
	number  = []byte("4111111111111111")
)

func testIndex(tb testing.TB) *Index {
	x, err := New(testKey, testLabel)
	require.NoError(tb, err)
	return x
}

// TestKnownAnswers runs answers that another language's HMAC gave.
func TestKnownAnswers(t *testing.T) {
	data, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var vectors []struct{ Name, Key, Label, Value, Index string }
	require.NoError(t, json.Unmarshal(data, &vectors))
	require.Len(t, vectors, 14)
	seen := map[string]bool{}
	for _, v := range vectors {
		key, err := hex.DecodeString(v.Key)
		require.NoError(t, err)
		value, err := hex.DecodeString(v.Value)
		require.NoError(t, err)
		x, err := New(key, v.Label)
		require.NoError(t, err, v.Name)
		for range 3 { // the first call sets the state up, the next ones use it again
			require.Equal(t, v.Index, hex.EncodeToString(x.Append(nil, value)), v.Name)
			sum := x.Value(value)
			require.Equal(t, v.Index, hex.EncodeToString(sum[:]), v.Name)
		}
		require.False(t, seen[v.Index], v.Name)
		seen[v.Index] = true
	}
}

func TestNewRefuses(t *testing.T) {
	for _, n := range []int{0, 1, 16, 31, 33, 64} {
		_, err := New(make([]byte, n), testLabel)
		require.ErrorContains(t, err, "key", "%d bytes", n)
	}
	for _, label := range []string{"", strings.Repeat("x", MaxLabel+1)} {
		_, err := New(testKey, label)
		require.ErrorContains(t, err, "label")
	}
}

// The key is a copy: what the caller does with its own changes nothing.
func TestKeyIsCopied(t *testing.T) {
	key := bytes.Clone(testKey)
	x, err := New(key, testLabel)
	require.NoError(t, err)
	clear(key)
	require.Equal(t, testIndex(t).Value(number), x.Value(number))
}

func TestAppend(t *testing.T) {
	x := testIndex(t)
	want := x.Value(number)
	require.Equal(t, append([]byte("ab"), want[:]...), x.Append([]byte("ab"), number))
	// dst and value may overlap, and value is left alone where they do not.
	both := append(make([]byte, 0, 64), number...)
	require.Equal(t, want[:], x.Append(both[:0], both))
	value := bytes.Clone(number)
	x.Append(nil, value)
	require.Equal(t, number, value)
}

// A short value after a long one must not see the long one's rest.
func TestNothingCarriesOver(t *testing.T) {
	x := testIndex(t)
	want := testIndex(t).Value(number)
	for n := range MaxValue + 1 {
		x.Value(bytes.Repeat([]byte{'9'}, n))
		require.Equal(t, want, x.Value(number), "after %d bytes", n)
	}
}

// A state between calls holds neither value nor key, its SHA-256 included. That
// the walk finds what is there, the label shows.
func TestValueIsCleared(t *testing.T) {
	x := testIndex(t)
	for _, value := range [][]byte{number, bytes.Repeat(number, 10), append(make([]byte, 120), number...)} {
		s := x.newState()
		s.run(value)
		text := walk(reflect.ValueOf(s))
		require.Contains(t, text, decimal([]byte(testLabel)))
		require.NotContains(t, text, decimal(number[:6]))
		require.NotContains(t, text, decimal(testKey[:4]))
	}
}

func decimal(b []byte) string { return strings.Trim(fmt.Sprint(b), "[]") }

// walk writes every byte reflection can reach, as decimal numbers.
func walk(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return walk(v.Elem())
	case reflect.Struct, reflect.Array, reflect.Slice:
		var b strings.Builder
		n, at := 0, v.Index
		if v.Kind() == reflect.Struct {
			n, at = v.NumField(), v.Field
		} else {
			n = v.Len()
		}
		for i := range n {
			b.WriteString(walk(at(i)))
		}
		return b.String()
	case reflect.Uint8:
		return fmt.Sprintf("%d ", v.Uint())
	}
	return ""
}

func TestPanics(t *testing.T) {
	long := make([]byte, MaxValue+1)
	require.PanicsWithValue(t, "blindindex: value is longer than 255 bytes", func() { testIndex(t).Append(nil, long) })
	require.PanicsWithValue(t, "blindindex: value is longer than 255 bytes", func() { testIndex(t).Value(long) })
	require.PanicsWithValue(t, "blindindex: Index was not made by New", func() { new(Index).Append(nil, number) })
}

func TestWipe(t *testing.T) {
	x := testIndex(t)
	x.Value(number)
	x.Wipe()
	require.Zero(t, x.key.Len())
	require.Nil(t, x.states.Get())
	const after = "blindindex: Index is used after Wipe"
	require.PanicsWithValue(t, after, func() { x.Append(nil, number) })
	require.PanicsWithValue(t, after, func() { x.Value(number) })
	x.Wipe()

	// A call that Wipe overtook computes nothing under an empty key.
	y := testIndex(t)
	y.key.Wipe()
	require.PanicsWithValue(t, after, func() { y.Value(number) })

	// A state that came back too late serves no more.
	late := testIndex(t)
	kept := late.newState()
	late.Wipe()
	for range 8 { // under -race a pool drops some of what it is given
		late.states.Put(kept)
	}
	require.PanicsWithValue(t, after, func() { late.Value(number) })

	// Nor does a call under way keep its state.
	z := testIndex(t)
	s := z.newState()
	z.Wipe()
	z.put(s)
	require.Nil(t, z.states.Get())

	require.NotPanics(t, new(Index).Wipe)
}

func TestConcurrent(t *testing.T) {
	x := testIndex(t)
	var wg sync.WaitGroup
	for i := range 8 {
		value := fmt.Appendf(nil, "value %d", i)
		want := testIndex(t).Value(value)
		wg.Go(func() {
			for range 500 {
				if x.Value(value) != want {
					t.Error("an index value of another call")
					return
				}
			}
		})
	}
	wg.Wait()
}

// No verb finds the key, not even where fmt asks no methods.
func TestPrintsNoKey(t *testing.T) {
	x := testIndex(t)
	x.Value(number)
	for _, verb := range "vtbcdoOqxXUs" {
		require.Contains(t, fmt.Sprintf("%#"+string(verb), x), "blindindex.Index")
		for _, holder := range []any{struct{ x *Index }{x}, &struct{ k any }{x.key}} {
			text := fmt.Sprintf("%+"+string(verb), holder)
			for _, form := range []string{string(testKey[:4]), hex.EncodeToString(testKey[:4]), decimal(testKey[:4])} {
				require.NotContains(t, text, form)
			}
		}
	}
}

// FuzzAppend compares with the standard library's HMAC, new for each message.
func FuzzAppend(f *testing.F) {
	f.Add("a", []byte("bc"))
	f.Add("ab", []byte("c"))
	f.Add(testLabel, number)
	f.Add(strings.Repeat("x", 255), []byte{})
	f.Fuzz(func(t *testing.T, label string, value []byte) {
		x, err := New(testKey, label)
		if label == "" || len(label) > MaxLabel {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		if len(value) > MaxValue {
			require.Panics(t, func() { x.Value(value) })
			return
		}
		want := hmac.New(sha256.New, testKey)
		want.Write([]byte{byte(len(label))})
		want.Write([]byte(label))
		want.Write([]byte{byte(len(value))})
		want.Write(value)
		require.Equal(t, want.Sum(nil), x.Append(nil, value))
	})
}
