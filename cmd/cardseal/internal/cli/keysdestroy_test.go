package cli

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

func TestKeysDestroy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		token := w.token()
		id := w.key(keys.PAN, "active")
		destroy := func(more ...string) []string {
			return append([]string{"keys", "destroy", id, "--confirm", id, "--actor", "custodian-1"}, more...)
		}
		w.fails(ExitFailed, "is active: retire or disable it first", destroy()...)
		w.ok("keys", "rotate", "--purpose", "pan")
		w.fails(ExitFailed, "1 records need the data key", destroy()...)
		w.fails(ExitFailed, "try again then", destroy("--shred")...)
		require.Contains(t, w.auditLog(), `"action":"destroy-key","outcome":"failed","owner":"custodian-1"`)
		time.Sleep(10 * time.Minute)
		w.fails(ExitFailed, "try again then", destroy("--shred", "--seal-lease", "1h")...)
		w.fails(ExitFailed, "1 records need the data key", destroy()...)
		w.fails(ExitUsage, "nothing was done", "keys", "destroy", id, "--shred", "--confirm", envelope.NewKeyID().String())
		w.fails(ExitUsage, "must not be negative", destroy("--serve", "-1s")...)

		// Nothing was closed or lost so far; once the card is deleted the key goes.
		w.ok("token", "update", token, "--expiry", "1231")
		w.ok("token", "delete", token)
		got := lines[receiptFields](t, w.run(destroy("--json")...))
		require.Len(t, got, 1)
		r := got[0]
		require.Equal(t, id, r.Key)
		require.False(t, r.Shredded)
		require.Zero(t, r.Records)
		require.Equal(t, time.Now().UTC().Truncate(time.Second).Add(time.Hour+time.Minute), r.LastUse)
		raw, err := base64.StdEncoding.DecodeString(r.Receipt)
		require.NoError(t, err)
		receipt, err := keys.ParseReceipt(raw)
		require.NoError(t, err)
		require.Equal(t, r.Destroyed, receipt.Destroyed)
		require.Contains(t, w.auditLog(), `"action":"destroy-key","outcome":"done","owner":"custodian-1","reason":"data key `+id+` of ring pan, records lost: 0"`)
		require.Equal(t, id, w.key(keys.PAN, "destroyed"))
		again := lines[receiptFields](t, w.run(destroy("--serve", "2h", "--json")...))[0]
		require.Equal(t, r.LastUse.Add(time.Hour), again.LastUse, "the receipt once more")
		require.Equal(t, r.Destroyed, again.Destroyed)
		require.Contains(t, w.ok(destroy()...).out, "once all older copies")
		w.fails(ExitFailed, "cannot be taken back", "keys", "enable", id)
		w.ok("audit", "verify")
	})
}

// With --shred the records are lost: they open no more, and say why.
func TestKeysDestroyShred(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		token := w.token()
		id := w.key(keys.PAN, "active")
		w.ok("keys", "retire", id)
		time.Sleep(10 * time.Minute)
		r := w.ok("keys", "destroy", id, "--shred", "--confirm="+id)
		require.Contains(t, r.out, "records lost")
		in := w.write("t", token+"\n")
		require.Equal(t, ExitPart, w.run("detokenize", "--in", in, "--out", w.path("n"), "--reason", "x").code)
		require.Contains(t, w.read("n.rejects.csv"), "key is disabled or destroyed")
		require.Equal(t, "ACTIVE", w.shown("token", "get", token).Status, "the rest is there")
		w.fails(ExitFailed, "closed for writing", "token", "update", token, "--expiry", "1231")
	})
}

// A key that cards are found by is not destroyed whatever is said, and neither is
// one whose use cannot be counted unless its loss is asked for.
func TestKeysDestroyNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.token()
		old := w.key(keys.Index, "active")
		w.ok("reindex")
		time.Sleep(10 * time.Minute)
		for _, more := range [][]string{nil, {"--shred"}} {
			w.fails(ExitFailed, "a repository finds its cards", append([]string{"keys", "destroy", old, "--confirm", old}, more...)...)
		}
		time.Sleep(40 * 24 * time.Hour) // repeated calls are remembered under it no more
		w.ok("keys", "destroy", old, "--confirm", old)
		w.token()

		id := w.key(keys.Audit, "active")
		w.ok("keys", "rotate", "--purpose", "audit")
		time.Sleep(10 * time.Minute)
		w.fails(ExitFailed, "cannot be counted", "keys", "destroy", id, "--confirm", id)
		w.ok("keys", "destroy", id, "--confirm", id, "--shred")
	})
}

// terminal is typed on, and shows what it was told.
type terminal struct {
	*strings.Reader
	shown bytes.Buffer
}

func (t *terminal) Write(p []byte) (int, error) { return t.shown.Write(p) }

func TestConfirmDestroy(t *testing.T) {
	r := &keys.Record{ID: envelope.NewKeyID(), Ring: keys.RingID{Purpose: keys.PAN}, State: keys.Retired}
	for typed, want := range map[string]error{
		r.ID.String() + "\n": nil, r.ID.String(): nil, " " + strings.ToUpper(r.ID.String()) + "\r\n": nil,
		"yes\n": errNotConfirmed, "": errNotConfirmed, envelope.NewKeyID().String() + "\n": errNotConfirmed,
		strings.Repeat("x", 1000): errNotConfirmed,
	} {
		tty := &terminal{Reader: strings.NewReader(typed)}
		require.Equal(t, want, askDestroy(t.Context(), tty, r, 17), typed)
		require.Contains(t, tty.shown.String(), "17 records need it and are lost")
		require.Contains(t, tty.shown.String(), r.ID.String())
	}
}
