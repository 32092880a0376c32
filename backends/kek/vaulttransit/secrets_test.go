package vaulttransit

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// TestErrorsTellNoSecrets: an answer that holds a data key and is taken for a
// failure shows nothing of it.
func TestErrorsTellNoSecrets(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	b, key := binding(), dataKey()
	text := base64.StdEncoding.EncodeToString(key)
	form := wrappedAs(t, 3, key, b)
	answers := map[string]http.HandlerFunc{
		"cut off":    cutOff(`{"data":{"plaintext":"` + text),
		"long":       says(200, reveals(key)+string(make([]byte, maxAnswer))),
		"bad base64": says(200, `{"data":{"plaintext":"`+text+`*"}}`),
		"unquoted":   says(200, `{"data":{"plaintext":`+text+`}}`),
		"no HTTP": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = c.Write([]byte(text + `"}}` + "\r\n\r\n"))
				_ = c.Close()
			}
		},
	}
	for _, status := range []int{400, 403, 404, 429, 500} {
		answers[fmt.Sprintf("status %d", status)] = says(status, reveals(key))
		answers[fmt.Sprintf("status %d, cut off", status)] = says(status, `{"data":{"plaintext":"`+text)
	}
	for name, answer := range answers {
		f.on("decrypt", answer)
		got, err := k.Unwrap(t.Context(), nil, form, b)
		require.Error(t, err, name)
		require.Nil(t, got, name)
		for e := range everyError(err) {
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), text[:8], name)
		}
	}
}

// everyError walks a tree of errors.
func everyError(err error) func(yield func(error) bool) {
	return func(yield func(error) bool) { walk(err, yield) }
}

func walk(err error, yield func(error) bool) bool {
	if err == nil {
		return true
	}
	if !yield(err) {
		return false
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return walk(e.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if !walk(inner, yield) {
				return false
			}
		}
	}
	return true
}

// TestPasswordInAddress: the vendor's errors quote the address.
func TestPasswordInAddress(t *testing.T) {
	f := newFake(t)
	f.on("keys", says(403, `{"errors":["permission denied"]}`))
	address := "http://user:hunter2@" + f.Listener.Addr().String()
	_, err := New(t.Context(), newClient(t, address, "x"), "transit", "pan", nil)
	require.ErrorIs(t, err, keys.ErrDenied)
	require.NotContains(t, err.Error(), "hunter2")
	f.Close()
	_, err = New(t.Context(), newClient(t, address, "x"), "transit", "pan", nil)
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.NotContains(t, err.Error(), "hunter2")
}
