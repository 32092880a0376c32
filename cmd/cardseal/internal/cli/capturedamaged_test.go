package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
)

// A capture key that was altered is told of, and keeps no command from the others.
func TestDamagedCaptureKey(t *testing.T) {
	uri := database(t)
	admin := asAdmin(t, uri)
	w := newWorld(t)
	w.ok("store", "migrate", "--store", uri)
	w.ok("init", "--store", uri)
	w.ok("repo", "create", "DEFAULT")
	bad, good := w.published("--alias", "web"), w.published("--alias", "app")
	pgtest.Exec(t, admin, "UPDATE cardseal.capture_keys SET sealed = set_byte(sealed, 70, 255 - get_byte(sealed, 70)) WHERE alias = 'web'")

	r := w.run("capture", "list")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.out, good.KeyID)
	require.NotContains(t, r.out, bad.KeyID)
	require.Contains(t, r.err, "keys that do not unseal: 1, the first is "+bad.KeyID)
	w.ok("keys", "rotate", "--purpose", "capture")
	r = w.run("reseal", "--ring", "capture")
	require.Equal(t, ExitPart, r.code)
	require.Contains(t, r.out, "DEFAULT  1 capture keys sealed anew")
	require.Contains(t, r.err, "all others are done")
	require.Contains(t, w.auditLog(), `"outcome":"done","repository":"DEFAULT"`)
	require.Contains(t, w.auditLog(), `"reason":"ring capture, but for keys that do not unseal"`)
	w.ok("capture", "retire", good.KeyID)
	r = w.run("capture", "retire", bad.KeyID)
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "keys that do not unseal")
}
