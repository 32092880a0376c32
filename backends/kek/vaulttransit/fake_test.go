package vaulttransit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// soundKey is what Vault tells of a key that serves.
const soundKey = `{"data":{"type":"aes256-gcm96","derived":true,"latest_version":3,"min_decryption_version":2,"min_available_version":1}}`

// fake is a server that answers as it is told, for what a real one says once a
// year.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	answers  map[string]http.HandlerFunc // by operation: "keys", "decrypt", …
	requests []string
}

func newFake(t *testing.T) *fake {
	f := &fake{answers: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.on("keys", says(200, soundKey))
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.URL.Path, "/v1/transit/")
	operation = operation[:strings.LastIndex(operation, "/")]
	f.mu.Lock()
	answer := f.answers[operation]
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.mu.Unlock()
	if answer == nil {
		answer = says(500, `{"errors":["not expected"]}`)
	}
	answer(w, r)
}

// on sets the answer to an operation.
func (f *fake) on(operation string, answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[operation] = answer
}

// asked returns and forgets the requests so far.
func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.requests
	f.requests = nil
	return r
}

func (f *fake) client(t *testing.T) *api.Client { return newClient(t, f.URL, "fake-token") }

func (f *fake) open(t *testing.T) *KEK {
	t.Helper()
	k, err := New(t.Context(), f.client(t), "transit", "pan", nil)
	require.NoError(t, err)
	f.asked()
	return k
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// cutOff announces more than it sends.
func cutOff(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)+100))
		fmt.Fprint(w, body)
		panic(http.ErrAbortHandler)
	}
}
