package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/capture"
)

func get(s *server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// aToken has digits of chance.
var aToken = regexp.MustCompile(`\b9\d{15}\b`)

func post(t *testing.T, s *server, alias, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/card/"+alias, strings.NewReader(body)))
	require.NotContains(t, aToken.ReplaceAllString(w.Body.String(), ""), "4111111")
	return w
}

// seal is what the page does, in Go.
func seal(t *testing.T, s *server, alias, plaintext string) string {
	t.Helper()
	var p capture.Published
	require.NoError(t, json.Unmarshal(get(s, "/key/"+alias).Body.Bytes(), &p))
	suite, err := cryptocapture.ParseSuite(p.Suite)
	require.NoError(t, err)
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	require.NoError(t, err)
	k, err := cryptocapture.ParsePublicKey(suite, id, raw)
	require.NoError(t, err)
	text, err := k.Seal(nil, []byte(plaintext), cryptocapture.Binding{Environment: s.keys.Environment(), Scope: s.repo.Scope(), Alias: alias})
	require.NoError(t, err)
	return string(text)
}

func TestServer(t *testing.T) {
	s, err := newServer(t.Context(), filepath.Join(t.TempDir(), "development.key"))
	require.NoError(t, err)
	at := func(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(time.RFC3339) }
	for _, alias := range []string{"web", "web-jwe"} {
		text := seal(t, s, alias, `{"cardNumber":"`+visa+`","cvv":"123","captureTime":"`+at(0)+`"}`)
		w := post(t, s, alias, text)
		require.Equal(t, http.StatusOK, w.Code)
		require.Regexp(t, `^saved 411111xxxxxx1111 as 9\d{15}$`, w.Body.String())
		require.Equal(t, http.StatusBadRequest, post(t, s, alias, text).Code, "twice")

		w = post(t, s, alias, seal(t, s, alias, `{"cardNumber":"`+visa+`","captureTime":"`+at(time.Hour)+`"}`))
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Equal(t, "set your clock and send it again\n", w.Body.String())
		bad := seal(t, s, alias, `{"cardNumber":"4111111111111112","captureTime":"`+at(0)+`"}`)
		for range 2 { // what is refused spends no message
			w = post(t, s, alias, bad)
			require.Equal(t, http.StatusBadRequest, w.Code)
			require.Regexp(t, "^refused: .*number", w.Body.String())
		}
		for _, bad := range []string{"", "x", text[1:], strings.Repeat("A", 10<<20), visa} {
			w = post(t, s, alias, bad)
			require.Equal(t, http.StatusBadRequest, w.Code)
			require.Equal(t, "not a card\n", w.Body.String())
		}
		require.Equal(t, http.StatusBadRequest, post(t, s, "app", text).Code)
	}
	require.Equal(t, http.StatusNotFound, get(s, "/key/app").Code)
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/capture.js": "text/javascript; charset=utf-8", "/form.js": "text/javascript; charset=utf-8"} {
		w := get(s, path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Equal(t, kind, w.Header().Get("Content-Type"))
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'self'")
	}

	text := seal(t, s, "web", `{"captureTime":"`+at(0)+`"}`)
	require.NoError(t, s.keys.Close())
	require.Equal(t, http.StatusServiceUnavailable, post(t, s, "web", text).Code)
	require.Equal(t, http.StatusServiceUnavailable, get(s, "/key/web").Code)
	_, err = s.ring.Published(t.Context(), "web")
	require.ErrorIs(t, err, keys.ErrClosed)
}
