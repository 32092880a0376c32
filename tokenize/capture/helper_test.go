package capture_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/pad"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A card that gateways publish for tests.
const visa = "4111111111111111"

// The pad of the tests has no zero nibble, so that a search of memory dumps finds
// faults alone.
func TestMain(m *testing.M) {
	for i := range pad.Value {
		pad.Value[i] = []byte{0x95, 0x3c, 0xe7, 0x51, 0xab, 0x6d, 0xf2}[i%7]
	}
	os.Exit(m.Run())
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

// world is what several processes share: data keys, a KEK, capture keys.
type world struct {
	t    testing.TB
	db   *memory.DB
	kek  *keystest.KEK
	keys hooked
}

func newWorld(t testing.TB) *world {
	return &world{t: t, db: memory.New(), kek: keystest.NewKEK("test")}
}

// hooked is a key store that counts reads and can fail.
type hooked struct {
	capture.MemoryKeys
	gets   int
	fail   error
	answer *capture.Key // in place of every key asked for
	onPut  func()       // before the next write
	stale  bool         // every write comes too late
	fenced envelope.KeyID
}

func (h *hooked) Put(ctx context.Context, k capture.Key, was []byte) error {
	if f := h.onPut; f != nil {
		h.onPut = nil
		f()
	}
	if h.stale {
		return store.ErrConflict
	}
	if id, ok := envelope.StoredKeyID(k.Sealed); ok && id == h.fenced {
		return store.ErrFenced
	}
	return h.MemoryKeys.Put(ctx, k, was)
}

func (h *hooked) Get(ctx context.Context, scope, alias string, id capture.KeyID) (capture.Key, error) {
	h.gets++
	if h.fail != nil {
		return capture.Key{}, h.fail
	}
	if h.answer != nil {
		return *h.answer, nil
	}
	return h.MemoryKeys.Get(ctx, scope, alias, id)
}

// overwrite is what a writer to the store can do.
func (w *world) overwrite(k capture.Key) {
	old, err := w.keys.Get(w.t.Context(), k.Scope, k.Alias, k.ID)
	if err == nil {
		require.NotNil(w.t, old.Sealed)
		require.NoError(w.t, w.keys.Put(w.t.Context(), k, old.Sealed))
		return
	}
	require.NoError(w.t, w.keys.Put(w.t.Context(), k, nil))
}

func (w *world) manager(environment string) *keys.Manager {
	m, err := keys.Open(w.t.Context(), w.db.Keys(), w.kek, &keys.Options{Environment: environment})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { m.Close() })
	return m
}

func (w *world) keyring(environment, scope string) *capture.Keyring {
	r, err := capture.New(w.manager(environment), scope, &w.keys)
	require.NoError(w.t, err)
	return r
}

func generate(t testing.TB, r *capture.Keyring, alias string, s capture.Suite) capture.Published {
	t.Helper()
	p, err := r.Generate(t.Context(), alias, s, 30*24*time.Hour)
	require.NoError(t, err)
	return p
}

// encrypt is a client: it knows what was published.
func encrypt(t testing.TB, p capture.Published, plaintext string) []byte {
	t.Helper()
	s, err := cryptocapture.ParseSuite(p.Suite)
	require.NoError(t, err)
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	require.NoError(t, err)
	k, err := cryptocapture.ParsePublicKey(s, id, raw)
	require.NoError(t, err)
	b := cryptocapture.Binding{Environment: "test", Scope: "scope", Alias: p.Alias}
	if p.Info != "" {
		info, err := k.Info(b)
		require.NoError(t, err)
		require.Equal(t, p.Info, base64.RawURLEncoding.EncodeToString(info))
	}
	text, err := k.Seal(nil, []byte(plaintext), b)
	require.NoError(t, err)
	return text
}

// withHeader is a JWE for an RSA key that is good but for its header: the content key is
// the right one, and the tag is over that header.
func withHeader(t testing.TB, p capture.Published, header, plaintext string) []byte {
	t.Helper()
	der, err := base64.RawURLEncoding.DecodeString(p.Key)
	require.NoError(t, err)
	key, err := x509.ParsePKIXPublicKey(der)
	require.NoError(t, err)
	cek := make([]byte, 32)
	rand.Read(cek)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key.(*rsa.PublicKey), cek, nil)
	require.NoError(t, err)
	block, err := aes.NewCipher(cek)
	require.NoError(t, err)
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	aad := b64([]byte(header))
	body := gcm.Seal(nil, nil, []byte(plaintext), []byte(aad)) // IV, ciphertext, tag
	tag := len(body) - 16
	return []byte(strings.Join([]string{aad, b64(wrapped), b64(body[:12]), b64(body[12:tag]), b64(body[tag:])}, "."))
}

// captured is a card that was captured some time ago.
func captured(ago time.Duration) string {
	return fmt.Sprintf(`{"cardNumber":"%s","cvv":"123","captureTime":"%s"}`,
		visa, time.Now().Add(-ago).UTC().Format(time.RFC3339Nano))
}
