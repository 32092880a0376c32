package keystest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cardseal/cardseal/keys"
)

// maxWrapped is what an inline record holds: 4,096 bytes of key reference less
// KEK ID, key ID and time.
const maxWrapped = 4096 - 8 - 16 - 8

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// newBinding is a binding with every field set and a key ID of its own.
func newBinding() keys.Binding {
	return keys.Binding{
		Environment: "production", Scope: "shop-é", Purpose: keys.PAN,
		KeyID: newKeyID(), Created: time.Unix(1_700_000_000, 0).UTC(),
	}
}

func (h *kekHarness) errorf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = append(h.failures, fmt.Sprintf(format, args...))
}

// fatalf ends the check; from its own goroutine only.
func (h *kekHarness) fatalf(format string, args ...any) {
	h.errorf(format, args...)
	panic(stopped{})
}

func (h *kekHarness) wrap(b keys.Binding) []byte {
	wrapped, err := h.k.Wrap(h.ctx, nil, h.key, b)
	if err != nil {
		h.discreet("Wrap", err, h.key)
		h.fatalf("Wrap: %v", err)
	}
	return wrapped
}

// unwraps expects the harness's data key.
func (h *kekHarness) unwraps(k keys.KEK, wrapped []byte, b keys.Binding) {
	got, err := k.Unwrap(h.ctx, nil, wrapped, b)
	if err != nil {
		h.fatalf("Unwrap: %v", err)
	}
	if !bytes.Equal(got, h.key) {
		h.fatalf("Unwrap gives another data key than was wrapped, of %d bytes", len(got))
	}
}

// refuses expects Unwrap to fail with ErrCorrupt and to give nothing.
func (h *kekHarness) refuses(k keys.KEK, wrapped []byte, b keys.Binding, what string) {
	got, err := k.Unwrap(h.ctx, nil, wrapped, b)
	h.corrupt(what, got, err)
}

func (h *kekHarness) corrupt(what string, got []byte, err error) {
	switch {
	case err == nil:
		h.errorf("%s: taken, want ErrCorrupt", what)
	case !errors.Is(err, keys.ErrCorrupt):
		h.errorf("%s: %v, want ErrCorrupt", what, err)
	case errors.Is(err, keys.ErrThrottled), errors.Is(err, keys.ErrUnavailable):
		h.errorf("%s: %v asks for another try, which cannot help", what, err)
	}
	h.nothing(what, got, err)
}

// nothing holds what every failed call keeps to.
func (h *kekHarness) nothing(what string, got []byte, err error) {
	if err != nil && got != nil {
		h.errorf("%s: %d bytes returned beside the error", what, len(got))
	}
	h.discreet(what, err, h.key)
}

// discreet looks for a secret in an error's text: for four bytes in a row of it, as
// they are where they could be no text, escaped or as numbers, and for eight bytes in
// hexadecimal. Four letters would turn up by chance, and so would eight hexadecimal
// digits, of which the IDs of requests consist.
func (h *kekHarness) discreet(what string, err error, secret []byte) {
	if err == nil {
		return
	}
	forms := []string{base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret)}
	for part := range slices.Chunk(secret, 8) {
		forms = append(forms, hex.EncodeToString(part), fmt.Sprintf("%X", part))
	}
	for part := range slices.Chunk(secret, 4) {
		decimal := strings.Trim(fmt.Sprint(part), "[]")
		forms = append(forms, decimal, strings.ReplaceAll(decimal, " ", ", "),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}"))
		if !utf8.Valid(part) {
			forms = append(forms, string(part), strings.Trim(fmt.Sprintf("%q", part), `"`))
		}
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for _, form := range forms {
		if strings.Contains(text, form) {
			h.errorf("%s: the error's text holds bytes of the data key", what) // and is not shown
			return
		}
	}
}

// failing expects every call that takes a context to fail with an error.
func (h *kekHarness) failing(ctx context.Context, want error) {
	b := newBinding()
	expect := func(what string, got []byte, err error) {
		if !errors.Is(err, want) {
			h.errorf("%s: %v, want %v", what, err, want)
		}
		h.nothing(what, got, err)
	}
	got, err := h.k.Wrap(ctx, nil, h.key, b)
	expect("Wrap", got, err)
	// Of no use as a wrapped key: the first of two reasons counts.
	got, err = h.k.Unwrap(ctx, nil, make([]byte, 61), b)
	expect("Unwrap", got, err)
	if g, ok := h.k.(keys.Generator); ok {
		dataKey, wrapped, err := g.GenerateDataKey(ctx, nil, b)
		expect("GenerateDataKey", append(dataKey, wrapped...), err)
	}
	if r, ok := h.k.(keys.Rewrapper); ok {
		got, err := r.Rewrap(ctx, nil, make([]byte, 61), b)
		expect("Rewrap", got, err)
	}
	if c, ok := h.k.(keys.Checker); ok {
		expect("Check", nil, c.Check(ctx))
	}
}
