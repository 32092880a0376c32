package envelope

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdditionalEncoding(t *testing.T) {
	a := Additional{
		Field: 4, Record: RecordID{0: 0xaa, 15: 0xbb}, Owner: "mé", Generation: 0x0102030405060708,
		Pairs: []Pair{{"a", ""}, {"b", "cd"}},
	}
	out, err := a.AppendTo([]byte("dst"))
	require.NoError(t, err)
	require.Equal(t, "dst\x01\x04\xaa"+strings.Repeat("\x00", 14)+"\xbb"+"\x00\x03mé"+
		"\x01\x02\x03\x04\x05\x06\x07\x08"+"\x00\x01a\x00\x00"+"\x00\x01b\x00\x02cd", string(out))

	out, err = (&Additional{}).AppendTo(nil)
	require.NoError(t, err)
	require.Equal(t, append([]byte{1}, make([]byte, 27)...), out)
}

func TestAdditionalRefused(t *testing.T) {
	const secret = "never-in-an-error"
	long := strings.Repeat(secret, 4000)
	for name, c := range map[string]struct {
		a     Additional
		field string
	}{
		"owner too long":     {Additional{Owner: long[:65536]}, "owner"},
		"owner not UTF-8":    {Additional{Owner: secret + "\xff"}, "owner"},
		"pairs not sorted":   {Additional{Pairs: []Pair{{secret + "b", ""}, {secret + "a", ""}}}, "pairs"},
		"name twice":         {Additional{Pairs: []Pair{{secret, "1"}, {secret, "2"}}}, "pairs"},
		"empty name":         {Additional{Pairs: []Pair{{"", secret}}}, "pairs"},
		"1025 bytes":         {Additional{Pairs: []Pair{{"n", long[:1024]}}}, "pairs"},
		"1025 bytes of name": {Additional{Pairs: []Pair{{long[:1025], ""}}}, "pairs"},
		"65536 bytes":        {Additional{Pairs: []Pair{{"n", long[:65536]}}}, "pairs"},
		"1025 bytes in two":  {Additional{Pairs: []Pair{{"n", long[:1000]}, {"o", long[:23]}}}, "pairs"},
		"name not UTF-8":     {Additional{Pairs: []Pair{{secret + "\xc3", "v"}}}, "pairs"},
		"value not UTF-8":    {Additional{Pairs: []Pair{{"n", secret + "\x80"}}}, "pairs"},
	} {
		out, err := c.a.AppendTo(make([]byte, 0, 10))
		require.Nil(t, out, name)
		var arg *ArgumentError
		require.True(t, errors.As(err, &arg), name)
		require.Equal(t, c.field, arg.Field, name)
		require.NotContains(t, err.Error(), secret, name)
	}
	for name, a := range map[string]Additional{
		"owner of 65535 bytes": {Owner: long[:65535]},
		"pairs of 1024 bytes":  {Pairs: []Pair{{"n", long[:1000]}, {"o", long[:22]}}},
	} {
		_, err := a.AppendTo(nil)
		require.NoError(t, err, name)
	}
}

// parseAdditional is the inverse of AppendTo. That it exists, and gives back what
// was encoded, is the proof that no two values share an encoding.
func parseAdditional(b []byte) (a Additional, ok bool) {
	text := func() (s string) {
		n := int(binary.BigEndian.Uint16(b))
		s, b = string(b[2:2+n]), b[2+n:]
		return s
	}
	defer func() {
		if recover() != nil { // too short
			ok = false
		}
	}()
	if b[0] != additionalVersion {
		return a, false
	}
	a.Field, a.Record, b = b[1], RecordID(b[2:18]), b[18:]
	a.Owner = text()
	a.Generation, b = binary.BigEndian.Uint64(b), b[8:]
	for len(b) > 0 {
		a.Pairs = append(a.Pairs, Pair{text(), text()})
	}
	return a, true
}

// FuzzAdditional: what is encoded parses back to the same value, so the encoding
// is injective.
func FuzzAdditional(f *testing.F) {
	f.Add(byte(1), []byte("record"), "owner", uint64(3), "a", "1", "b", "2")
	f.Add(byte(0), []byte{}, "", uint64(0), "", "", "", "")
	f.Add(byte(255), []byte{1}, "\x00\x01", ^uint64(0), "\x00", "\x00\x00", "\x01", "")
	f.Fuzz(func(t *testing.T, field byte, record []byte, owner string, generation uint64, n1, v1, n2, v2 string) {
		a := Additional{Field: field, Owner: owner, Generation: generation}
		copy(a.Record[:], record)
		if n1 != "" {
			a.Pairs = append(a.Pairs, Pair{n1, v1})
		}
		if n2 != "" {
			a.Pairs = append(a.Pairs, Pair{n2, v2})
		}
		out, err := a.AppendTo(nil)
		if err != nil {
			require.Nil(t, out)
			return
		}
		back, ok := parseAdditional(out)
		require.True(t, ok)
		require.Equal(t, a, back)
	})
}

// FuzzAdditionalBytes goes the other way: bytes that parse encode to themselves
// or are refused.
func FuzzAdditionalBytes(f *testing.F) {
	for _, r := range loadVectors(f).Records {
		f.Add([]byte(r.AAD))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := parseAdditional(b)
		if !ok {
			return
		}
		if out, err := a.AppendTo(nil); err == nil {
			require.Equal(t, b, out)
		}
	})
}

// An encoding with another record ID put in is that record's own encoding.
func TestSetRecord(t *testing.T) {
	for _, owner := range []string{"", "owner"} {
		a := Additional{Field: 7, Record: NewRecordID(), Owner: owner, Generation: 3}
		b := a
		b.Record = NewRecordID()
		got, err := a.AppendTo(nil)
		require.NoError(t, err)
		want, err := b.AppendTo(nil)
		require.NoError(t, err)
		SetRecord(got, b.Record)
		require.Equal(t, want, got)
	}
}
