package keys_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

func TestReceiptEncoding(t *testing.T) {
	r := keys.Receipt{
		Key:       keys.KeyID{0: 1, 15: 2},
		Ring:      keys.RingID{Environment: "test", Purpose: keys.PAN, Scope: "s"},
		Destroyed: time.Unix(0x01020304, 0).UTC(), LastUse: time.Unix(0x01020305, 0).UTC(),
		Promise: keys.KEKGone, KEKs: []string{"k"}, Shredded: true, Records: 0x0506,
	}
	want := "dst\x01" + string(r.Key[:]) + "\x00\x04test\x00\x03pan\x00\x01s" +
		"\x00\x00\x00\x00\x01\x02\x03\x04\x00\x00\x00\x00\x01\x02\x03\x05\x02\x01" +
		"\x00\x00\x00\x00\x00\x00\x05\x06\x00\x03\x00\x01k"
	require.Equal(t, want, string(r.AppendTo([]byte("dst"))))
	encoded := []byte(want[3:])
	got, err := keys.ParseReceipt(encoded)
	require.NoError(t, err)
	require.Equal(t, r, got)
	for n := range encoded {
		_, err := keys.ParseReceipt(encoded[:n])
		require.ErrorIs(t, err, keys.ErrReceipt)
	}
	_, err = keys.ParseReceipt(append(encoded, 0))
	require.ErrorIs(t, err, keys.ErrReceipt)
	for name, change := range map[string]func(r *keys.Receipt){
		"no key":     func(r *keys.Receipt) { r.Key = keys.KeyID{} },
		"purpose":    func(r *keys.Receipt) { r.Ring.Purpose = "PAN" },
		"not UTF-8":  func(r *keys.Receipt) { r.Ring.Environment = "\xff" },
		"no promise": func(r *keys.Receipt) { r.Promise = 0 },
		"unknown":    func(r *keys.Receipt) { r.Promise = 3 },
		"no KEK":     func(r *keys.Receipt) { r.KEKs = nil },
		"a KEK":      func(r *keys.Receipt) { r.Promise = keys.CopiesGone },
		"empty ID":   func(r *keys.Receipt) { r.KEKs = []string{""} },
		"before":     func(r *keys.Receipt) { r.Destroyed = time.Unix(-1, 0) },
	} {
		bad := r
		change(&bad)
		_, err := keys.ParseReceipt(bad.AppendTo(nil))
		require.ErrorIs(t, err, keys.ErrReceipt, name)
	}
	require.Equal(t, "invalid", keys.Promise(0).String())
	require.NotEqual(t, keys.CopiesGone.String(), keys.KEKGone.String())
}

// What parses is the encoding of what it parsed to, byte for byte.
func FuzzParseReceipt(f *testing.F) {
	f.Add([]byte(nil))
	for _, promise := range []keys.Promise{keys.CopiesGone, keys.KEKGone} {
		r := keys.Receipt{Key: keys.KeyID{1}, Ring: keys.RingID{Environment: "e", Purpose: "x-p"}, Destroyed: time.Unix(1, 0), LastUse: time.Unix(2, 0), Promise: promise}
		if promise == keys.KEKGone {
			r.KEKs = []string{"a", "b"}
		}
		f.Add(r.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		r, err := keys.ParseReceipt(encoded)
		if err != nil {
			require.True(t, errors.Is(err, keys.ErrReceipt))
			require.Equal(t, keys.Receipt{}, r)
			return
		}
		require.Equal(t, encoded, r.AppendTo(nil))
	})
}
