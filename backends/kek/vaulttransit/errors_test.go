package vaulttransit

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

var kinds = []error{
	keys.ErrNotFound, keys.ErrDisabled, keys.ErrDenied, keys.ErrThrottled, keys.ErrUnavailable, keys.ErrCorrupt,
	context.Canceled, context.DeadlineExceeded,
}

// isKind expects one kind and no other, and the call by its name in a policy.
func isKind(t *testing.T, want, err error, call string) {
	t.Helper()
	var e *keys.CallError
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Kind, "%v", err)
	require.Equal(t, call, e.Call)
	for _, kind := range kinds {
		require.Equal(t, kind == want, errors.Is(err, kind), "%v is also %v", err, kind)
	}
}

// wrappedAs is a wrapped data key of the fake's key under a version.
func wrappedAs(t *testing.T, version uint32, dataKey []byte, b keys.Binding) []byte {
	check, err := wrapped.NewCheck(dataKey, b, nil)
	require.NoError(t, err)
	return ciphertext{version, make([]byte, shortCiphertext)}.appendStored(nil, check)
}

func reveals(dataKey []byte) string {
	return `{"data":{"plaintext":"` + base64.StdEncoding.EncodeToString(dataKey) + `"}}`
}

// TestKinds: every way a call can fail has one kind, whichever call it is.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
	}{
		{"denied", says(403, `{"errors":["permission denied"]}`), keys.ErrDenied},
		{"no token", says(401, `{"errors":["missing client token"]}`), keys.ErrDenied},
		{"no such path", says(404, `{"errors":["no handler for route"]}`), keys.ErrNotFound},
		{"not found", says(404, `{"errors":[]}`), keys.ErrNotFound},
		{"not this way", says(405, `{"errors":["unsupported operation"]}`), keys.ErrDenied},
		{"too large", says(413, `{"errors":["request body too large"]}`), keys.ErrDenied},
		{"quota", says(429, `{"errors":["rate limit quota exceeded"]}`), keys.ErrThrottled},
		{"throttled before Vault", says(429, `<html>slow down</html>`), keys.ErrThrottled},
		{"replica behind", says(412, `{"errors":["required index state not present"]}`), keys.ErrUnavailable},
		{"timed out before Vault", says(408, ``), keys.ErrUnavailable},
		{"fault", says(500, `{"errors":["internal error"]}`), keys.ErrUnavailable},
		{"gateway", says(502, `<html>bad gateway</html>`), keys.ErrUnavailable},
		{"sealed", says(503, `{"errors":["Vault is sealed"]}`), keys.ErrUnavailable},
		{"denied by no Vault", says(403, `<html>denied</html>`), keys.ErrUnavailable},
		{"denied without reason", says(403, `{}`), keys.ErrUnavailable},
		{"bad request of no Vault", says(400, `bad`), keys.ErrUnavailable},
		{"nothing", says(200, ``), keys.ErrUnavailable},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, keys.ErrUnavailable},
		{"redirect to nowhere", says(304, ``), keys.ErrUnavailable},
		{"not JSON", says(200, `<html>welcome</html>`), keys.ErrUnavailable},
		{"JSON of another shape", says(200, `[1]`), keys.ErrUnavailable},
		{"JSON of no use", says(200, `{}`), keys.ErrUnavailable},
		{"no data", says(200, `{"data":{}}`), keys.ErrUnavailable},
		{"data of other types", says(200, `{"data":{"plaintext":7,"ciphertext":{},"type":[]}}`), keys.ErrUnavailable},
		{"cut off", cutOff(`{"data":{"plaintext":"AAAA`), keys.ErrUnavailable},
		{"too long", says(200, `{"data":{"x":"`+string(make([]byte, maxKeyAnswer))+`"}}`), keys.ErrUnavailable},
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, keys.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			k := f.open(t)
			b, key := binding(), dataKey()
			fails := func(operation, call string, run func() ([]byte, error)) {
				t.Helper()
				f.on(operation, c.answer)
				got, err := run()
				isKind(t, c.want, err, call)
				require.Nil(t, got)
				f.on(operation, nil)
				f.on("keys", says(200, soundKey))
			}
			fails("keys", "read transit/keys/pan", func() ([]byte, error) {
				_, err := New(t.Context(), f.client(t), "transit", "pan", nil)
				return nil, err
			})
			fails("encrypt", "update transit/encrypt/pan", func() ([]byte, error) { return k.Wrap(t.Context(), nil, key, b) })
			fails("datakey/plaintext", "update transit/datakey/plaintext/pan", func() ([]byte, error) {
				dataKey, wrapped, err := k.GenerateDataKey(t.Context(), nil, b)
				return append(dataKey, wrapped...), err
			})
			form := wrappedAs(t, 3, key, b)
			fails("decrypt", "update transit/decrypt/pan", func() ([]byte, error) { return k.Unwrap(t.Context(), nil, form, b) })
			fails("decrypt", "update transit/decrypt/pan", func() ([]byte, error) {
				r := k.UnwrapBatch(t.Context(), []Wrapped{{form, b}})[0]
				return r.DataKey, r.Err
			})
			fails("rewrap", "update transit/rewrap/pan", func() ([]byte, error) { return k.Rewrap(t.Context(), nil, form, b) })
		})
	}
}

// TestBadRequests: Vault calls a request about a ciphertext bad for one of many
// reasons, and the key tells which.
func TestBadRequests(t *testing.T) {
	bad := says(400, `{"errors":["whatever it says"]}`)
	for _, c := range []struct {
		name    string
		version uint32
		key     http.HandlerFunc
		want    error
	}{
		{"newest version", 3, says(200, soundKey), keys.ErrCorrupt},
		{"oldest allowed", 2, says(200, soundKey), keys.ErrCorrupt},
		{"no longer decrypted", 1, says(200, soundKey), keys.ErrDisabled},
		{"version that is none yet", 4, says(200, soundKey), keys.ErrCorrupt},
		{"trimmed", 1, says(200, `{"data":{"type":"aes256-gcm96","derived":true,"latest_version":3,"min_available_version":2}}`), keys.ErrDisabled},
		{"restored and behind", 9, says(200, `{"data":{"type":"aes256-gcm96","derived":true,"latest_version":3,"min_decryption_version":10}}`), keys.ErrCorrupt},
		{"key gone", 3, says(404, `{"errors":[]}`), keys.ErrNotFound},
		{"key hidden by policy", 3, says(403, `{"errors":["permission denied"]}`), keys.ErrCorrupt},
		{"key replaced", 3, says(200, `{"data":{"type":"rsa-4096","latest_version":1}}`), keys.ErrDisabled},
		{"key deleted for now", 3, says(200, `{"data":{"type":"aes256-gcm96","derived":true,"latest_version":3,"soft_deleted":true}}`), keys.ErrDisabled},
		{"sealed since", 3, says(503, `{"errors":["sealed"]}`), keys.ErrUnavailable},
		{"slow down", 3, says(429, `{"errors":["quota"]}`), keys.ErrThrottled},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			k := f.open(t)
			b := binding()
			form := wrappedAs(t, c.version, dataKey(), b)
			f.on("keys", c.key)
			f.on("decrypt", bad)
			f.on("rewrap", bad)
			_, err := k.Unwrap(t.Context(), nil, form, b)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, []string{"PUT /v1/transit/decrypt/pan", "GET /v1/transit/keys/pan"}, f.asked())
			_, err = k.Rewrap(t.Context(), nil, form, b)
			require.ErrorIs(t, err, c.want)
			require.ErrorIs(t, k.UnwrapBatch(t.Context(), []Wrapped{{form, b}})[0].Err, c.want)
			f.on("decrypt", says(400, `{"data":{"batch_results":[{"plaintext":"","error":"no"}]}}`))
			require.ErrorIs(t, k.UnwrapBatch(t.Context(), []Wrapped{{form, b}})[0].Err, c.want)
		})
	}
	// A request that wraps, refused though the key is sound.
	f := newFake(t)
	k := f.open(t)
	f.on("encrypt", bad)
	_, err := k.Wrap(t.Context(), nil, dataKey(), binding())
	isKind(t, keys.ErrDenied, err, "update transit/encrypt/pan")
	require.ErrorContains(t, err, "whatever it says")
}

// TestWrongAnswers: what can be read and is wrong is corrupt, and is not kept.
func TestWrongAnswers(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	b, key, other := binding(), dataKey(), dataKey()
	ct := `"ciphertext":"` + vaultText(3, shortCiphertext) + `"`
	form := wrappedAs(t, 3, key, b)

	for _, wrong := range [][]byte{other, key[:31], append(key[:32:32], 0), {}} {
		f.on("decrypt", says(200, reveals(wrong)))
		f.on("encrypt", says(200, `{"data":{`+ct+`}}`))
		f.on("datakey/plaintext", says(200, `{"data":{`+ct+`,"plaintext":"`+base64.StdEncoding.EncodeToString(key)+`"}}`))
		_, err := k.Wrap(t.Context(), nil, key, b)
		isKind(t, keys.ErrCorrupt, err, "update transit/encrypt/pan")
		_, _, err = k.GenerateDataKey(t.Context(), nil, b)
		isKind(t, keys.ErrCorrupt, err, "update transit/datakey/plaintext/pan")
		_, err = k.Unwrap(t.Context(), nil, form, b)
		isKind(t, keys.ErrCorrupt, err, "update transit/decrypt/pan")
	}
	f.on("decrypt", says(200, reveals(key)))
	_, err := k.Unwrap(t.Context(), nil, form, b)
	require.NoError(t, err)

	f.on("datakey/plaintext", says(200, `{"data":{`+ct+`,"plaintext":"AAAA"}}`))
	_, _, err = k.GenerateDataKey(t.Context(), nil, b)
	isKind(t, keys.ErrCorrupt, err, "update transit/datakey/plaintext/pan")
	// A ciphertext in no form of Vault's is no answer of Vault's.
	f.on("encrypt", says(200, `{"data":{"ciphertext":"vault:v3:AAAA"}}`))
	f.on("rewrap", says(200, `{"data":{"ciphertext":"vault:v0:AAAA"}}`))
	_, err = k.Wrap(t.Context(), nil, key, b)
	isKind(t, keys.ErrUnavailable, err, "update transit/encrypt/pan")
	_, err = k.Rewrap(t.Context(), nil, form, b)
	isKind(t, keys.ErrUnavailable, err, "update transit/rewrap/pan")
}

// TestNothingIsSent: what can be no wrapped data key costs no call.
func TestNothingIsSent(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	long := binding()
	long.Scope = string(make([]byte, 1<<16))
	for _, form := range [][]byte{nil, {}, {1}, make([]byte, 81), make([]byte, 4065), make([]byte, 1<<16)} {
		_, err := k.Unwrap(t.Context(), nil, form, binding())
		isKind(t, keys.ErrCorrupt, err, "update transit/decrypt/pan")
		_, err = k.Rewrap(t.Context(), nil, form, binding())
		isKind(t, keys.ErrCorrupt, err, "update transit/rewrap/pan")
		require.ErrorIs(t, k.UnwrapBatch(t.Context(), []Wrapped{{form, binding()}})[0].Err, keys.ErrCorrupt)
	}
	_, err := k.Unwrap(t.Context(), nil, wrappedAs(t, 1, dataKey(), binding()), long)
	require.ErrorIs(t, err, keys.ErrCorrupt)
	_, err = k.Wrap(t.Context(), nil, make([]byte, 31), binding())
	require.Error(t, err)
	_, err = k.Wrap(t.Context(), nil, dataKey(), long)
	require.Error(t, err)
	_, _, err = k.GenerateDataKey(t.Context(), nil, long)
	require.Error(t, err)
	require.Empty(t, f.asked())
}

// TestNobodyListens: the operator reads where, errors.As finds the vendor's.
func TestNobodyListens(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	f.Close()
	_, err := k.Unwrap(t.Context(), nil, wrappedAs(t, 1, dataKey(), binding()), binding())
	isKind(t, keys.ErrUnavailable, err, "update transit/decrypt/pan")
	require.ErrorContains(t, err, f.Listener.Addr().String())
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}

// TestVendorsErrorStays: the kind is ours, the reason Vault's.
func TestVendorsErrorStays(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	f.on("decrypt", says(403, `{"errors":["1 error occurred: permission denied"]}`))
	_, err := k.Unwrap(t.Context(), nil, wrappedAs(t, 3, dataKey(), binding()), binding())
	var answer *api.ResponseError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, 403, answer.StatusCode)
	require.ErrorContains(t, err, "permission denied")
	require.ErrorContains(t, err, "update transit/decrypt/pan")
}
