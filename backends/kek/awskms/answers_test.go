package awskms

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

// Answers that parse and are wrong, as if bits had turned behind TLS: nothing of
// them is given out or kept.
func TestWrongAnswers(t *testing.T) {
	flip := func(field string) func(map[string]any) {
		return func(answer map[string]any) {
			b := bytes.Clone(answer[field].([]byte))
			b[len(b)-1] ^= 1
			answer[field] = b
		}
	}
	put := func(field string, value any) func(map[string]any) {
		return func(answer map[string]any) { answer[field] = value }
	}
	another := strings.Replace(fullARN, keyID, mrkID, 1)
	long := make([]byte, maxWrapped-wrapped.Overhead+1)
	// By operation: which calls use it is for the test to find out.
	for op, changes := range map[string]map[string]func(map[string]any){
		"Encrypt": {
			"blob altered": flip("CiphertextBlob"), "blob too long": put("CiphertextBlob", long),
			"another key": put("KeyId", another), "no key": put("KeyId", "x"),
		},
		"GenerateDataKey": {
			"blob altered": flip("CiphertextBlob"), "blob too long": put("CiphertextBlob", long),
			"another data key": flip("Plaintext"), "short": put("Plaintext", make([]byte, 31)),
			"long": put("Plaintext", make([]byte, 33)), "none": put("Plaintext", []byte{}), "another key": put("KeyId", another),
		},
		"Decrypt": {
			"another data key": flip("Plaintext"), "fives": put("Plaintext", bytes.Repeat([]byte{5}, 32)),
			"short": put("Plaintext", make([]byte, 31)), "long": put("Plaintext", make([]byte, 64)),
			"none": put("Plaintext", []byte{}), "another key": put("KeyId", another),
		},
		"ReEncrypt": {
			"blob too long": put("CiphertextBlob", long),
			"from another":  put("SourceKeyId", another), "to another": put("KeyId", another),
		},
	} {
		for name, change := range changes {
			f := newFake(t)
			k, stored := wrappedKey(t, f)
			f.set(nil, func(made string, answer map[string]any) {
				if made == op {
					change(answer)
				}
			})
			tried := 0
			for call, try := range calls {
				f.made()
				got, err := try(t.Context(), k, stored)
				// On a busy machine Go's client now and then loses an answer of more than
				// 4 KiB, which KMS never gives.
				for range 5 {
					if errors.Is(err, keys.ErrUnavailable) {
						got, err = try(t.Context(), k, stored)
					}
				}
				if !slices.Contains(f.made(), op) {
					require.NoError(t, err)
					continue
				}
				tried++
				require.ErrorIs(t, err, keys.ErrCorrupt, "%s of %s: %s", op, call, name)
				require.Nil(t, got)
				var failed *keys.CallError
				require.ErrorAs(t, err, &failed)
			}
			require.Positive(t, tried, "%s: %s was not tried", op, name)
		}
	}
}

// An answer without one of its fields was cut short.
func TestIncompleteAnswers(t *testing.T) {
	for op, fields := range map[string][]string{
		"Encrypt": {"KeyId", "CiphertextBlob"}, "GenerateDataKey": {"KeyId", "CiphertextBlob"}, "Decrypt": {"KeyId"},
		"ReEncrypt": {"KeyId", "SourceKeyId", "CiphertextBlob"}, "DescribeKey": {"KeyMetadata"},
	} {
		for _, field := range fields {
			f := newFake(t)
			k, stored := wrappedKey(t, f)
			f.set(nil, func(made string, answer map[string]any) {
				if made == op {
					delete(answer, field)
				}
			})
			for call, try := range calls {
				f.made()
				got, err := try(t.Context(), k, stored)
				if slices.Contains(f.made(), op) {
					require.ErrorIs(t, err, keys.ErrUnavailable, "%s of %s without %s", op, call, field)
					require.Nil(t, got)
				}
			}
		}
	}
}

// A blob that opens to another data key than its check value says, as whoever
// writes to the store could put it together.
func TestCheckValue(t *testing.T) {
	f := newFake(t)
	k, one := wrappedKey(t, f)
	two, err := k.Wrap(t.Context(), nil, bytes.Repeat([]byte{9}, 32), binding())
	require.NoError(t, err)
	mixed := append(bytes.Clone(one[:wrapped.Overhead]), two[wrapped.Overhead:]...)
	dst := append(make([]byte, 0, 256), "prefix"...)
	got, err := k.Unwrap(t.Context(), dst, mixed, binding())
	failsWith(t, got, err, decrypt, keys.ErrCorrupt)
	require.NotContains(t, string(dst[:cap(dst)]), string(bytes.Repeat([]byte{9}, 32)))
}

// A server that ignores the encryption context is found by Check, and by the
// check value.
func TestContextIgnored(t *testing.T) {
	f := newFake(t)
	f.unbound = true
	k, stored := wrappedKey(t, f)
	err := k.Check(t.Context())
	failsWith(t, nil, err, decrypt, keys.ErrCorrupt)
	require.ErrorContains(t, err, "opens under another encryption context")
	other := binding()
	other.Scope = "other"
	got, err := k.Unwrap(t.Context(), nil, stored, other)
	failsWith(t, got, err, decrypt, keys.ErrCorrupt)
}

// Bytes that this backend cannot have made cost no call.
func TestNotOurs(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	other := bytes.Clone(stored)
	other[0] = 2
	for name, bad := range map[string][]byte{
		"nil": nil, "empty": {}, "no blob": stored[:wrapped.Overhead], "another version": other,
		"64 KiB": append(bytes.Clone(stored), make([]byte, 1<<16)...), "one too long": append([]byte{1}, make([]byte, maxWrapped)...),
		"text": []byte(base64.StdEncoding.EncodeToString(stored)),
	} {
		got, err := k.Unwrap(t.Context(), nil, bad, binding())
		require.ErrorIs(t, err, keys.ErrCorrupt, name)
		require.Nil(t, got)
		got, err = k.Rewrap(t.Context(), nil, bad, binding())
		require.ErrorIs(t, err, keys.ErrCorrupt, name)
		require.Nil(t, got)
	}
	require.Empty(t, f.made())
}

// FuzzUnwrap: whatever a store holds, one data key opens or ErrCorrupt is said.
func FuzzUnwrap(f *testing.F) {
	fake := newFake(f)
	k, err := New(f.Context(), fake.config(), fake.key(region, keyID), nil)
	require.NoError(f, err)
	dataKey := []byte("a data key of thirty-two bytes..")
	stored, err := k.Wrap(f.Context(), nil, dataKey, binding())
	require.NoError(f, err)
	f.Add(stored)
	f.Add(stored[:wrapped.Overhead])
	f.Add(stored[1:])
	f.Add(append(bytes.Clone(stored), 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := k.Unwrap(t.Context(), nil, in, binding())
		if err == nil {
			require.Equal(t, dataKey, got)
			require.Equal(t, stored, in)
			return
		}
		require.ErrorIs(t, err, keys.ErrCorrupt)
		require.Nil(t, got)
	})
}
