package keys_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// Seal and Open append: what is in dst stays, and room in it is used.
func TestAppendToDst(t *testing.T) {
	for mode, w := range worlds() {
		s := pan(t, w.manager(t, nil))
		for _, room := range []int{0, 1, 50, 1000} {
			dst := append(make([]byte, 0, 6+room), "prefix"...)
			out, err := s.Seal(t.Context(), dst, []byte(message), additional())
			require.NoError(t, err)
			require.Equal(t, "prefix", string(out[:6]), mode)
			require.Equal(t, room == 1000, &out[0] == &dst[0], "%s, room %d", mode, room)
			record := slices.Clone(out[6:])
			for range 4 {
				out, err = s.Open(t.Context(), dst, record, additional())
				require.NoError(t, err)
				require.Equal(t, "prefix"+message, string(out), mode)
				require.Equal(t, room >= 50, &out[0] == &dst[0], "%s, room %d", mode, room)
			}
		}
	}
}

// The documented overlap: dst may share memory with what goes in, at any offset.
func TestDstSharesMemory(t *testing.T) {
	for mode, w := range worlds() {
		s := pan(t, w.manager(t, nil))
		for offset := range 40 {
			buffer := make([]byte, 600)
			plain := buffer[offset : offset+len(message)]
			copy(plain, message)
			record, err := s.Seal(t.Context(), buffer[:0], plain, additional())
			require.NoError(t, err)
			require.Same(t, &buffer[0], &record[0])
			opens(t, s, slices.Clone(record))

			moved := buffer[offset : offset+len(record)]
			copy(moved, record)
			for range 3 {
				kept := slices.Clone(moved)
				got, err := s.Open(t.Context(), buffer[:0], moved, additional())
				require.NoError(t, err)
				require.Equal(t, message, string(got), "%s, offset %d", mode, offset)
				require.Same(t, &buffer[0], &got[0])
				copy(moved, kept)
			}
		}
	}
}

func TestInputsAreKept(t *testing.T) {
	for _, w := range worlds() {
		s := pan(t, w.manager(t, nil))
		plain, a := []byte(message), additional()
		record, err := s.Seal(t.Context(), nil, plain, a)
		require.NoError(t, err)
		require.Equal(t, message, string(plain))
		require.Equal(t, additional(), a)
		kept := slices.Clone(record)
		for range 4 {
			got, err := s.Open(t.Context(), nil, record, a)
			require.NoError(t, err)
			require.Equal(t, kept, record)
			require.Equal(t, additional(), a)
			clear(got) // is the caller's own, no part of what is kept
		}
		opens(t, s, record)
	}
}

// A record that does not open leaves nothing of itself in dst, not even behind
// its length.
func TestNothingOnError(t *testing.T) {
	for mode, w := range worlds() {
		s := pan(t, w.manager(t, nil))
		record := seal(t, s)
		record[len(record)-1] ^= 1 // decrypts well, but for the tag
		for range 4 {
			dst := make([]byte, 3, 600)
			got, err := s.Open(t.Context(), dst, record, additional())
			require.Error(t, err)
			require.Nil(t, got)
			require.Equal(t, make([]byte, 600), dst[:600], mode)
		}
		dst := make([]byte, 3, 600)
		got, err := s.Seal(t.Context(), dst, make([]byte, keys.MaxPlaintext+1), additional())
		require.Error(t, err)
		require.Nil(t, got)
		require.Equal(t, make([]byte, 600), dst[:600])
	}
}

// The forms for callers with buffers of their own make and read the same records.
func TestSealWithOpenWith(t *testing.T) {
	for mode, w := range worlds() {
		s := pan(t, w.manager(t, nil))
		aad, err := additional().AppendTo(nil)
		require.NoError(t, err)
		work := &keys.Work{AAD: aad, Plain: []byte(message)}
		dst := append(make([]byte, 0, 600), "prefix"...)
		out, err := s.SealWith(t.Context(), work, dst)
		require.NoError(t, err)
		require.Equal(t, "prefix", string(out[:6]))
		record := slices.Clone(out[6:])
		opens(t, s, record)
		for _, r := range [][]byte{record, seal(t, s)} {
			for range 4 {
				room := make([]byte, 3, 100)
				got, err := s.OpenWith(t.Context(), &keys.Work{AAD: aad, Plain: room}, r)
				require.NoError(t, err, mode)
				require.Equal(t, message, string(got))
				require.Same(t, &room[0], &got[0])
				got, err = s.OpenWith(t.Context(), &keys.Work{AAD: aad}, r)
				require.NoError(t, err, mode)
				require.Equal(t, message, string(got))
			}
		}
		work.AAD = aad[1:]
		got, err := s.OpenWith(t.Context(), work, record)
		require.ErrorIs(t, err, envelope.ErrOpen)
		require.Nil(t, got)
		work.Plain = make([]byte, keys.MaxPlaintext+1)
		got, err = s.SealWith(t.Context(), work, nil)
		require.ErrorAs(t, err, new(*keys.OptionError))
		require.Nil(t, got)
	}
}

// Two records of one plaintext have nothing in common but the header.
func TestRecordsDiffer(t *testing.T) {
	s := pan(t, newWorld().manager(t, nil))
	a, b := seal(t, s), seal(t, s)
	h := header(t, a)
	n := len(a) - len(message) - 16 - len(h.Nonce)
	require.Equal(t, a[:n], b[:n])
	require.False(t, bytes.Equal(a[n:n+12], b[n:n+12]))
	require.False(t, bytes.Equal(a[n+12:], b[n+12:]))
}
