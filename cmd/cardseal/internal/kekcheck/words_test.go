package kekcheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/keys"
)

// Every kind of failure has words of its own, which name the call and end in what
// the vendor says.
func TestWords(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []error{
		keys.ErrNotFound, keys.ErrDisabled, keys.ErrDenied, keys.ErrThrottled, keys.ErrUnavailable, keys.ErrCorrupt,
		context.Canceled, context.DeadlineExceeded,
	} {
		err := fmt.Errorf("keys: unwrap: %w", &keys.CallError{Call: "kms:Decrypt", Kind: kind, Err: errors.New("vendor's\n words")})
		text, ok := Words(err)
		require.True(t, ok)
		require.True(t, strings.HasSuffix(text, " (kms:Decrypt); it says: vendor's words"), text)
		require.NotContains(t, text, "keys: ")
		require.False(t, seen[text])
		seen[text] = true
		name, kindName := call(err)
		require.Equal(t, "kms:Decrypt", name)
		require.NotEmpty(t, kindName)
	}
	text, ok := Words(&keys.CallError{Kind: errors.New("other")})
	require.True(t, ok)
	require.Equal(t, "the KMS fails", text)
	text, _ = Words(&keys.CallError{Call: "kms:Encrypt", KEK: "kek-2", Kind: keys.ErrThrottled})
	require.Contains(t, text, " (kms:Encrypt by kek-2)", "one of several")

	text, ok = Words(fmt.Errorf("x: %w", &open.URIError{Field: "host", Reason: "is bad"}))
	require.True(t, ok)
	require.Equal(t, "the KEK's URI: host is bad", text)
	text, ok = Words(fmt.Errorf("%w: no token", open.ErrConfig))
	require.True(t, ok)
	require.Equal(t, "the environment is not set up for this KMS: no token", text)

	for _, err := range []error{keys.ErrCorrupt, keys.ErrNotFound, errors.New("x")} {
		_, ok := Words(err)
		require.False(t, ok, "the manager's own: another explanation fits")
	}
}

// A vendor's text can neither fill the terminal nor steer it.
func TestShort(t *testing.T) {
	require.Equal(t, "a [31mb c", short(" a \x1b[31mb\r\n\tc\x00\u009b "))
	long := short(strings.Repeat("ü", 1000))
	require.LessOrEqual(t, len(long), maxVendor+len("…"))
	require.True(t, strings.HasSuffix(long, "ü…"), "cut within a character")
}
